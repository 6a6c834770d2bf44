//! What is handed over to a machine: user data, once, and keys.

use spuff_core::provider::{ErrorKind, ImageSpec, InstanceStatus, ProviderError};

use super::proxy::{Fault, Proxy};
use super::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@example";

#[tokio::test]
async fn a_script_runs_once_as_it_is() {
    let provider = provider();
    let script = "#!/bin/sh\necho \"$(id -u) $(pwd) $0\" >>/ran\necho told\nexit 3\n";
    let machine = ready(&provider, &request().with_user_data(script).with_ssh_key(KEY)).await;
    let told = soon(&machine.id, "cat /ran").await;
    assert!(told.starts_with("0 / /.spuff/user-data-"), "{told}");
    assert_eq!(
        inside(
            &machine.id,
            "cat /root/.ssh/authorized_keys; stat -c %a /root/.ssh /root/.ssh/authorized_keys"
        ),
        format!("{KEY}\n700\n600")
    );
    for _ in 0..100 {
        if docker(&["logs", &machine.id]).contains("ended with 3") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(docker(&["logs", &machine.id]).contains("told"));

    docker(&["restart", "--time", "1", &machine.id]);
    provider.wait_ready(&machine.id).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(
        inside(&machine.id, "wc -l </ran; wc -l </root/.ssh/authorized_keys"),
        "1\n1",
        "not again"
    );
    provider.destroy_instance(&machine.id).await.unwrap();
}

#[tokio::test]
async fn a_machine_ends_without_delay() {
    let provider = provider();
    let machine = ready(&provider, &request()).await;
    // SIGTERM reaches what the init runs: the engine would wait ten seconds, and kill it with 137.
    // Podman says 137 of this too.
    docker(&["stop", &machine.id]);
    if !is_podman() {
        assert_eq!(docker(&["inspect", &machine.id, "--format", "{{.State.ExitCode}}"]), "0");
    }
    provider.destroy_instance(&machine.id).await.unwrap();
}

/// In a real Debian.
#[tokio::test]
async fn cloud_config_makes_of_a_machine_what_it_says() {
    let provider = provider();
    let config = format!(
        r#"#cloud-config
packages: [spuff-hello]
groups: [crew]
users:
  - default
  - name: ada
    gecos: Ada L.
    groups: [crew]
    shell: /bin/bash
    sudo: ALL=(ALL) NOPASSWD:ALL
    ssh_authorized_keys: ["{KEY}"]
write_files:
  - path: /opt/it's/here.txt
    content: "$HOME `id` it's\n"
    permissions: '0640'
    owner: root:adm
  - path: /opt/late
    content: late
    owner: ada
    defer: true
runcmd:
  - spuff-hello >/opt/said
  - [sh, -c, "echo $0 >/opt/argv", "a b"]
  - touch /opt/done
"#
    );
    let machine = ready(
        &provider,
        &request().with_image(ImageSpec::Debian("12".to_string())).with_user_data(config),
    )
    .await;
    soon(&machine.id, "test -e /opt/done").await;
    let seen = |command: &str| inside(&machine.id, command);
    assert_eq!(seen("cat /opt/said /opt/argv"), "hello\na b");
    assert_eq!(
        seen("cat \"/opt/it's/here.txt\"; stat -c '%a %U %G' \"/opt/it's/here.txt\" /opt/late"),
        "$HOME `id` it's\n640 root adm\n644 ada root"
    );
    assert_eq!(
        seen("getent passwd ada | cut -d: -f5-; id -nG ada | tr ' ' '\\n' | grep crew"),
        "Ada L.:/home/ada:/bin/bash\ncrew"
    );
    assert_eq!(
        seen("cat ~ada/.ssh/authorized_keys; stat -c '%a %U' ~ada/.ssh ~ada/.ssh/authorized_keys"),
        format!("{KEY}\n700 ada\n600 ada")
    );
    assert!(docker(&["logs", &machine.id]).contains("ended with 0"));
    provider.destroy_instance(&machine.id).await.unwrap();
}

/// An engine says of what its init cannot execute that it runs, and starts it again for ever.
/// Podman has little time for others then.
#[tokio::test]
async fn what_cannot_run_is_never_active_and_ends_early_with_the_reason() {
    let wanted = request().with_image("spuff-alien:1".parse().unwrap());
    let said = |text: &str| {
        ["/bin/sh", "xec format error", "processor"].iter().all(|words| text.contains(words))
    };
    // Also under a key: nobody can use it.
    for wanted in [wanted.clone(), wanted.clone().with_idempotency_key(&wanted.name)] {
        let error = create_and_wait(&provider(), &wanted, OnFailure::Destroy).await.unwrap_err();
        let ProviderError::AfterCreate { exists: false, source, .. } = &error else {
            panic!("{error:?}")
        };
        let ProviderError::InvalidConfig { field, message } = &**source else {
            panic!("{error:?}")
        };
        assert!(field == "image" && said(message), "{error}");
        assert_eq!(
            docker(&["ps", "--all", "--quiet", "--filter", &format!("name={}", wanted.name)]),
            ""
        );
    }

    // One that cannot be ended is seen by all while it comes and goes.
    let proxy = Proxy::start();
    proxy.fault("DELETE /containers/", 1..usize::MAX, Fault::RequestLost);
    let hasty = ProviderTimeouts { action_complete: Duration::from_secs(2), ..timeouts() };
    let cut_off = connect(proxy.config().with_timeouts(hasty));
    let provider = provider();
    let looking = async {
        loop {
            for machine in provider
                .list_instances()
                .await
                .unwrap()
                .into_iter()
                .filter(|listed| listed.name == wanted.name)
            {
                assert_ne!(machine.status, InstanceStatus::Active);
                let read = provider.get_instance(&machine.id).await.unwrap().unwrap();
                assert_ne!(read.status, InstanceStatus::Active);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let error = tokio::select! {
        made = cut_off.create_instance(&wanted) => made.unwrap_err(),
        () = looking => unreachable!(),
    };
    let ProviderError::AfterCreate {
        instance_id: id, exists: true, source, cleanup: Some(_), ..
    } = &error
    else {
        panic!("{error:?}")
    };
    assert!(said(&source.to_string()), "{error}");
    let error = provider.wait_ready(id).await.unwrap_err();
    provider.destroy_instance(id).await.unwrap();
    assert!(
        error.kind() == ErrorKind::Conflict
            && error.is_instance_failure(id)
            && said(&error.to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn a_machine_is_active_as_long_as_its_first_process_runs() {
    let provider = provider();
    let made = provider
        .create_instance(&request().with_user_data("#!/bin/sh\r\nsleep 1000\r\n"))
        .await
        .unwrap();
    assert_eq!(made.status, InstanceStatus::Active, "its user data need not end");
    soon(&made.id, "ps | grep -q '[s]leep 1000'").await;
    // Whoever has not made it sees the same.
    let other = super::provider();
    let is_it = |listed: &ProviderInstance| listed.id == made.id;
    assert_eq!(
        other.list_instances().await.unwrap().into_iter().find(is_it).unwrap().status,
        InstanceStatus::Active
    );
    docker(&["stop", "--time", "1", &made.id]);
    for provider in [&provider, &other] {
        assert_eq!(
            provider.get_instance(&made.id).await.unwrap().unwrap().status,
            InstanceStatus::Off
        );
    }
    docker(&["start", &made.id]);
    assert!(other.wait_ready(&made.id).await.unwrap().is_ready());
    provider.destroy_instance(&made.id).await.unwrap();
}
