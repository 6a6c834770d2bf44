//! Mounts, ports and environment.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use spuff_core::provider::ProviderError;

use super::*;

#[tokio::test]
async fn what_the_options_say_is_there() {
    let folder = std::env::temp_dir().join(format!("spuff-m{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("given"), "from here").unwrap();
    let mounts = format!("{}:/folder:ro,cache-{}:/cache", folder.display(), std::process::id());
    let options = config()
        .with_option("mounts", &mounts)
        .with_option("ports", "7070")
        .with_option("environment", "A=1,2\nB=x y");
    let provider = connect(options);
    let script = "#!/bin/sh\nprintf '%s\\n' \"$A\" \"$B\" >/new && mv /new /variables\n";
    let machine = ready(&provider, &request().with_user_data(script)).await;
    assert_eq!(
        soon(&machine.id, "cat /variables").await,
        "1,2\nx y",
        "what the machine runs has them"
    );
    assert_eq!(
        inside(
            &machine.id,
            "cat /folder/given; echo; . /.spuff/environment; echo $A; echo $B; touch /folder/new \
             2>/dev/null || touch /cache/new && ls /cache"
        ),
        "from here\n1,2\nx y\nnew"
    );
    assert_eq!(inside(&machine.id, "stat -c %a /.spuff/environment"), "600");
    docker(&[
        "exec",
        "--detach",
        &machine.id,
        "/bin/sh",
        "-c",
        "while :; do echo here | nc -l -p 7070; done",
    ]);
    let published = docker(&["port", &machine.id, "7070/tcp"]);
    let port: u16 = published.lines().next().unwrap().rsplit(':').next().unwrap().parse().unwrap();
    assert!(port > 0);
    let label = machine.labels["spuff-port-7070/tcp"].clone();
    assert!(label.split(',').any(|at| at == format!("0.0.0.0:{port}")), "{label}");
    let listed = provider
        .list_instances()
        .await
        .unwrap()
        .into_iter()
        .find(|listed| listed.id == machine.id)
        .unwrap();
    assert_eq!(listed.labels, machine.labels);
    let shown = docker(&[
        "inspect",
        &machine.id,
        "--format",
        "{{range $inside, $at := .NetworkSettings.Ports}}{{$inside}} {{range $at}}{{.HostPort}} \
         {{end}}{{end}}",
    ]);
    // Docker may give IPv6 another port: it looks for a free one in each family.
    let labelled: Vec<_> = label.split(',').filter_map(|at| at.rsplit(':').next()).collect();
    assert!(
        shown.starts_with("7070/tcp ")
            && shown.split_whitespace().skip(1).all(|shown| labelled.contains(&shown)),
        "{shown} and {label}"
    );
    // Nobody else can have the port.
    let taken = TcpListener::bind(("0.0.0.0", port)).expect_err("it is published");
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    // Podman's engine of the tests has no firewall that would lead there from the port of this
    // computer.
    let address = if is_podman() { (machine.ip, 7070) } else { (Ipv4Addr::LOCALHOST.into(), port) };
    let mut said = String::new();
    for _ in 0..50 {
        if let Ok(mut stream) = TcpStream::connect(address) {
            stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            drop(stream.read_to_string(&mut said));
            if !said.is_empty() {
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(said, "here\n");
    provider.destroy_instance(&machine.id).await.unwrap();
    // A volume with a name is not the machine's alone.
    docker(&["volume", "rm", &format!("cache-{}", std::process::id())]);
    assert_eq!(std::fs::read_to_string(folder.join("given")).unwrap(), "from here");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_and_nothing_is_left() {
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let wanted = request();
    let error = connect(config().with_option("ports", format!("{port}:80")))
        .create_instance(&wanted)
        .await
        .unwrap_err();
    let ProviderError::AfterCreate { exists: false, source, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(
        matches!(&**source, ProviderError::InvalidConfig { field, .. } if field == "ports"),
        "{error}"
    );
    assert_eq!(
        docker(&["ps", "--all", "--quiet", "--filter", &format!("name={}", wanted.name)]),
        ""
    );
}
