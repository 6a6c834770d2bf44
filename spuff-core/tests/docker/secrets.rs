//! Secrets in a machine's environment and user data: on the way to a real engine they stand in no
//! error, no `Debug`, and no line of the log.

use std::fmt::Write as _;

use spuff_core::provider::{ImageSpec, ProviderResult};
use tracing_subscriber::util::SubscriberInitExt;

use super::log::{self, Log};
use super::*;

/// All on one thread, whose log is its own: other tests log elsewhere.
#[tokio::test]
async fn no_secret_is_ever_shown() {
    const USER_DATA: &str = "userdatakanarienvogel";
    const ENVIRONMENT: &str = "umgebungskanarienvogel";
    // With one alone, what another test comes to first is recorded for nobody, and stays so.
    let _nobody = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let seen = Log::default();
    let writer = seen.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone());
    let guard = subscriber.finish().set_default();

    let mut shown = String::new();
    let secret = |config: ProviderConfig| {
        config.with_option("environment", format!("PASSWORD={ENVIRONMENT}"))
    };
    let script = format!("#!/bin/sh\necho {USER_DATA} >/ran\n");
    let provider = connect(secret(config()));
    writeln!(shown, "{:?}", secret(config())).unwrap();
    let wanted = request().with_user_data(&script);
    writeln!(shown, "{wanted:?}").unwrap();
    let machine = ready(&provider, &wanted).await;
    writeln!(shown, "{machine:?}").unwrap();
    assert!(!docker(&["inspect", &machine.id]).contains(ENVIRONMENT));
    // It is there all the same.
    assert_eq!(
        soon(&machine.id, "cat /ran && . /.spuff/environment && echo $PASSWORD").await,
        format!("{USER_DATA}\n{ENVIRONMENT}")
    );

    // A name that is taken, a port that is taken, and what the engine does not have.
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let port_taken = connect(secret(config()).with_option("ports", format!("{port}:80")));
    let no_shell = request().with_image("spuff-bare:1".parse().unwrap()).with_user_data(&script);
    let no_network = InstanceRequest { region: "nowhere".to_string(), ..request() };
    let failed: [ProviderResult<ProviderInstance>; 4] = [
        provider.create_instance(&wanted).await,
        port_taken.create_instance(&request().with_user_data(&script)).await,
        provider.create_instance(&no_shell).await,
        provider.create_instance(&no_network).await,
    ];
    for failed in failed {
        shown.push_str(&log::shown(&failed.unwrap_err()));
    }
    provider.destroy_instance(&machine.id).await.unwrap();
    drop(guard);

    let logged = seen.text();
    assert!(
        logged.contains("create_instance{provider=\"docker\"") && logged.contains("/start"),
        "the log was not recorded"
    );
    for secret in [USER_DATA, ENVIRONMENT] {
        let leaks: Vec<_> =
            shown.lines().chain(logged.lines()).filter(|line| line.contains(secret)).collect();
        assert!(leaks.is_empty(), "{leaks:#?}");
    }
}

/// An image is what people push to registries.
#[tokio::test]
async fn a_snapshot_has_neither_the_environment_nor_the_user_data() {
    const USER_DATA: &str = "userdatazaunkoenig";
    const ENVIRONMENT: &str = "umgebungszaunkoenig";
    let provider = connect(config().with_option("environment", format!("PASSWORD={ENVIRONMENT}")));
    // Its arguments are those of no process that lasts, and its words are nowhere else.
    let script =
        format!("#!/bin/sh\n# {USER_DATA}\necho \"${{PASSWORD#umgebungs}}\" >/ran\nsleep 1000\n");
    let machine = ready(&provider, &request().with_user_data(script)).await;
    assert_eq!(soon(&machine.id, "test -s /ran && cat /ran").await, "zaunkoenig");
    // While the user data runs, which is when it is surely there.
    let snapshot = provider.create_snapshot(&machine.id, "shown").await.unwrap();
    let shown = docker(&["image", "inspect", &format!("spuff-snapshot:{}", snapshot.id)]);
    assert!(
        !shown.contains("PASSWORD") && !shown.contains(ENVIRONMENT) && !shown.contains(USER_DATA),
        "{shown}"
    );

    let plain = super::provider();
    let seen = r#"grep -rl "$0" /.spuff /ran /root /etc /tmp 2>/dev/null; tr '\0' '\n' </proc/self/environ; echo "$0 is not there""#;
    let copy = request()
        .with_image(ImageSpec::Snapshot(snapshot.id.clone()))
        .with_user_data("#!/bin/sh\nenv >/environment\n");
    let copy = ready(&plain, &copy).await;
    soon(&copy.id, "test -s /environment").await;
    for secret in [ENVIRONMENT, USER_DATA] {
        let told = docker(&[
            "exec",
            &copy.id,
            "/bin/sh",
            "-c",
            &format!("{seen}; cat /environment"),
            &secret[..9],
        ]);
        assert!(!told.contains("user-data-") && !told.contains("PASSWORD"), "{told}");
    }
    for id in [&machine.id, &copy.id] {
        provider.destroy_instance(id).await.unwrap();
    }
    provider.delete_snapshot(&snapshot.id).await.unwrap();
}
