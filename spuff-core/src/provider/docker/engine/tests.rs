use super::*;

#[test]
fn endpoints() {
    assert_eq!(check_endpoint(" /run/docker.sock ").unwrap(), "unix:///run/docker.sock");
    for endpoint in
        ["unix:///run/docker.sock", "tcp://127.0.0.1:2375", "ssh://me@host", "https://host:2376"]
    {
        assert_eq!(check_endpoint(endpoint).unwrap(), endpoint);
    }
    for endpoint in ["docker", "unix://", "ftp://host", "localhost:2375"] {
        let error = check_endpoint(endpoint).unwrap_err();
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "endpoint"),
            "{endpoint}: {error}"
        );
    }
}

#[test]
fn engines_that_have_their_networks_elsewhere() {
    let version = |text: &str| serde_json::from_str::<SystemVersion>(text).unwrap();
    for (text, apart) in [
        (
            r#"{"Platform": {"Name": "Docker Engine - Community"}, "Components": [{"Name": "Engine", "Version": "28"}]}"#,
            false,
        ),
        (r#"{"Platform": {"Name": "Docker Desktop 4.40.0 (187762)"}, "Components": []}"#, true),
        (
            r#"{"Components": [{"Name": "Engine", "Version": "28"}, {"Name": "rootlesskit", "Version": "2.3"}]}"#,
            true,
        ),
        ("{}", false),
    ] {
        assert_eq!(is_apart(&version(text)), apart, "{text}");
    }
}

#[test]
fn hosts_of_endpoints() {
    for (address, expected) in [
        ("tcp://192.0.2.7:2375", Some("192.0.2.7")),
        ("tcp://[2001:db8::1]:2375/", Some("2001:db8::1")),
        ("ssh://me@engine.example.com", Some("engine.example.com")),
        ("ssh://me@engine.example.com:22/run/docker.sock", Some("engine.example.com")),
        ("https://127.0.0.1:2376", None),
        ("tcp://[::1]:2375", None),
        ("ssh://localhost", None),
        ("unix:///run/docker.sock", None),
    ] {
        let place = Place { address: address.to_string(), certificates: None };
        assert_eq!(place.remote_host(), expected, "{address}");
    }
    assert_eq!(resolve("192.0.2.7", false), Some(IpAddr::from([192, 0, 2, 7])));
    assert_eq!(resolve("nothing.invalid", false), None);
}

#[test]
fn plain_tcp_is_for_this_computer_or_for_who_asks_for_it() {
    let engine = |endpoint: &str, options: &[(&str, &str)]| {
        let config = ProviderConfig::default().with_endpoint(endpoint);
        let config =
            options.iter().fold(config, |config, (name, value)| config.with_option(*name, *value));
        Engine::new(&config, Vec::new()).map(|engine| engine.place.unwrap())
    };
    for endpoint in [
        "tcp://192.0.2.7:2375",
        "http://engine.example.com:2375",
        "tcp://localhost.example.com",
        "tcp://[2001:db8::1]:2375",
    ] {
        let error = engine(endpoint, &[]).unwrap_err();
        let text = error.to_string();
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "endpoint"),
            "{text}"
        );
        assert!(text.contains("plain_tcp") && text.contains("ssh://"), "{text}");
        assert_eq!(engine(endpoint, &[("plain_tcp", "true")]).unwrap().certificates, None);
        let place = engine(endpoint, &[("tls_verify", "1"), ("cert_path", "/certs")]).unwrap();
        assert_eq!(place.certificates.as_deref(), Some(Path::new("/certs")));
    }
    for endpoint in [
        "tcp://127.0.0.1:2375",
        "tcp://[::1]:2375/",
        "http://localhost:2375",
        "ssh://me@engine.example.com",
    ] {
        assert_eq!(engine(endpoint, &[]).unwrap().certificates, None, "{endpoint}");
    }
    assert!(
        engine("https://192.0.2.7:2376", &[("cert_path", "/certs")])
            .unwrap()
            .certificates
            .is_some()
    );
    assert!(engine("tcp://127.0.0.1:2375", &[("plain_tcp", "yes")]).is_err());
}
