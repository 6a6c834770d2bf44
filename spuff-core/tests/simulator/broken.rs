//! Faults of the connection and of the reply, as a client sees them that knows nothing of spuff.

use reqwest::{Client, Response};
use spuff_core::simulator::{Clock, Fault, FaultRule, Options, Route, Timings};

use super::*;

/// One read of one machine at one cloud, without any client of ours.
struct Bare {
    cloud: Cloud,
    client: Client,
    url: String,
    body: String,
    name: &'static str,
}

impl Bare {
    async fn new(name: &'static str) -> Self {
        let cloud = Options::default()
            .with_clock(Clock::Manual)
            .with_all_timings(Timings::instant())
            .start()
            .unwrap();
        let id = provider(&cloud, name, timeouts())
            .create_instance(&request(name, "web-1"))
            .await
            .unwrap()
            .id;
        let root = format!("http://{}", cloud.address());
        let (url, body) = match name {
            "digitalocean" => (format!("{root}/v2/droplets/{id}"), String::new()),
            "hetzner" => (format!("{root}/v1/servers/{id}"), String::new()),
            _ => (root, format!("Action=DescribeInstances&Version=2016-11-15&InstanceId.1={id}")),
        };
        let _ = rustls::crypto::ring::default_provider().install_default();
        // The client must not bring a patience of its own.
        let client = Client::builder().no_proxy().retry(reqwest::retry::never()).build().unwrap();
        Self { cloud, client, url, body, name }
    }

    fn inject(&self, fault: Fault) {
        self.cloud.inject(FaultRule::from(fault).at(self.name).on(Route::GetInstance).times(1));
    }

    async fn send(&self) -> reqwest::Result<Response> {
        let request = if self.body.is_empty() {
            self.client.get(&self.url).bearer_auth("token")
        } else {
            let key = "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/ec2/aws4_request, \
             SignedHeaders=host, \
                Signature=0000000000000000000000000000000000000000000000000000000000000000";
            let form = "application/x-www-form-urlencoded; charset=utf-8";
            self.client
                .post(&self.url)
                .header("authorization", key)
                .header("content-type", form)
                .body(self.body.clone())
        };
        request.timeout(Duration::from_millis(600)).send().await
    }

    async fn read(&self) -> (u16, String) {
        let response = self.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }
}

fn each() -> [&'static str; 3] {
    PROVIDERS
}

#[tokio::test]
async fn without_a_fault_a_read_is_answered() {
    for name in each() {
        let bare = Bare::new(name).await;
        let (status, body) = bare.read().await;
        assert!(status == 200 && body.contains("web-1"), "{name}: {status} {body}");
    }
}

#[tokio::test]
async fn a_lost_reply_is_a_closed_connection() {
    for name in each() {
        for fault in [Fault::ReplyLost, Fault::ConnectionClosed] {
            let bare = Bare::new(name).await;
            bare.inject(fault);
            let error = bare.send().await.unwrap_err();
            assert!(error.is_request() && !error.is_timeout(), "{name}, {fault:?}: {error:?}");
            assert_eq!(bare.read().await.0, 200, "{name}: the next request is answered");
        }
    }
}

