//! What a machine is: its address, its labels, its limits, its end.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};

use spuff_core::fleet::{FleetOptions, create_instances, destroy_instances};
use spuff_core::provider::{ErrorKind, ImageSpec, InstanceStatus, ProviderError};

use super::engine::commit;
use super::*;

#[tokio::test]
async fn a_machine_is_a_container_with_an_address_of_its_own() {
    let provider = provider();
    let wanted = InstanceRequest { size: "0.5x64m".to_string(), ..request() }
        .with_label("env", "a b=c,{\"d\":é}");
    let machine = ready(&provider, &wanted).await;
    let shown = docker(&[
        "inspect",
        &machine.id,
        "--format",
        "{{.Name}} {{.HostConfig.NanoCpus}} {{.HostConfig.Memory}} {{.HostConfig.Init}} \
         {{.HostConfig.RestartPolicy.Name}}",
    ]);
    assert_eq!(shown, format!("/{} 500000000 67108864 true always", wanted.name));
    assert_eq!(
        (machine.name.as_str(), machine.region.as_str(), machine.size.as_str()),
        (wanted.name.as_str(), "bridge", "0.5x64m")
    );
    assert_eq!(
        (machine.status.clone(), machine.labels["env"].as_str()),
        (InstanceStatus::Active, "a b=c,{\"d\":é}")
    );
    assert!(
        (chrono::Utc::now() - machine.created_at).num_seconds().abs() < 60,
        "{}",
        machine.created_at
    );
    assert_eq!(provider.get_instance(&machine.id).await.unwrap().unwrap(), machine);
    let listed = provider
        .list_instances()
        .await
        .unwrap()
        .into_iter()
        .find(|listed| listed.id == machine.id)
        .unwrap();
    assert_eq!(ProviderInstance { created_at: machine.created_at, ..listed }, machine);
    assert_eq!(inside(&machine.id, "hostname"), wanted.name);

    // It can be reached from here.
    docker(&[
        "exec",
        "--detach",
        &machine.id,
        "/bin/sh",
        "-c",
        "while :; do echo here | nc -l -p 7777; done",
    ]);
    assert!(reached(machine.ip).await, "{}", machine.ip);
    if std::env::var("SPUFF_TEST_ENGINE_IPV6").is_ok_and(|value| !value.is_empty()) {
        assert!(
            machine.addresses.iter().any(|address| address.ip.is_ipv6()),
            "{:?}",
            machine.addresses
        );
    }

    provider.destroy_instance(&machine.id).await.unwrap();
    provider.destroy_instance(&machine.id).await.unwrap();
    assert_eq!(provider.get_instance(&machine.id).await.unwrap(), None);
}

/// Passes what comes by a connection on to the engine, and what the engine says back.
fn relay(mut from: impl Read + Send + 'static, mut to: impl Write + Send + 'static) {
    let engine =
        UnixStream::connect(config().endpoint.unwrap().trim_start_matches("unix://")).unwrap();
    let mut there = engine.try_clone().unwrap();
    std::thread::spawn(move || {
        drop(std::io::copy(&mut from, &mut there));
        drop(there.shutdown(Shutdown::Write));
    });
    std::thread::spawn(move || drop(std::io::copy(&mut &engine, &mut to)));
}

/// At an engine of another computer, as far as anybody can see, the machine is where its published
/// ports are.
#[tokio::test]
async fn what_is_called_public_can_be_reached() {
    let here = provider();
    // It stays to the end: Podman's network has an address of this computer only while it has a
    // machine.
    let resident = ready(&here, &request()).await;
    assert!(
        resident.addresses.iter().all(|address| address.public) && !resident.addresses.is_empty()
    );

    // A user's own engine has the networks in a namespace of its own.
    let relayed = std::env::temp_dir().join(format!("spuff-u{}.sock", std::process::id()));
    let listener = UnixListener::bind(&relayed).unwrap();
    std::os::unix::fs::chown(&relayed, Some(65534), None).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            relay(client.try_clone().unwrap(), client);
        }
    });
    let users = connect(config().with_endpoint(relayed.display().to_string()));
    let mine = ready(&users, &request()).await;
    assert_eq!((mine.ip, mine.addresses[0].public), (Ipv4Addr::LOCALHOST.into(), true));
    assert!(
        mine.addresses.len() > 1 && mine.addresses[1..].iter().all(|address| !address.public),
        "{:?}",
        mine.addresses
    );
    users.destroy_instance(&mine.id).await.unwrap();
    std::fs::remove_file(relayed).unwrap();

    // The address by which this computer would speak to others of the engine's network.
    let probe = UdpSocket::bind("0.0.0.0:0").unwrap();
    probe.connect((resident.ip, 9)).unwrap();
    let host = probe.local_addr().unwrap().ip();
    let listener = TcpListener::bind((host, 0)).unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            relay(client.try_clone().unwrap(), client);
        }
    });
    let there = config()
        .with_endpoint(endpoint)
        .with_option("plain_tcp", "true")
        .with_option("ports", "7777");
    let there = connect(there);
    let machine = ready(&there, &request()).await;
    let public: Vec<_> = machine
        .addresses
        .iter()
        .filter(|address| address.public)
        .map(|address| address.ip)
        .collect();
    assert_eq!((machine.ip, public), (host, vec![host]));
    assert!(machine.addresses.len() > 1, "its own are private: {:?}", machine.addresses);
    let listed = there
        .list_instances()
        .await
        .unwrap()
        .into_iter()
        .find(|listed| listed.id == machine.id)
        .unwrap();
    assert_eq!((listed.ip, &listed.addresses), (machine.ip, &machine.addresses));
    docker(&[
        "exec",
        "--detach",
        &machine.id,
        "/bin/sh",
        "-c",
        "while :; do echo here | nc -l -p 7777; done",
    ]);
    let published = machine.labels["spuff-port-7777/tcp"]
        .split(',')
        .next()
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap();
    // Podman's engine of the tests has no firewall that would lead there.
    if !is_podman() {
        assert!(reached_at(host, published.parse().unwrap()).await, "{published}");
    }
    there.destroy_instance(&machine.id).await.unwrap();
    here.destroy_instance(&resident.id).await.unwrap();
}

