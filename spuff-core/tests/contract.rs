//! The contract's names and defaults, as a caller meets them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use spuff_core::provider::{
    Address, Attempt, ErrorContext, ErrorKind, ErrorParts, ImageSpec, InstanceRequest,
    InstanceStatus, NetworkError, Provider, ProviderConfig, ProviderError, ProviderFactory,
    ProviderInstance, ProviderRegistry, ProviderResult, ProviderTimeouts, ProviderType,
};

#[test]
fn timeouts_have_their_defaults_and_bear_any_interval() {
    let timeouts = ProviderTimeouts::default();
    let seconds = [
        timeouts.instance_ready,
        timeouts.action_complete,
        timeouts.poll_interval,
        timeouts.http_request,
        timeouts.ssh_connect,
        timeouts.cloud_init,
    ];
    assert_eq!(seconds.map(|time| time.as_secs()), [300, 600, 5, 30, 300, 600]);
    assert_eq!(
        (timeouts.instance_ready_attempts(), timeouts.action_complete_attempts()),
        (60, 120)
    );
    for (interval, attempts) in [(0, 15_000), (1, 15_000), (500, 600), (7000, 43), (600_000, 1)] {
        let timeouts =
            ProviderTimeouts { poll_interval: Duration::from_millis(interval), ..timeouts };
        assert_eq!(timeouts.instance_ready_attempts(), attempts, "{interval} ms");
    }
    let none = ProviderTimeouts {
        instance_ready: Duration::ZERO,
        action_complete: Duration::MAX,
        ..timeouts
    };
    assert_eq!((none.instance_ready_attempts(), none.action_complete_attempts()), (1, u32::MAX));
}

#[test]
fn images_print_as_they_parse() {
    for (text, image) in [
        ("ubuntu:24.04", ImageSpec::Ubuntu("24.04".to_string())),
        ("debian:12", ImageSpec::Debian("12".to_string())),
        ("snapshot:42", ImageSpec::Snapshot("42".to_string())),
        ("ami-0abc", ImageSpec::Custom("ami-0abc".to_string())),
        ("Ubuntu:24.04", ImageSpec::Custom("Ubuntu:24.04".to_string())),
        ("registry:5000/image", ImageSpec::Custom("registry:5000/image".to_string())),
    ] {
        assert_eq!(text.parse::<ImageSpec>().unwrap(), image);
        assert_eq!(image.to_string(), text);
        assert_eq!(serde_json::to_string(&image).unwrap(), format!("{text:?}"));
        assert_eq!(serde_json::from_str::<ImageSpec>(&format!("{text:?}")).unwrap(), image);
    }
    assert_eq!(ImageSpec::default().to_string(), "ubuntu:24.04");
}

#[test]
fn words_for_states() {
    let table = [
        (InstanceStatus::New, &["new", "initializing", "starting", "pending"][..]),
        (InstanceStatus::Active, &["active", "running"]),
        (InstanceStatus::Off, &["stopping", "off", "stopped"]),
        (InstanceStatus::Archive, &["archive", "terminated"]),
    ];
    for (status, words) in table {
        words.iter().for_each(|word| assert_eq!(InstanceStatus::from_word(word), status, "{word}"));
    }
    assert_eq!(
        InstanceStatus::from_word("Migrating"),
        InstanceStatus::Unknown("Migrating".to_string())
    );
}

