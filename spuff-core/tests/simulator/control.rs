//! The switches over HTTP, and the truth.

use serde_json::{Value, json};
use spuff_core::simulator::{Clock, Fault, Options, Route};

use super::*;

#[test]
fn a_provider_that_is_no_cloud_here_is_unknown() {
    let cloud = Options::default().start().unwrap();
    for name in ["docker", "local", "nimbus"] {
        let error = cloud.provider(name).err().unwrap();
        assert!(
            matches!(
                &error,
                ProviderError::UnknownProvider { supported, .. } if supported == &PROVIDERS
            ),
            "{error}"
        );
    }
    assert_eq!(cloud.provider("HCloud").unwrap().name(), "hetzner");
}

#[test]
fn a_name_that_is_nearly_known_is_suggested() {
    let cloud = Options::default().start().unwrap();
    let error = cloud.provider("hetzer").err().unwrap().to_string();
    assert_eq!(
        error,
        "unknown provider \"hetzer\" (did you mean \"hetzner\"?); registered are: digitalocean, \
         hetzner, aws"
    );
}

/// The clouds name the field, and not what stood there.
#[tokio::test]
async fn what_a_cloud_refuses_is_told_with_what_was_given() {
    let cloud = Options::default().with_clock(Clock::Fast(60.0)).start().unwrap();
    for name in PROVIDERS {
        let provider = provider(&cloud, name, timeouts());
        let usual = || request(name, "web-1");
        let mut nowhere = vec![("size", usual(), "cx99")];
        nowhere[0].1.size = "cx99".to_string();
        // An EC2 region that does not exist is another host.
        if name != "aws" {
            nowhere.push(("region", usual(), "fsn99"));
            nowhere[1].1.region = "fsn99".to_string();
        }
        for (field, request, given) in nowhere {
            let error = provider.create_instance(&request).await.unwrap_err();
            assert!(
                matches!(
                    &error,
                    ProviderError::InvalidConfig { field: named, .. } if named == field
                ),
                "{name}: {error:?}"
            );
            assert!(error.to_string().contains(given), "{name}: {error}");
        }
    }
}

/// A browser names the page's own host, or its origin.
#[tokio::test]
async fn the_switches_are_not_for_pages_of_the_web() {
    let cloud = Options::default().with_clock(Clock::Manual).start().unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let port = cloud.address().port();
    let rule = r#"{"fault": "reply_lost"}"#;
    let cases = [
        ("host", format!("localhost:{port}"), 200),
        ("host", format!("[::1]:{port}"), 200),
        ("origin", format!("http://127.0.0.1:{port}"), 200),
        ("host", format!("rebound.example.com:{port}"), 403),
        ("origin", "https://page.example.com".to_string(), 403),
        ("origin", "null".to_string(), 403),
    ];
    for (name, value, status) in cases {
        let before = cloud.faults().len();
        for request in [
            client.get(format!("http://{}/simulator/requests", cloud.address())),
            client.post(format!("http://{}/simulator/faults", cloud.address())).body(rule),
        ] {
            let response = request.header(name, &value).send().await.unwrap();
            assert_eq!(response.status().as_u16(), status, "{name}: {value}");
        }
        assert_eq!(cloud.faults().len() - before, usize::from(status == 200), "{name}: {value}");
    }
}

