//! Who is let in, how often, and what a reply's headers say of it.

use serde_json::json;
use spuff_core::simulator::{Fault, Route};

use super::{Api, options};

#[tokio::test]
async fn only_a_known_token_is_taken() {
    let mut api = Api::with(&options().with_token("token").with_token("other"));
    assert_eq!(api.get("/v2/account").await.status, 200);
    for token in ["other", "wrong", ""] {
        api.token = token;
        let reply = api.get("/v2/account").await;
        if token == "other" {
            assert_eq!(reply.status, 200);
            continue;
        }
        reply.refused(401, "Unable to authenticate you.");
        assert_eq!(reply.body["id"], json!("unauthorized"));
    }
}

#[tokio::test]
async fn every_reply_has_its_headers() {
    let api = Api::start();
    let mut ids = Vec::new();
    for path in ["/v2/account", "/v2/droplets/42", "/v2/nowhere"] {
        let reply = api.get(path).await;
        assert!(reply.header("content-type").starts_with("application/json"), "{reply:?}");
        assert_eq!(
            (reply.header("ratelimit-limit"), reply.header("ratelimit-remaining")),
            ("5000", "4999"),
            "limits are off"
        );
        let reset: i64 = reply.header("ratelimit-reset").parse().unwrap();
        assert_eq!(reset, (api.cloud.now() + std::time::Duration::from_secs(3600)).timestamp());
        let id = reply.header("x-request-id").to_string();
        assert!(id.len() == 36 && id.as_bytes()[14] == b'4', "{id}");
        ids.push(id);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn a_minute_takes_250_requests() {
    let api = Api::with(&options().with_rate_limits(true));
    for number in 1..=250 {
        let reply = api.get("/v2/account").await;
        assert_eq!(
            (reply.status, reply.header("ratelimit-remaining")),
            (200, (5000 - number).to_string().as_str())
        );
        if number == 100 {
            api.pass(30);
        }
    }
    let refused = api.get("/v2/account").await;
    refused.refused(429, "API rate limit exceeded.");
    assert_eq!(refused.body["id"], json!("too_many_requests"));
    assert_eq!(
        (refused.header("retry-after"), refused.header("ratelimit-remaining")),
        ("30", "4750"),
        "the oldest hundred expire then"
    );
    api.pass(29);
    assert_eq!(api.get("/v2/account").await.header("retry-after"), "1");
    api.pass(1);
    assert_eq!(api.get("/v2/account").await.status, 200, "a refusal has not been counted");
}

#[tokio::test]
async fn an_hour_takes_5000_requests() {
    let api = Api::with(&options().with_rate_limits(true).with_kept_requests(0));
    let began = api.cloud.now();
    for _ in 0..20 {
        for _ in 0..250 {
            assert_eq!(api.get("/v2/nowhere").await.status, 404);
        }
        api.pass(60);
    }
    let refused = api.get("/v2/account").await;
    assert_eq!(
        (refused.status, refused.header("ratelimit-remaining"), refused.header("retry-after")),
        (429, "0", "")
    );
    let reset: i64 = refused.header("ratelimit-reset").parse().unwrap();
    assert_eq!(
        reset,
        began.timestamp() + 3600,
        "when the oldest request expires, and not when all have"
    );
    api.pass(40 * 60);
    assert_eq!(api.get("/v2/account").await.header("ratelimit-remaining"), "249");
}

#[tokio::test]
async fn keys_are_read_ten_times_a_minute() {
    let api = Api::with(&options().with_rate_limits(true));
    for _ in 0..10 {
        assert_eq!(api.get("/v2/account/keys").await.status, 200);
    }
    let refused = api.get("/v2/account/keys").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "60"));
    assert_eq!(api.get("/v2/account").await.status, 200, "all else goes on");
    api.pass(60);
    assert_eq!(api.get("/v2/account/keys").await.status, 200);
}

#[tokio::test]
async fn refusals_that_were_asked_for_look_like_the_others() {
    let api = Api::start();
    let limited = |retry_after, headers| {
        Fault::RateLimited { retry_after, headers }.once("digitalocean", Route::Other)
    };
    api.cloud.inject(limited(Some(7), true));
    let reply = api.get("/v2/account").await;
    reply.refused(429, "API rate limit exceeded.");
    assert_eq!((reply.header("retry-after"), reply.header("ratelimit-remaining")), ("7", "0"));
    assert_eq!(reply.header("ratelimit-reset"), (api.cloud.now().timestamp() + 7).to_string());
    api.cloud.inject(limited(None, true));
    let reply = api.get("/v2/account").await;
    assert_eq!(
        (reply.status, reply.header("retry-after"), reply.header("ratelimit-remaining")),
        (429, "", "0")
    );
    api.cloud.inject(limited(Some(7), false));
    let reply = api.get("/v2/account").await;
    assert_eq!(
        (reply.status, reply.header("retry-after"), reply.header("ratelimit-remaining")),
        (429, "7", "")
    );
    assert_eq!(api.get("/v2/account").await.header("ratelimit-remaining"), "4999");

    api.cloud.inject(Fault::Unauthorized.once("digitalocean", Route::Other));
    api.get("/v2/account").await.refused(401, "Unable to authenticate you.");
    for (status, committed) in [(500, false), (503, false), (502, true)] {
        api.cloud.inject(
            Fault::ServerError { status, committed }.once("digitalocean", Route::CreateInstance),
        );
        let reply = api.create(json!({})).await;
        reply.refused(status, "Unexpected server-side error");
        assert_eq!(reply.body["id"], json!("server_error"));
        assert_eq!(api.cloud.instances().len(), usize::from(committed));
    }
}