#[test]
fn the_primary_address_is_public_ipv4_first() {
    let v4 = Ipv4Addr::new(203, 0, 113, 7);
    let v6 = Ipv6Addr::LOCALHOST;
    assert_eq!(Address::primary(&[]), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    assert_eq!(Address::primary(&[Address::private(v4)]), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    assert_eq!(Address::primary(&[Address::private(v4), Address::public(v6)]), IpAddr::V6(v6));
    assert_eq!(Address::primary(&[Address::public(v6), Address::public(v4)]), IpAddr::V4(v4));
}

#[test]
fn provider_types_have_names_aliases_and_variables() {
    for (name, expected, variable) in [
        ("digitalocean", ProviderType::DigitalOcean, "DIGITALOCEAN_TOKEN"),
        (" DO ", ProviderType::DigitalOcean, "DIGITALOCEAN_TOKEN"),
        ("Hetzner", ProviderType::Hetzner, "HETZNER_TOKEN"),
        ("hcloud", ProviderType::Hetzner, "HETZNER_TOKEN"),
        ("aws", ProviderType::Aws, "AWS_ACCESS_KEY_ID"),
        ("ec2", ProviderType::Aws, "AWS_ACCESS_KEY_ID"),
        ("docker", ProviderType::Docker, ""),
        ("Local", ProviderType::Docker, ""),
        ("my-cloud.eu", ProviderType::Custom("my-cloud.eu"), "MY_CLOUD_EU_TOKEN"),
    ] {
        let provider_type = ProviderType::named(name);
        assert_eq!((provider_type, provider_type.token_env_var()), (expected, variable));
    }
    let error = "nimbus".parse::<ProviderType>().unwrap_err().to_string();
    assert!(
        ["nimbus", "digitalocean", "hetzner", "aws", "docker"]
            .iter()
            .all(|name| error.contains(name)),
        "{error}"
    );
    assert_eq!(serde_json::to_string(&ProviderType::Hetzner).unwrap(), "\"hetzner\"");
    assert_eq!(
        serde_json::from_str::<ProviderType>("\"nimbus\"").unwrap(),
        ProviderType::Custom("nimbus")
    );
    assert!(!ProviderType::Custom("nimbus").is_implemented());
    assert_eq!(ProviderType::Hetzner.is_implemented(), cfg!(feature = "hetzner"));
}

#[test]
fn a_request_is_built_read_and_shown_without_its_user_data() {
    let request = InstanceRequest::new("web-1", "fsn1", "cx22")
        .with_user_data("password=hunter2")
        .with_label("env", "prod");
    assert_eq!(request.image, ImageSpec::default());
    assert!(request.ssh_keys.is_empty(), "never every key of the account");
    let shown = format!("{request:?}");
    assert!(!shown.contains("hunter2") && shown.contains("16 bytes"), "{shown}");
    let read: InstanceRequest =
        serde_json::from_str(r#"{"name": "a", "region": "b", "size": "c", "image": "debian:12"}"#)
            .unwrap();
    assert_eq!(
        read,
        InstanceRequest::new("a", "b", "c").with_image(ImageSpec::Debian("12".to_string()))
    );
    let instance = ProviderInstance::new(
        "7",
        Ipv4Addr::LOCALHOST.into(),
        InstanceStatus::Active,
        chrono::Utc::now(),
    );
    assert!(instance.is_ready() && !instance.is_managed());
    let copy: ProviderInstance =
        serde_json::from_str(&serde_json::to_string(&instance).unwrap()).unwrap();
    assert_eq!(copy, instance);
}

/// One error of each kind. A new kind without one here does not compile past `ErrorKind::ALL`.
fn one_of_each() -> Vec<ProviderError> {
    let text = || "text".to_string();
    vec![
        ProviderError::auth("hetzner", "text"),
        ProviderError::RateLimit { retry_after: Some(Duration::from_secs(2)) },
        ProviderError::not_found("instance", "42"),
        ProviderError::quota("instance", "text"),
        ProviderError::invalid_config("name", "text"),
        ProviderError::NotSupported { feature: text() },
        ProviderError::timeout("wait_ready", Duration::from_secs(300)),
        ProviderError::Network(NetworkError::new("text", "cause")),
        ProviderError::api(418, "text"),
        ProviderError::NotImplemented { name: text() },
        ProviderError::UnknownProvider { name: text(), supported: vec!["aws".to_string()] },
        ProviderError::Other { message: text() },
        ProviderError::conflict("text", false),
        ProviderError::capacity("text"),
        ProviderError::unavailable("text"),
        ProviderError::unknown_outcome("create_instance", "key-1", "text"),
        ProviderError::Cancelled { operation: text(), instance_id: Some(text()) },
        ProviderError::Internal { message: text() },
    ]
}

#[test]
fn every_kind_has_its_number_for_good() {
    let names = [
        "authentication",
        "rate_limit",
        "not_found",
        "quota_exceeded",
        "invalid_config",
        "not_supported",
        "timeout",
        "network",
        "api",
        "not_implemented",
        "unknown_provider",
        "other",
        "conflict",
        "capacity",
        "unavailable",
        "unknown_outcome",
        "cancelled",
        "internal",
    ];
    for (at, (error, name)) in one_of_each().into_iter().zip(names).enumerate() {
        let kind = error.kind();
        assert_eq!((kind.number() as usize, kind.name(), kind), (at + 1, name, ErrorKind::ALL[at]));
        assert!(!error.to_string().is_empty() && !error.advice().is_empty());
        assert_eq!(ErrorKind::from_number(kind.number()), Some(kind));
    }
    assert_eq!(ErrorKind::from_number(0), None);
    assert_eq!((one_of_each().len(), names.len()), (ErrorKind::ALL.len(), ErrorKind::ALL.len()));
}

#[test]
fn what_passes_may_be_repeated_and_nothing_else() {
    let retryable: HashSet<_> = one_of_each()
        .iter()
        .filter(|error| error.is_retryable())
        .map(|error| error.kind().name())
        .collect();
    assert_eq!(retryable, HashSet::from(["rate_limit", "timeout", "network", "unavailable"]));
    assert!(ProviderError::conflict("locked", true).is_retryable());
    for operation in [
        "create_instance (the caller's deadline)",
        "create_snapshot of instance 7 (running)",
        "place_instance",
        // Words of the provider's own may stand for a part of a create.
        "action_complete",
        "",
    ] {
        assert!(
            !ProviderError::timeout(operation, Duration::from_secs(1)).is_retryable(),
            "it may make a second one"
        );
    }
    let waits: Vec<_> = one_of_each().iter().filter_map(ProviderError::retry_after).collect();
    assert_eq!(waits, [Duration::from_secs(2)]);
}

#[test]
fn an_error_of_a_cloud_keeps_what_the_cloud_said_as_fields() {
    let said = ErrorContext::new("hetzner")
        .with_status(409)
        .with_code("locked")
        .with_request_id("4d9d")
        .with_instance_id("7");
    let keeping: Vec<_> = one_of_each()
        .into_iter()
        .map(|error| error.with_context(said.clone()))
        .filter(|error| error.context().is_some())
        .collect();
    let kinds: Vec<_> = keeping.iter().map(|error| error.kind().name()).collect();
    assert_eq!(
        kinds,
        [
            "authentication",
            "quota_exceeded",
            "api",
            "conflict",
            "capacity",
            "unavailable",
            "unknown_outcome"
        ]
    );
    for error in keeping {
        assert_eq!((error.context(), error.instance_id()), (Some(&said), Some("7")));
        let text = error.to_string();
        assert_eq!(text.matches("hetzner").count(), 1, "{text}");
        assert!(text.ends_with("HTTP 409, locked, request 4d9d, instance 7)"), "{text}");
        let parts = ErrorParts::from(&error);
        assert_eq!(
            (parts.provider, parts.status, parts.code, parts.request_id, parts.instance_id),
            (
                Some("hetzner".to_string()),
                Some(409),
                Some("locked".to_string()),
                Some("4d9d".to_string()),
                Some("7".to_string())
            )
        );
    }
}

/// Every result of every operation carries it.
#[test]
fn an_error_is_no_larger_than_thirteen_words() {
    assert_eq!(size_of::<ProviderError>(), 104);
}

#[test]
fn an_error_survives_being_taken_apart() {
    let failed = || ProviderError::conflict("locked", true);
    let after = [
        failed().after_create("7", None),
        failed().after_create("7", Some(Ok(()))),
        ProviderError::timeout("wait_ready", Duration::from_secs(1))
            .after_create("7", Some(Err(failed()))),
    ];
    let attempts = || -> Vec<Attempt> {
        serde_json::from_value(serde_json::json!([{
            "candidate": 1, "provider": "aws", "region": "", "size": "t3.micro",
            "price": {"micros": 10_400, "currency": "USD", "source": "catalogue"},
            "outcome": "known_full", "kind": "capacity",
            "message": "text", "elapsed": {"secs": 1, "nanos": 0}
        }]))
        .unwrap()
    };
    assert_eq!(attempts()[0].to_string(), "aws t3.micro (0.0104 USD): known full: text");
    let placed = one_of_each().into_iter().chain([failed().after_create("7", None)]);
    let after = after.into_iter().chain(placed.map(|error| error.not_placed(attempts())));
    let context = ErrorContext::new("hetzner")
        .with_status(409)
        .with_code("locked")
        .with_request_id("r")
        .with_instance_id("7");
    let full = one_of_each().into_iter().map(|error| error.with_context(context.clone()));
    for error in one_of_each().into_iter().chain(full).chain(after) {
        let parts = ErrorParts::from(&error);
        assert_eq!(parts.text, error.to_string());
        let wire: ErrorParts =
            serde_json::from_str(&serde_json::to_string(&parts).unwrap()).unwrap();
        let copy = ProviderError::from(wire);
        assert_eq!(
            (copy.to_string(), ErrorParts::from(&copy)),
            (error.to_string(), parts),
            "{error:?}"
        );
    }
    let parts = ErrorParts::from(&failed()).about("aws", Some("i-1"));
    assert_eq!(
        (parts.provider.as_deref(), parts.instance_id.as_deref()),
        (Some("aws"), Some("i-1"))
    );
    let known = ErrorParts::from(&ProviderError::auth("hetzner", "x")).about("aws", None);
    let refused = ProviderError::api(418, "a filter on the way");
    let poll = ErrorParts::from(&refused).about("aws", Some("i-1"));
    assert!(poll.instance_is_subject && !ProviderError::from(poll).is_instance_failure("i-1"));
    let itself = refused.with_context(ErrorContext::default().with_instance_id("i-1"));
    let failed = ErrorParts::from(&itself).about("aws", Some("i-1"));
    assert!(!failed.instance_is_subject && ProviderError::from(failed).is_instance_failure("i-1"));
    assert_eq!((known.provider.as_deref(), known.instance_id), (Some("hetzner"), None));
}

/// A provider as small as can be.
struct Nimbus;

#[async_trait::async_trait]
impl Provider for Nimbus {
    fn name(&self) -> &'static str {
        "nimbus"
    }
    async fn create_instance(&self, _: &InstanceRequest) -> ProviderResult<ProviderInstance> {
        Ok(ProviderInstance::default())
    }
    async fn destroy_instance(&self, _: &str) -> ProviderResult<()> {
        Ok(())
    }
    async fn get_instance(&self, _: &str) -> ProviderResult<Option<ProviderInstance>> {
        Ok(None)
    }
    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        Ok(Vec::new())
    }
    async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
        Err(ProviderError::not_found("instance", id))
    }
    async fn create_snapshot(
        &self,
        _: &str,
        _: &str,
    ) -> ProviderResult<spuff_core::provider::Snapshot> {
        Err(ProviderError::NotSupported { feature: "create_snapshot".to_string() })
    }
    async fn list_snapshots(&self) -> ProviderResult<Vec<spuff_core::provider::Snapshot>> {
        Ok(Vec::new())
    }
    async fn delete_snapshot(&self, _: &str) -> ProviderResult<()> {
        Ok(())
    }
}

