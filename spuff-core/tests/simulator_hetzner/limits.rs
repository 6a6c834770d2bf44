//! Tokens, the budget of requests, and the headers that tell of it.

use reqwest::Method;
use serde_json::json;
use spuff_core::simulator::{Fault, Options, Route};

use super::{Lab, order};

fn budget(reply: &super::Reply) -> (&str, &str) {
    (reply.header("ratelimit-limit"), reply.header("ratelimit-remaining"))
}

#[tokio::test]
async fn an_hour_has_3600_requests_that_come_back_one_a_second() {
    let lab = Lab::with(Options::default().with_rate_limits(true));
    let reset = |reply: &super::Reply| {
        reply.header("ratelimit-reset").parse::<i64>().unwrap() - lab.cloud.now().timestamp()
    };
    let first = lab.get("/locations/1").await.ok(200);
    assert_eq!((budget(&first), reset(&first)), (("3600", "3599"), 1));
    for _ in 1..3600 {
        lab.get("/locations/1").await.ok(200);
    }
    for _ in 0..2 {
        let refused = lab.get("/locations/1").await.refused(429, "rate_limit_exceeded");
        // When all are back, although one is in a second.
        assert_eq!((budget(&refused), reset(&refused)), (("3600", "0"), 3600));
        assert_eq!(refused.header("retry-after"), "");
    }
    lab.post("/servers", order("web-1")).await.refused(429, "rate_limit_exceeded");
    assert!(lab.cloud.instances().is_empty(), "what is refused is not carried out");
    lab.pass(1);
    lab.get("/locations/1").await.ok(200);
    lab.get("/locations/1").await.refused(429, "rate_limit_exceeded");
    lab.pass(10);
    let some = lab.get("/locations/1").await.ok(200);
    assert_eq!(budget(&some), ("3600", "9"));
    lab.pass(100_000);
    assert_eq!(budget(&lab.get("/locations/1").await.ok(200)), ("3600", "3599"));
}

#[tokio::test]
async fn a_fault_throttles_as_the_cloud_does() {
    let lab = Lab::new();
    let throttle = |retry_after, headers| {
        Fault::RateLimited { retry_after, headers }.once("hetzner", Route::ListInstances)
    };
    lab.cloud.inject(throttle(None, true));
    let refused = lab.get("/servers").await.refused(429, "rate_limit_exceeded");
    assert_eq!((budget(&refused), refused.header("retry-after")), (("3600", "0"), ""));
    assert_eq!(budget(&lab.get("/servers").await.ok(200)), ("3600", "3600"));
    lab.cloud.inject(throttle(Some(7), true));
    assert_eq!(
        lab.get("/servers").await.refused(429, "rate_limit_exceeded").header("retry-after"),
        "7"
    );
    lab.cloud.inject(throttle(None, false));
    let bare = lab.get("/servers").await.refused(429, "rate_limit_exceeded");
    assert_eq!((budget(&bare), bare.header("x-correlation-id")), (("", ""), ""));
    assert_eq!(budget(&lab.get("/servers").await.ok(200)), ("3600", "3600"));
}

#[tokio::test]
async fn every_reply_has_an_id_of_its_own() {
    let lab = Lab::new();
    let mut ids = Vec::new();
    for path in ["/servers", "/servers/1", "/nowhere", "/actions"] {
        ids.push(lab.get(path).await.header("x-correlation-id").to_string());
    }
    ids.push(
        lab.raw(Method::GET, "/servers", "", None)
            .await
            .refused(401, "unauthorized")
            .header("x-correlation-id")
            .to_string(),
    );
    assert!(
        ids.iter().all(|id| id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit())),
        "{ids:?}"
    );
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[tokio::test]
async fn tokens_are_checked() {
    let lab = Lab::with(Options::default().with_token("right"));
    for wrong in ["", "wrong", "righ", "right right"] {
        let refused =
            lab.raw(Method::GET, "/servers", wrong, None).await.refused(401, "unauthorized");
        assert_eq!(refused.message(), "unable to authenticate");
    }
    lab.raw(Method::GET, "/servers", "right", None).await.ok(200);
    lab.cloud.inject(Fault::Unauthorized.once("hetzner", Route::ListInstances));
    lab.raw(Method::GET, "/servers", "right", None).await.refused(401, "unauthorized");
}

#[tokio::test]
async fn a_quota_is_of_what_exists() {
    let lab = Lab::with(Options::default().with_quota(2));
    let id = lab.server("web-1").await;
    lab.begin("web-2").await;
    let refused =
        lab.post("/servers", order("web-3")).await.refused(403, "resource_limit_exceeded");
    assert_eq!(refused.body["error"]["details"], json!({"limits": [{"name": "server_limit"}]}));
    lab.delete(&format!("/servers/{id}")).await.ok(200);
    lab.post("/servers", order("web-3")).await.refused(403, "resource_limit_exceeded");
    lab.pass(super::DESTROY);
    lab.begin("web-3").await;
}