#[tokio::test]
async fn what_is_carried_out_differs_though_the_client_sees_the_same() {
    for name in each() {
        for (fault, made) in [(Fault::ReplyLost, 1), (Fault::ConnectionClosed, 0)] {
            let cloud = Options::default().with_clock(Clock::Manual).start().unwrap();
            cloud.inject(fault.once(name, Route::CreateInstance));
            let short =
                ProviderTimeouts { instance_ready: Duration::from_millis(300), ..timeouts() };
            // A create that is dropped when its reply is lost sends no second one.
            let provider = provider(&cloud, name, short);
            let request = request(name, "web-1");
            let mut create = provider.create_instance(&request);
            while cloud.route_count(name, Route::CreateInstance) == 0 {
                let _ = tokio::time::timeout(Duration::from_millis(1), &mut create).await;
            }
            drop(create);
            assert_eq!(cloud.instances().len(), made, "{name}, {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_late_reply_is_a_timeout() {
    for name in each() {
        let bare = Bare::new(name).await;
        bare.inject(Fault::Slow { millis: 1500 });
        assert!(bare.send().await.unwrap_err().is_timeout(), "{name}");
        bare.inject(Fault::Slow { millis: 20 });
        assert_eq!(bare.read().await.0, 200, "{name}: late, but in time");
    }
}

#[tokio::test]
async fn a_server_error_has_the_clouds_own_body() {
    for (name, word) in [("digitalocean", "\"id\""), ("hetzner", "\"error\""), ("aws", "<Errors>")]
    {
        for status in [500, 502, 503, 504] {
            for committed in [true, false] {
                let bare = Bare::new(name).await;
                bare.inject(Fault::ServerError { status, committed });
                let (answered, body) = bare.read().await;
                assert!(answered == status && body.contains(word), "{name}: {answered} {body}");
            }
        }
    }
}

#[tokio::test]
async fn a_throttle_comes_with_headers_or_without() {
    for (name, status, header) in [
        ("digitalocean", 429, Some("ratelimit-remaining")),
        ("hetzner", 429, Some("ratelimit-remaining")),
        ("aws", 503, None),
    ] {
        let bare = Bare::new(name).await;
        bare.inject(Fault::RateLimited { retry_after: Some(7), headers: true });
        let response = bare.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{name}");
        if let Some(header) = header {
            assert_eq!(response.headers()[header], "0", "{name}");
            assert_eq!(response.headers()["retry-after"], "7", "{name}");
        }
        bare.inject(Fault::RateLimited { retry_after: None, headers: false });
        let response = bare.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{name}");
        let told = response
            .headers()
            .iter()
            .any(|(name, _)| name.as_str().contains("ratelimit") || name == "retry-after");
        assert!(!told, "{name}: {response:?}");
        let burst = bare.cloud.inject(
            FaultRule::from(Fault::RateLimited { retry_after: None, headers: true })
                .at(name)
                .on(Route::GetInstance)
                .times(3),
        );
        for expected in [status, status, status, 200] {
            assert_eq!(bare.read().await.0, expected, "{name}: a burst");
        }
        assert_eq!(bare.cloud.hits(burst), 3);
    }
}

#[tokio::test]
async fn a_token_can_stop_being_taken() {
    for name in each() {
        let bare = Bare::new(name).await;
        bare.inject(Fault::Unauthorized);
        assert_eq!(bare.read().await.0, 401, "{name}");
    }
}

#[tokio::test]
async fn a_truncated_body_ends_too_early() {
    for name in each() {
        let bare = Bare::new(name).await;
        let whole = bare.read().await.1.len();
        bare.inject(Fault::Truncated);
        let mut response = bare.send().await.unwrap();
        assert_eq!(response.content_length(), Some(whole as u64), "{name}");
        let mut got = 0;
        let error = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => got += chunk.len(),
                Ok(None) => panic!("{name}: it ended well after {got} of {whole} bytes"),
                Err(error) => break error,
            }
        };
        assert!(got < whole && !error.is_timeout(), "{name}: {got} of {whole}, {error:?}");
    }
}

#[tokio::test]
async fn html_oversized_and_slow_bodies() {
    for name in each() {
        let bare = Bare::new(name).await;
        bare.inject(Fault::Html { status: 200 });
        let response = bare.send().await.unwrap();
        assert!(
            response.headers()["content-type"].to_str().unwrap().starts_with("text/html"),
            "{name}"
        );
        assert!(response.text().await.unwrap().starts_with("<!DOCTYPE html>"), "{name}");

        bare.inject(Fault::Oversized { bytes: 3 << 20 });
        assert_eq!(bare.read().await.1.len(), 3 << 20, "{name}");

        bare.inject(Fault::SlowDrip { millis: 20 });
        let mut response = bare.send().await.unwrap();
        let first = response.chunk().await.unwrap().unwrap();
        assert_eq!((response.status().as_u16(), first.len()), (200, 1), "{name}");
        let ended = async {
            while response.chunk().await?.is_some() {}
            Ok::<_, reqwest::Error>(())
        };
        assert!(ended.await.unwrap_err().is_timeout(), "{name}: it does not end in time");
    }
}
