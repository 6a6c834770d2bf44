//! The simulated EC2 keeps what is known of the real one, over real HTTP; and this crate's provider
//! lives with it.
#![cfg(all(feature = "simulator", feature = "aws"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::type_complexity,
    reason = "a test that panics has failed, and tables are read as they stand"
)]

#[path = "../support/mod.rs"]
mod support;

mod catalogue;
mod faults;
mod garbage;
mod images;
mod launch;
mod limits;
mod money;
mod provider;
mod reads;
mod states;
mod tags;

use std::time::Duration;

use spuff_core::simulator::{Clock, Cloud, Kind, Options, Timings};

const SIZE: &str = "t3.micro";
const NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

/// Parameters of a request.
type Given<'a> = &'a [(&'a str, &'a str)];

/// A reply, and what is read out of it.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Reply {
    /// The texts of every element of that name, in their order.
    fn all(&self, name: &str) -> Vec<String> {
        let open = format!("<{name}>");
        let close = format!("</{name}>");
        let parts = self.text.split(&open).skip(1);
        let inner = parts.map(|part| part.split(&close).next().unwrap_or_default());
        inner
            .map(|text| {
                text.replace("&lt;", "<")
                    .replace("&gt;", ">")
                    .replace("&quot;", "\"")
                    .replace("&amp;", "&")
            })
            .collect()
    }

    /// The text of the first element of that name; empty where there is none.
    fn one(&self, name: &str) -> String {
        self.all(name).into_iter().next().unwrap_or_default()
    }

    /// The code of a refusal.
    fn code(&self) -> (u16, String) {
        assert!(
            self.text.contains("<Response><Errors><Error>") && !self.one("RequestID").is_empty(),
            "{}",
            self.text
        );
        (self.status, self.one("Code"))
    }

    fn good(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.text);
        assert!(self.text.contains(NAMESPACE), "{}", self.text);
        assert_eq!(self.headers["x-amzn-requestid"].to_str().unwrap(), self.one("requestId"));
        self
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// A client that signs for a region; nobody looks at the signature itself.
struct Asker {
    http: reqwest::Client,
    url: String,
    region: &'static str,
}

fn signature(region: &str, service: &str) -> String {
    let scope = format!("Credential=simulated/20260105/{region}/{service}/aws4_request");
    format!(
        "AWS4-HMAC-SHA256 {scope}, SignedHeaders=content-type;host;x-amz-date, Signature={}",
        "0".repeat(64)
    )
}

impl Asker {
    fn new(cloud: &Cloud, region: &'static str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { http, url: format!("http://{}/", cloud.address()), region }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        let reply = request.send().await.unwrap();
        let status = reply.status().as_u16();
        let headers = reply.headers().clone();
        Reply { status, headers, text: reply.text().await.unwrap() }
    }

    async fn raw(&self, body: impl Into<reqwest::Body>) -> Reply {
        let request =
            self.http.post(&self.url).header("authorization", signature(self.region, "ec2"));
        self.send(request.header("content-type", "application/x-www-form-urlencoded").body(body))
            .await
    }

    async fn ask(&self, action: &str, parameters: &[(&str, &str)]) -> Reply {
        let pairs = [("Action", action), ("Version", "2016-11-15")]
            .into_iter()
            .chain(parameters.iter().copied());
        let encode =
            |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let pairs: Vec<String> =
            pairs.map(|(name, value)| format!("{name}={}", encode(value))).collect();
        self.raw(pairs.join("&")).await
    }

    async fn ssm(&self, action: &str, body: &str) -> (u16, serde_json::Value) {
        let request =
            self.http.post(&self.url).header("authorization", signature(self.region, "ssm"));
        let request =
            request.header("x-amz-target", format!("AmazonSSM.{action}")).body(body.to_string());
        let reply = self.send(request).await;
        assert_eq!(reply.header("content-type"), "application/x-amz-json-1.1");
        (reply.status, serde_json::from_str(&reply.text).unwrap())
    }

    /// An image that a machine of [`SIZE`] boots.
    async fn image(&self) -> String {
        let name =
            "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id";
        let (status, reply) =
            self.ssm("GetParameter", &serde_json::json!({"Name": name}).to_string()).await;
        assert_eq!(status, 200, "{reply}");
        reply["Parameter"]["Value"].as_str().unwrap().to_string()
    }

    async fn run(&self, parameters: &[(&str, &str)]) -> Reply {
        let image = self.image().await;
        let given = |name: &str| parameters.iter().any(|(other, _)| *other == name);
        let usual = [
            ("ImageId", image.as_str()),
            ("InstanceType", SIZE),
            ("MinCount", "1"),
            ("MaxCount", "1"),
        ];
        let usual = usual.into_iter().filter(|(name, _)| !given(name));
        let all: Vec<(&str, &str)> = usual.chain(parameters.iter().copied()).collect();
        self.ask("RunInstances", &all).await
    }

    /// A machine, by its id.
    async fn launch(&self, parameters: &[(&str, &str)]) -> String {
        self.run(parameters).await.good().one("instanceId")
    }

    async fn state(&self, id: &str) -> String {
        let reply = self.ask("DescribeInstances", &[("InstanceId.1", id)]).await.good();
        reply
            .text
            .split("<instanceState>")
            .nth(1)
            .map(|text| text.split("name>").nth(1).unwrap().replace("</", ""))
            .unwrap()
    }
}

/// A cloud whose time stands still, and where everything takes a known time.
fn manual() -> Options {
    let mut timings = Timings::usual("aws");
    timings.jitter = 0.0;
    Options::default().with_clock(Clock::Manual).with_timings("aws", timings)
}

/// The same, where nothing takes any time.
fn instant() -> Options {
    Options::default().with_clock(Clock::Manual).with_all_timings(Timings::instant())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The kinds of what is left behind.
fn left(cloud: &Cloud) -> Vec<Kind> {
    cloud.leaks().into_iter().map(|resource| resource.kind).collect()
}