struct NimbusFactory;

impl ProviderFactory for NimbusFactory {
    fn provider_type(&self) -> ProviderType {
        ProviderType::Custom("nimbus")
    }
    fn create(&self, token: &str, _: ProviderTimeouts) -> ProviderResult<Box<dyn Provider>> {
        if token.is_empty() {
            Err(ProviderError::invalid_config("token", "empty"))
        } else {
            Ok(Box::new(Nimbus))
        }
    }
}

#[test]
fn registries_are_values() {
    let mut registry = ProviderRegistry::new();
    assert!(registry.register(NimbusFactory).is_none());
    assert!(registry.register(NimbusFactory).is_some(), "the factory that was replaced");
    assert_eq!(registry.registered_providers(), [ProviderType::Custom("nimbus")]);
    assert_eq!(registry.implemented_providers(), [ProviderType::Custom("nimbus")]);
    assert!(ProviderRegistry::new().registered_providers().is_empty());
    assert_eq!(
        registry
            .clone()
            .create_by_name(" Nimbus ", "t", ProviderTimeouts::default())
            .unwrap()
            .name(),
        "nimbus"
    );

    let error = registry.create_by_name("stratus", "t", ProviderTimeouts::default()).err().unwrap();
    assert!(
        matches!(
            &error,
            ProviderError::UnknownProvider { supported, .. } if supported == &["nimbus"]
        ),
        "{error}"
    );
    // Known to the crate, but not registered here.
    let error =
        registry.create(ProviderType::Hetzner, "t", ProviderTimeouts::default()).err().unwrap();
    let expected = if cfg!(feature = "hetzner") {
        ErrorKind::UnknownProvider
    } else {
        ErrorKind::NotImplemented
    };
    assert_eq!(error.kind(), expected);
}

