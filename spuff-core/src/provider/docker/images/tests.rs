use super::*;

#[test]
fn references() {
    for (image, expected) in [
        ("ubuntu:24.04", "ubuntu:24.04"),
        ("debian:12", "debian:12"),
        ("alpine", "alpine:latest"),
        ("host:5000/team/app", "host:5000/team/app:latest"),
        ("host:5000/app:1", "host:5000/app:1"),
        ("app@sha256:0f", "app@sha256:0f"),
        ("snapshot:0f0f", "spuff-snapshot:0f0f"),
    ] {
        assert_eq!(reference(&image.parse().unwrap()).unwrap(), expected);
    }
    for image in ["", "a b", "app?x=1", "snapshot:a/b", "snapshot:", "snapshot:-x", "é"] {
        let error = reference(&image.parse().unwrap()).unwrap_err();
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "image"),
            "{image}: {error}"
        );
    }
}

#[test]
fn whom_a_registry_does_not_know_is_not_told_to_wait() {
    for message in [
        "Head \"https://host/v2/app/manifests/1\": no basic auth credentials",
        "unauthorized: authentication required",
        "unauthorized: incorrect username or password",
    ] {
        for (is_known, words) in
            [(false, "requires credentials"), (true, "rejects the credentials of `docker login`")]
        {
            let error = cannot_pull("host/app:1", is_known, ProviderError::api(500, message));
            assert!(
                matches!(error, ProviderError::Authentication { .. }) && !error.is_retryable(),
                "{error:?}"
            );
            assert!(
                error.to_string().contains(words) && error.to_string().contains("docker login"),
                "{error}"
            );
        }
    }
    let error = cannot_pull("host/app:1", false, ProviderError::api(500, "dial tcp: no such host"));
    assert!(matches!(error, ProviderError::Unavailable { .. }), "{error:?}");
}
