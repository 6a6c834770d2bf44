//! Secrets in a machine's environment and user data: on the way to a real engine they stand in no error, no `Debug`, and no
//! line of the log.

use std::fmt::Write as _;

use spuff_core::provider::ProviderResult;
use tracing_subscriber::util::SubscriberInitExt;

use super::log::{self, Log};
use super::*;

/// All on one thread, whose log is its own: other tests log elsewhere.
#[tokio::test]
async fn no_secret_is_ever_shown() {
    const USER_DATA: &str = "userdatakanarienvogel";
    const ENVIRONMENT: &str = "umgebungskanarienvogel";
    let seen = Log::default();
    let writer = seen.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    let guard = subscriber.finish().set_default();

    let mut shown = String::new();
    let secret = |config: ProviderConfig| config.with_option("environment", format!("PASSWORD={ENVIRONMENT}"));
    let script = format!("#!/bin/sh\necho {USER_DATA} >/ran\n");
    let provider = connect(secret(config()));
    writeln!(shown, "{:?}", secret(config())).unwrap();
    let wanted = request().with_user_data(&script);
    writeln!(shown, "{wanted:?}").unwrap();
    let machine = ready(&provider, &wanted).await;
    writeln!(shown, "{machine:?}").unwrap();
    // It is there all the same.
    assert_eq!(soon(&machine.id, "cat /ran && echo $PASSWORD").await, format!("{USER_DATA}\n{ENVIRONMENT}"));

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
    assert!(logged.contains("create_instance{provider=\"docker\"") && logged.contains("/start"), "the log was not recorded");
    // The API's library logs what it sends and is told of a container, its environment too, and nobody can keep it from that.
    let is_ours = |line: &&str| !line.contains(" bollard::");
    let leaks: Vec<_> = shown.lines().chain(logged.lines()).filter(|line| line.contains(USER_DATA)).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
    let leaks: Vec<_> = shown.lines().chain(logged.lines().filter(is_ours)).filter(|line| line.contains(ENVIRONMENT)).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
}