#[test]
fn a_factory_with_two_methods_takes_what_a_token_can_say() {
    let mut registry = ProviderRegistry::new();
    registry.register(NimbusFactory);
    assert!(registry.connect("nimbus", ProviderConfig::new("t")).is_ok());
    for (field, config) in [
        ("token", ProviderConfig::default()),
        ("endpoint", ProviderConfig::new("t").with_endpoint("https://nimbus.example")),
        ("region", ProviderConfig::new("t").with_region("eu")),
        ("ca_file", ProviderConfig::new("t").with_ca_file("/ca.pem")),
        ("options", ProviderConfig::new("t").with_option("colour", "grey")),
    ] {
        let error = registry.connect("nimbus", config).err().unwrap();
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field: found, .. } if found == field),
            "{field}: {error}"
        );
    }
    let description = registry.describe("nimbus").unwrap();
    assert_eq!(description.option("token").unwrap().env, ["NIMBUS_TOKEN"]);
    let error = registry.from_env("nimbus").err().unwrap().to_string();
    assert!(error.contains("NIMBUS_TOKEN"), "{error}");
}

#[test]
fn built_in_providers_are_those_of_the_features() {
    let registry = ProviderRegistry::with_defaults();
    let expected: Vec<_> =
        ProviderType::KNOWN.into_iter().filter(ProviderType::is_implemented).collect();
    let mut registered = registry.registered_providers();
    registered.sort();
    assert_eq!(registered, expected);
    for provider_type in expected {
        let description = registry.describe(provider_type.as_str()).unwrap();
        assert_eq!(description.provider_type, provider_type);
        let token = description.option("token");
        assert_eq!(token.is_some(), !provider_type.token_env_var().is_empty(), "{provider_type}");
        assert!(token.is_none_or(|token| token.secret) && description.option("endpoint").is_some());
        assert!(description.options.iter().all(|option| !option.doc.is_empty()));
        let config = if token.is_some() {
            ProviderConfig::new("AKIA:secret")
        } else {
            ProviderConfig::default()
        };
        let unknown =
            registry.connect(provider_type.as_str(), config.with_option("colour", "grey"));
        let error = unknown.err().unwrap().to_string();
        assert!(error.contains("colour"), "{error}");
    }
}

