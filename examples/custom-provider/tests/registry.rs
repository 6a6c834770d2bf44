//! Uses the provider as a user does: through a registry, by name.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

use custom_provider::{NAME, NimbusFactory, NimbusProvider};
use spuff_core::provider::{
    Provider, ProviderConfig, ProviderError, ProviderRegistry, ProviderTimeouts, ProviderType,
};

const NIMBUS: ProviderType = ProviderType::Custom(NAME);

fn registry() -> ProviderRegistry {
    let mut registry = ProviderRegistry::with_defaults();
    assert!(registry.register(NimbusFactory).is_none(), "no built-in provider has this name");
    registry
}

#[test]
fn is_made_by_name_and_by_type() {
    let registry = registry();
    for name in ["nimbus", " Nimbus "] {
        let provider = registry.create_by_name(name, "token", ProviderTimeouts::default()).unwrap();
        assert_eq!(provider.name(), "nimbus", "{name:?}");
        assert!(provider.supports_snapshots());
    }
    assert!(registry.create(NIMBUS, "token", ProviderTimeouts::default()).is_ok());
}

#[test]
fn is_listed_beside_the_built_in_ones() {
    let mut alone = ProviderRegistry::new();
    alone.register(NimbusFactory);
    assert_eq!(alone.registered_providers(), [NIMBUS]);
    assert_eq!(alone.implemented_providers(), [NIMBUS]);

    let mut expected = ProviderRegistry::with_defaults().registered_providers();
    expected.push(NIMBUS);
    expected.sort_by_key(ProviderType::as_str);
    assert_eq!(registry().registered_providers(), expected);
    assert!(registry().implemented_providers().contains(&NIMBUS));
    assert!(
        registry().is_registered(NIMBUS)
            && !ProviderRegistry::with_defaults().is_registered(NIMBUS)
    );
}

#[test]
fn an_unknown_name_is_answered_with_the_known_names() {
    let error =
        registry().create_by_name("cumulus", "token", ProviderTimeouts::default()).err().unwrap();
    assert!(error.to_string().contains("nimbus"), "{error}");
    let ProviderError::UnknownProvider { name, supported } = error else { panic!("{error}") };
    assert_eq!(name, "cumulus");
    assert!(supported.contains(&"nimbus".to_string()), "{supported:?}");
}

#[test]
fn an_invalid_token_is_refused_at_once() {
    for token in ["", " \n", "two\nlines"] {
        let error =
            registry().create_by_name("nimbus", token, ProviderTimeouts::default()).err().unwrap();
        assert!(
            matches!(error, ProviderError::InvalidConfig { field, .. } if field == "token"),
            "{token:?}"
        );
    }
}

#[test]
fn uses_or_refuses_each_field_of_a_configuration() {
    let connect = |config| registry().connect("nimbus", config).map(drop);
    let config = || ProviderConfig::new("token");
    connect(config()).unwrap();
    connect(
        config()
            .with_endpoint("http://127.0.0.1:1")
            .with_region("north")
            .with_option("project", "blog"),
    )
    .unwrap();
    for (config, expected) in [
        (config().with_endpoint("http://api.nimbus.example"), "endpoint"),
        (config().with_ca_file("ca.pem"), "ca_file"),
        (config().with_option("colour", "red"), "colour"),
    ] {
        let error = connect(config).unwrap_err();
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field, .. } if field == expected),
            "{error}"
        );
    }
}

#[test]
fn describes_its_options_and_capabilities() {
    let description = registry().describe("nimbus").unwrap();
    assert_eq!(description.provider_type, NIMBUS);
    let token = description.option("token").unwrap();
    assert!(token.required && token.secret && token.env == ["NIMBUS_TOKEN"]);
    assert!(
        description.option("project").is_some_and(|project| !project.required && !project.secret)
    );
    assert!(description.capabilities.snapshots && !description.capabilities.ssh_keys);
}

#[test]
fn can_be_used_without_a_registry() {
    assert_eq!(NimbusProvider::new("token", ProviderTimeouts::default()).unwrap().name(), "nimbus");
}
