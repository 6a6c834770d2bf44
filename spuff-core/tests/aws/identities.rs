use std::process::Command;

use super::*;

const ONE: (&str, &str) = ("AKIAONE", "i-11111111");
const TWO: (&str, &str) = ("AKIATWO", "i-22222222");

fn write_keys(file: &str, key: &str) {
    std::fs::write(
        file,
        format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\n"),
    )
    .unwrap();
}

/// Of a machine, for the keys of its account alone.
async fn mount((key, id): (&str, &str), state: &str, more: &str, times: u64, server: &MockServer) {
    let asked = action("DescribeInstances")
        .and(body_string_contains(id))
        .and(header_regex("authorization", key));
    asked
        .respond_with(machines(&[machine(id, state, more)], ""))
        .up_to_n_times(times)
        .expect(times)
        .mount(server)
        .await;
}

/// What chooses the credentials is the same for both; what stands in the file is not.
async fn two_identities(file: &str) {
    let server = MockServer::start().await;
    let connect = || {
        let config =
            ProviderConfig::default().with_endpoint(server.uri()).with_region("eu-central-1");
        AwsFactory.create_with(&config.with_timeouts(support::timeouts())).unwrap()
    };
    let mut providers = Vec::new();
    for (key, id) in [ONE, TWO] {
        write_keys(file, key);
        let provider = connect();
        mount((key, id), "pending", "", 3, &server).await;
        mount((key, id), "running", ADDRESS, 1, &server).await;
        assert!(provider.get_instance(id).await.unwrap().is_some(), "{key}");
        providers.push(provider);
    }
    // Nothing is there for the other one's keys.
    action("DescribeInstances").respond_with(machines(&[], "")).expect(0).mount(&server).await;
    let (one, two) = tokio::join!(providers[0].wait_ready(ONE.1), providers[1].wait_ready(TWO.1));
    assert_eq!((one.unwrap().id.as_str(), two.unwrap().id.as_str()), (ONE.1, TWO.1));
}

/// In a process with an environment of its own.
#[tokio::test]
async fn each_identity_waits_with_its_own_keys() {
    const ROLE: &str = "SPUFF_TEST_IDENTITIES";
    if let Ok(file) = std::env::var(ROLE) {
        return two_identities(&file).await;
    }
    let file = std::env::temp_dir().join(format!("spuff-identities-{}", std::process::id()));
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "identities::each_identity_waits_with_its_own_keys", "--nocapture"]);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        child.env_remove(name);
    }
    for name in [ROLE, "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"] {
        child.env(name, &file);
    }
    let out = child.output().unwrap();
    drop(std::fs::remove_file(&file));
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(
        out.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&out.stderr)
    );
}