/// `tests/verbs.txt` is what the header, the stubs and the Go package are held to.
#[test]
fn the_list_of_verbs_is_that_of_the_contract_and_of_the_blocking_facade() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/");
    let read = |path: &str| std::fs::read_to_string(format!("{folder}{path}")).unwrap();
    let names = |source: &str, start: &str| -> Vec<String> {
        let verbs =
            source.lines().filter_map(|line| line.trim_start().strip_prefix(start)).map(|rest| {
                let end = rest.find(['(', '<']).unwrap();
                rest[..end].to_string()
            });
        verbs.collect()
    };
    let contract = read("provider/mod.rs");
    let contract =
        contract.split_once("pub trait Provider").unwrap().1.split_once("\n}\n").unwrap().0;
    let generated = read("blocking/verbs.rs");
    let facade = read("blocking.rs");
    let facade =
        facade.split_once("impl Provider {").unwrap().1.split_once("impl From<Box").unwrap().0;
    let list = read("../../tests/verbs.txt");
    let list: Vec<&str> = list.lines().collect();
    // What the creates of a fleet are made of.
    let parts = ["max_batch_size", "create_batch"];
    let verbs = names(contract, "fn ").into_iter().chain(names(contract, "async fn "));
    for verb in verbs.filter(|verb| !parts.contains(&verb.as_str())) {
        assert!(list.contains(&verb.as_str()), "{verb} is in tests/verbs.txt");
    }
    let facade = [names(facade, "pub fn "), names(&generated, "pub fn ")].concat();
    for verb in &list {
        assert!(facade.iter().any(|known| known == verb), "the blocking facade has {verb}");
    }
}