async fn reached(ip: IpAddr) -> bool {
    reached_at(ip, 7777).await
}

async fn reached_at(ip: IpAddr, port: u16) -> bool {
    for _ in 0..50 {
        if TcpStream::connect((ip, port)).is_ok() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

/// Containers of others are not listed, whatever labels they have taken from an image or been
/// given.
#[tokio::test]
async fn what_others_have_made_is_not_spuffs() {
    let provider = provider();
    let id = docker(&[
        "run",
        "--detach",
        "--label",
        "managed-by=spuff",
        "--label",
        "spuff-expires=1",
        "ubuntu:24.04",
        "sleep",
        "1000",
    ]);
    assert!(provider.list_instances().await.unwrap().iter().all(|machine| machine.id != id));
    let seen = provider.get_instance(&id).await.unwrap().unwrap();
    assert_eq!((seen.labels["managed-by"].as_str(), seen.region.as_str()), ("spuff", "bridge"));
    docker(&["rm", "--force", &id]);

    // An image that was made of a machine without spuff hands all of its labels down.
    let machine = ready(&provider, &request().with_idempotency_key("handed-down")).await;
    let image = commit(&[&machine.id, "handed-down"]);
    let other = docker(&["run", "--detach", "handed-down"]);
    let found =
        |listed: Vec<ProviderInstance>, id: &str| listed.iter().any(|machine| machine.id == id);
    let listed = provider.list_instances().await.unwrap();
    assert!(found(listed.clone(), &machine.id) && !found(listed, &other));
    provider.destroy_instance(&machine.id).await.unwrap();
    assert_eq!(provider.resolve("handed-down").await.unwrap(), None);
    docker(&["rm", "--force", "--volumes", &other]);
    docker(&["rmi", "--force", &image]);
}

/// An image without a name, which somebody has made from a snapshot: it is not what spuff left
/// there.
#[tokio::test]
async fn an_image_of_others_stays_when_its_machine_goes() {
    let provider = provider();
    let machine = ready(&provider, &request()).await;
    let snapshot = provider.create_snapshot(&machine.id, "theirs").await.unwrap();
    let other = docker(&["create", &format!("spuff-snapshot:{}", snapshot.id)]);
    let image = commit(&["--change", "LABEL theirs=1", &other]);
    let image = format!("sha256:{}", image.trim_start_matches("sha256:"));
    docker(&["rm", "--volumes", &other]);

    let copy = ready(&provider, &request().with_image(ImageSpec::Custom(image.clone()))).await;
    provider.destroy_instance(&copy.id).await.unwrap();
    docker(&["image", "inspect", &image]);
    docker(&["rmi", &image]);
    provider.destroy_instance(&machine.id).await.unwrap();
    provider.delete_snapshot(&snapshot.id).await.unwrap();
}

#[tokio::test]
async fn a_region_is_a_network() {
    let provider = provider();
    let wanted = request();
    let network = format!("net-{}", wanted.name);
    docker(&["network", "create", &network]);
    let machine =
        ready(&provider, &InstanceRequest { region: network.clone(), ..wanted.clone() }).await;
    let address = docker(&[
        "inspect",
        &machine.id,
        "--format",
        "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
    ]);
    assert_eq!((machine.ip.to_string(), machine.region.as_str()), (address, network.as_str()));
    let by_default = connect(config().with_region(&network));
    let other = by_default.create_instance(&request()).await.unwrap();
    assert_eq!(other.region, network);
    for id in [&machine.id, &other.id] {
        provider.destroy_instance(id).await.unwrap();
    }
    docker(&["network", "rm", &network]);
}

#[tokio::test]
async fn a_machine_is_ready_when_it_is_well() {
    let provider = provider();
    let made = provider
        .create_instance(&request().with_image("spuff-health:1".parse().unwrap()))
        .await
        .unwrap();
    // Podman's checks are systemd's to run, which is not there.
    if is_podman() {
        return provider.destroy_instance(&made.id).await.unwrap();
    }
    assert_eq!(made.status, InstanceStatus::New);
    let listed = provider.list_instances().await.unwrap();
    assert_eq!(
        listed.iter().find(|listed| listed.id == made.id).unwrap().status,
        InstanceStatus::New
    );
    assert_eq!(provider.wait_ready(&made.id).await.unwrap().status, InstanceStatus::Active);

    let hasty =
        connect(config().with_timeouts(ProviderTimeouts {
            instance_ready: Duration::from_secs(8),
            ..timeouts()
        }));
    let ill = provider
        .create_instance(&request().with_image("spuff-unhealthy:1".parse().unwrap()))
        .await
        .unwrap();
    let error = hasty.wait_ready(&ill.id).await.unwrap_err();
    assert!(
        matches!(error, ProviderError::Timeout { .. }) && error.to_string().contains("unhealthy"),
        "{error}"
    );
    for id in [&made.id, &ill.id] {
        provider.destroy_instance(id).await.unwrap();
    }
}

/// Whatever an image says of its user, its entrypoint and its folder.
#[tokio::test]
async fn every_image_with_a_shell_is_a_machine() {
    let provider = provider();
    for image in ["spuff-volume:1", "spuff-user:1"] {
        let machine = ready(&provider, &request().with_image(image.parse().unwrap())).await;
        let init = inside(&machine.id, "cat /proc/1/comm");
        assert!(init.ends_with("-init"), "{init}");
        let volumes =
            docker(&["inspect", &machine.id, "--format", "{{range .Mounts}}{{.Name}} {{end}}"]);
        provider.destroy_instance(&machine.id).await.unwrap();
        // Those without a name go with it.
        for volume in volumes.split_whitespace() {
            assert!(try_docker(&["volume", "inspect", volume]).is_err(), "{volume}");
        }
    }
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let provider = provider();
    let wanted = request();
    let machine = provider.create_instance(&wanted).await.unwrap();
    let error = provider.create_instance(&wanted).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Conflict, false), "{error}");
    assert!(error.to_string().contains(&wanted.name), "{error}");
    provider.destroy_instance(&machine.id).await.unwrap();

    // Under a caller's own key it is the same machine.
    let keyed = request().with_idempotency_key(format!("order-{}", std::process::id()));
    let (one, two) =
        tokio::join!(provider.create_instance(&keyed), provider.create_instance(&keyed));
    let one = one.unwrap();
    let two = two.unwrap();
    assert_eq!(one.id, two.id);
    assert_eq!(
        provider.resolve(keyed.idempotency_key.as_ref().unwrap()).await.unwrap().unwrap().id,
        one.id
    );
    assert_eq!(provider.resolve("nothing-was-made-under-this").await.unwrap(), None);
    let other = keyed.clone().with_label("more", "1");
    assert_eq!(provider.create_instance(&other).await.unwrap_err().kind(), ErrorKind::Conflict);
    provider.destroy_instance(&one.id).await.unwrap();
}

