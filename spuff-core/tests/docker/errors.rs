//! What goes wrong, in words that say what to do.

use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;

use spuff_core::provider::{ErrorKind, ProviderError};

use super::engine::Engine;
use super::*;

async fn create(config: ProviderConfig, request: &InstanceRequest) -> ProviderError {
    connect(config).create_instance(request).await.unwrap_err()
}

#[tokio::test]
async fn no_engine() {
    let error = create(config().with_endpoint("unix:///nothing/here.sock"), &request()).await;
    let text = error.to_string();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Network, true), "{text}");
    assert!(
        ["/nothing/here.sock", "start Docker", "podman", "DOCKER_HOST"]
            .iter()
            .all(|word| text.contains(word)),
        "{text}"
    );

    let folder = std::env::temp_dir().join(format!("spuff-s{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let socket = folder.join("left.sock");
    drop(UnixListener::bind(&socket).unwrap());
    let error = create(config().with_endpoint(socket.display().to_string()), &request()).await;
    assert!(
        error.kind() == ErrorKind::Network && error.to_string().contains("nothing listens"),
        "{error}"
    );
    std::fs::remove_dir_all(folder).unwrap();

    let error = create(config().with_endpoint("tcp://127.0.0.1:1"), &request()).await;
    assert_eq!(error.kind(), ErrorKind::Network, "{error}");
}

/// A program may bring two kinds of cryptography, and choose none: it is chosen here, and the
/// client does not panic.
#[tokio::test]
async fn an_engine_behind_tls_whose_certificates_are_not_there() {
    for (endpoint, option) in
        [("https://127.0.0.1:1", "cert_path"), ("tcp://127.0.0.1:1", "tls_verify")]
    {
        let config = config()
            .with_endpoint(endpoint)
            .with_option("cert_path", "/nothing/here")
            .with_option(option, "/nothing/here");
        let error = create(config, &request()).await;
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "endpoint"),
            "{error}"
        );
        assert!(
            error.to_string().contains("/nothing/here") && error.to_string().contains("cert_path"),
            "{error}"
        );
    }
    assert!(rustls::crypto::CryptoProvider::get_default().is_some());
}

/// Root may do anything: another user asks, in a process of its own.
#[tokio::test]
async fn no_permission() {
    const ROLE: &str = "SPUFF_TEST_AS_SOMEBODY_ELSE";
    if let Some(closed) = std::env::var_os(ROLE) {
        for provider in [provider(), connect(config().with_endpoint(closed.into_string().unwrap()))]
        {
            let error = provider.list_instances().await.unwrap_err();
            println!("{}: {error}", error.kind().name());
        }
        return;
    }
    // A socket that such a user cannot even see, as that of Podman.
    let closed = std::env::temp_dir().join(format!("spuff-c{}", std::process::id()));
    std::fs::DirBuilder::new().mode(0o700).create(&closed).unwrap();
    let socket = closed.join("engine.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    // Where another user can read it.
    let program = std::env::temp_dir().join(format!("spuff-p{}", std::process::id()));
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .args(["--exact", "errors::no_permission", "--nocapture"])
        .env(ROLE, &socket)
        .output()
        .unwrap();
    std::fs::remove_file(program).unwrap();
    drop(listener);
    std::fs::remove_dir_all(closed).unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let refused: Vec<_> =
        told.lines().filter(|line| line.starts_with("authentication: ")).collect();
    assert_eq!(refused.len(), 2, "{told}{}", String::from_utf8_lossy(&output.stderr));
    for word in ["engine.sock", "group", "usermod -aG docker", "rootless"] {
        assert!(refused.iter().all(|line| line.contains(word)), "{told}");
    }
}

#[tokio::test]
async fn what_the_engine_does_not_have() {
    let wanted = request();
    let error =
        create(config(), &InstanceRequest { region: "nowhere".to_string(), ..wanted.clone() })
            .await;
    let text = error.to_string();
    assert!(
        matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "region"),
        "{text}"
    );
    assert!(
        ["nowhere", "bridge", "docker network create"].iter().all(|word| text.contains(word)),
        "{text}"
    );
    let error = create(config(), &wanted.clone().with_image("spuff-bare:1".parse().unwrap())).await;
    let source = match &error {
        ProviderError::AfterCreate { exists: false, source, .. } => source,
        error => error,
    };
    assert!(
        matches!(
            source,
            ProviderError::InvalidConfig { field, message }
                if field == "image" && message.contains("/bin/sh")
        ),
        "{error}"
    );
    // Podman lets the kernel find out.
    if !is_podman() {
        let error =
            create(config(), &InstanceRequest { size: "9999x64m".to_string(), ..wanted.clone() })
                .await;
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "size"),
            "{error}"
        );
    }
    assert_eq!(
        docker(&["ps", "--all", "--quiet", "--filter", &format!("name={}", wanted.name)]),
        ""
    );
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_told_before_anything_is_sent() {
    let nowhere = config().with_endpoint("unix:///nothing/here.sock");
    let wanted = request();
    for (request, field) in [
        (InstanceRequest { name: "a".to_string(), ..wanted.clone() }, "name"),
        (InstanceRequest { region: "host".to_string(), ..wanted.clone() }, "region"),
        (InstanceRequest { size: "cx22".to_string(), ..wanted.clone() }, "size"),
        (wanted.clone().with_image("a b".parse().unwrap()), "image"),
        (wanted.clone().with_ssh_key("my-key"), "ssh_keys"),
        (wanted.clone().with_label("managed-by", "me"), "labels"),
        (wanted.clone().with_user_data("x".repeat(1 << 21)), "user_data"),
        (wanted.clone().with_user_data("#cloud-config\nruncmd: 7"), "user_data"),
    ] {
        let error = create(nowhere.clone(), &request).await;
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field: named, .. } if named == field),
            "{field}: {error}"
        );
    }
    let error =
        create(nowhere.clone(), &wanted.with_user_data("#cloud-config\nswap: {size: 1G}")).await;
    assert!(
        matches!(&error, ProviderError::NotSupported { feature } if feature.contains("swap")),
        "{error}"
    );
    for id in ["web-1", "0f0f"] {
        assert_eq!(
            connect(nowhere.clone()).destroy_instance(id).await.unwrap_err().kind(),
            ErrorKind::InvalidConfig
        );
    }
    for config in [
        nowhere.clone().with_token("secret"),
        nowhere.clone().with_ca_file("x.pem"),
        nowhere.with_endpoint("nonsense"),
    ] {
        let error = ProviderRegistry::with_defaults().connect("local", config).err().unwrap();
        assert!(
            error.kind() == ErrorKind::InvalidConfig && !error.to_string().contains("secret"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_full_disk() {
    let engine = Engine::start(&[("ENGINE_SIZE", "64M")]);
    let provider = connect(engine.config.clone());
    let machine = ready(&provider, &request()).await;
    engine.client(&[
        "exec",
        &machine.id,
        "/bin/sh",
        "-c",
        "dd if=/dev/zero of=/fill bs=1M count=200 2>/dev/null; true",
    ]);
    let mut full = None;
    for _ in 0..50 {
        match provider.create_snapshot(&machine.id, "too-much").await {
            Ok(_) => {}
            Err(error) => {
                full = Some(error);
                break;
            }
        }
    }
    let error = full.unwrap();
    assert!(
        matches!(
            &error,
            ProviderError::QuotaExceeded { resource, message, .. }
                if resource == "disk" && message.contains("prune")
        ),
        "{error:?}"
    );
}