#[tokio::test]
async fn faults_time_and_truth_are_there_for_other_languages() {
    let cloud = Options::default().with_clock(Clock::Manual).start().unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let at = |path: &str| format!("http://{}/simulator/{path}", cloud.address());
    let get = async |path: &str| -> Value {
        serde_json::from_slice(&client.get(at(path)).send().await.unwrap().bytes().await.unwrap())
            .unwrap()
    };
    let post = async |path: &str, body: Value| {
        let response = client.post(at(path)).body(body.to_string()).send().await.unwrap();
        (
            response.status().as_u16(),
            serde_json::from_slice::<Value>(&response.bytes().await.unwrap()).unwrap(),
        )
    };

    let rule = json!({
        "fault": "quota_reached", "provider": "hetzner", "route": "create_instance", "times": 1
    });
    assert_eq!(post("faults", rule).await, (200, json!(0)));
    let hetzner = provider(&cloud, "hetzner", timeouts());
    assert!(hetzner.create_instance(&request("hetzner", "web-1")).await.is_err());
    assert_eq!(get("faults").await[0]["hits"], 1);
    let made = hetzner.create_instance(&request("hetzner", "web-1")).await.unwrap();

    let before = get("clock").await["now"].clone();
    let (status, moved) = post("clock", json!({"advance_seconds": 60})).await;
    assert!(status == 200 && moved["now"] != before);
    assert!(hetzner.get_instance(&made.id).await.unwrap().unwrap().is_ready());
    assert_eq!(get("resources").await["instances"][0]["id"], made.id);
    assert_eq!(get("leaks").await.as_array().unwrap().len(), 1);
    assert_eq!(get("bill").await["lines"][0]["currency"], "EUR");
    let requests = get("requests").await;
    let creates = requests["counts"]
        .as_array()
        .unwrap()
        .iter()
        .find(|count| count["route"] == "create_instance")
        .unwrap();
    assert_eq!(
        (creates["count"].as_u64(), creates["provider"].as_str()),
        (Some(2), Some("hetzner"))
    );
    assert!(!requests.to_string().contains("simulated"), "the token is not kept");

    for (path, body) in [
        ("clock", json!({"advance_seconds": -1})),
        ("clock", json!({})),
        ("faults", json!({"fault": "rain"})),
    ] {
        let (status, error) = post(path, body).await;
        assert!(status == 400 && error["error"].is_string(), "{error}");
    }
    assert_eq!(client.delete(at("faults")).send().await.unwrap().status(), 200);
    assert_eq!(client.get(at("weather")).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn requests_are_kept_up_to_a_number_and_all_counted() {
    let cloud = Options::default().with_kept_requests(3).start().unwrap();
    let provider = provider(&cloud, "hetzner", timeouts());
    for id in 1..=5 {
        provider.get_instance(&id.to_string()).await.unwrap();
    }
    let kept: Vec<_> =
        cloud.requests().into_iter().map(|request| (request.number, request.path)).collect();
    assert_eq!(
        kept,
        [
            (3, "/v1/servers/3".to_string()),
            (4, "/v1/servers/4".to_string()),
            (5, "/v1/servers/5".to_string())
        ]
    );
    assert_eq!(cloud.route_count("hetzner", Route::GetInstance), 5);
}

#[tokio::test]
async fn what_is_left_behind_is_told_by_name() {
    let cloud = Options::default().start().unwrap();
    provider(&cloud, "digitalocean", timeouts())
        .create_instance(&request("digitalocean", "forgotten"))
        .await
        .unwrap();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| cloud.assert_no_leaks()))
        .unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().contains("forgotten"));
}

#[tokio::test]
async fn only_tokens_that_were_given_are_taken() {
    let cloud = Options::default().with_token("the-one").start().unwrap();
    for name in PROVIDERS {
        assert!(
            provider(&cloud, name, timeouts()).list_instances().await.unwrap().is_empty(),
            "{name}"
        );
        let wrong = if name == "aws" { "another:secret" } else { "another" };
        let config = cloud.config(name).with_token(wrong);
        let error = ProviderRegistry::with_defaults()
            .connect(name, config)
            .unwrap()
            .list_instances()
            .await
            .unwrap_err();
        assert_eq!(
            error.kind(),
            spuff_core::provider::ErrorKind::Authentication,
            "{name}: {error}"
        );
    }
}

#[test]
fn a_port_that_is_taken_is_an_error_and_one_that_was_left_is_free() {
    let cloud = Cloud::start().unwrap();
    let port = cloud.address().port();
    assert!(Options::default().with_port(port).start().is_err());
    drop(cloud);
    assert!(Options::default().with_port(port).start().is_ok());
}

#[tokio::test]
async fn the_same_seed_is_the_same_chance() {
    let strikes = async |seed: u64| {
        let cloud = Options::default().with_seed(seed).start().unwrap();
        cloud.inject(Fault::Unauthorized.everywhere().chance(0.5));
        let provider = provider(&cloud, "hetzner", timeouts());
        let mut struck = Vec::new();
        for _ in 0..30 {
            struck.push(provider.get_instance("1").await.is_err());
        }
        struck
    };
    let one = strikes(7).await;
    let same = strikes(7).await;
    let other = strikes(8).await;
    assert!(one == same && one != other);
}