#[tokio::test]
async fn twenty_at_once() {
    let provider = provider();
    let requests: Vec<_> = (0..20).map(|_| request()).collect();
    let options = FleetOptions::default().with_concurrency(20).with_wait_ready(true);
    let made = create_instances(&provider, &requests, options).await;
    let ids: Vec<_> = made.into_iter().map(|made| made.unwrap().id).collect();
    let listed = provider.list_instances().await.unwrap();
    assert!(ids.iter().all(|id| listed.iter().any(|listed| listed.id == *id && listed.is_ready())));
    let gone = destroy_instances(&provider, &ids, 20).await;
    assert!(gone.iter().all(Result::is_ok), "{gone:?}");
    assert!(
        provider.list_instances().await.unwrap().iter().all(|listed| !ids.contains(&listed.id))
    );
}

/// Whoever drops a create has no machine.
#[tokio::test]
async fn a_create_that_is_dropped_leaves_nothing() {
    let provider = provider();
    for millis in [0, 5, 20, 80, 200] {
        let wanted = request();
        let dropped =
            tokio::time::timeout(Duration::from_millis(millis), provider.create_instance(&wanted))
                .await;
        if let Ok(made) = dropped {
            provider.destroy_instance(&made.unwrap().id).await.unwrap();
        }
        spuff_core::settled().await;
        assert_eq!(
            docker(&["ps", "--all", "--quiet", "--filter", &format!("name={}", wanted.name)]),
            "",
            "after {millis} ms"
        );
    }
}
