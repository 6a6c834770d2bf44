//! The other side: the calls of a lifecycle, as they stood in the cloud's log, made with bare
//! `reqwest`.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderValue, Method, Request};
use reqsign_aws_v4::{Credential, RequestSigner, StaticCredentialProvider};
use reqsign_core::hash::hex_sha256;
use reqsign_core::{Context, Signer};
use serde::Deserialize;
use spuff_core::provider::{ProviderConfig, ProviderInstance, labels};

use super::wire;

/// How many requests the cloud had been sent.
pub(crate) struct Log(u64);

#[derive(Deserialize)]
struct Requests {
    requests: Vec<Sent>,
}

/// A request as the cloud's log has it.
#[derive(Deserialize)]
pub(crate) struct Sent {
    number: u64,
    route: String,
    method: String,
    path: String,
    body: String,
}

impl Log {
    async fn all() -> Vec<Sent> {
        let url = format!("{}/requests", std::env::var(super::SIMULATOR).unwrap());
        let body = client().get(url).send().await.unwrap().bytes().await.unwrap();
        serde_json::from_slice::<Requests>(&body).unwrap().requests
    }

    pub(crate) async fn read() -> Self {
        Self(Self::all().await.last().map_or(0, |sent| sent.number))
    }

    /// The requests after that.
    pub(crate) async fn since(&self) -> Vec<Sent> {
        Self::all().await.into_iter().filter(|sent| sent.number > self.0).collect()
    }
}

fn client() -> reqwest::Client {
    let agent = concat!("spuff/", env!("CARGO_PKG_VERSION"));
    reqwest::Client::builder()
        .no_proxy()
        .user_agent(agent)
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap()
}

/// A call, with places for what differs from machine to machine.
struct Call {
    route: String,
    method: Method,
    url: String,
    body: String,
}

const ID: &str = "{id}";
const NAME: &str = "{name}";
const KEY: &str = "{key}";

/// The lifecycle with bare `reqwest`.
pub(crate) struct Bare {
    name: String,
    token: String,
    /// EC2 takes no request that is not signed: with the same signer as spuff's.
    signer: Option<Signer<Credential>>,
    client: reqwest::Client,
    calls: Vec<Call>,
}

impl Bare {
    /// With the calls that made and ended `machine`.
    pub(crate) fn new(
        name: &str,
        config: &ProviderConfig,
        sent: &[Sent],
        machine: &ProviderInstance,
    ) -> Self {
        let key = machine.labels.get(labels::CREATE_KEY).cloned().unwrap_or_default();
        assert!(!key.is_empty(), "{machine:?}");
        let root = std::env::var(super::SIMULATOR).unwrap().replace("/simulator", "");
        // EC2's token of a create is not on the machine's label, but what that is made of.
        let token = sent
            .iter()
            .find_map(|sent| sent.body.split_once("ClientToken=")?.1.split('&').next())
            .unwrap_or(&key);
        let place = |text: &str| {
            text.replace(&machine.id, ID)
                .replace(&machine.name, NAME)
                .replace(&key, KEY)
                .replace(token, KEY)
        };
        let calls = sent.iter().map(|sent| Call {
            route: sent.route.clone(),
            method: sent.method.parse().unwrap(),
            url: format!("{root}{}", place(&sent.path)),
            body: place(&sent.body),
        });
        let keys = (name == "aws").then(|| config.expose_token().split_once(':')).flatten();
        let signer = (name == "aws").then(|| {
            let (id, secret) = keys.map_or_else(
                || {
                    (
                        std::env::var("AWS_ACCESS_KEY_ID").unwrap(),
                        std::env::var("AWS_SECRET_ACCESS_KEY").unwrap(),
                    )
                },
                |(id, secret)| (id.to_string(), secret.to_string()),
            );
            let keys = StaticCredentialProvider::new(&id, &secret);
            Signer::new(Context::new(), keys, RequestSigner::new("ec2", "us-east-1"))
        });
        let name = name.to_string();
        let token = config.expose_token().to_string();
        Self { name, token, signer, client: client(), calls: calls.collect() }
    }

    /// How many calls of each kind a lifecycle takes.
    pub(crate) fn calls(&self) -> String {
        let mut count = BTreeMap::<_, usize>::new();
        for call in &self.calls {
            *count.entry(call.route.as_str()).or_default() += 1;
        }
        let calls: Vec<_> = count.iter().map(|(route, count)| format!("{count} {route}")).collect();
        calls.join(", ")
    }

    pub(crate) async fn lifecycle(&self) -> ProviderInstance {
        let name = super::request(&self.name).name;
        let key = format!("{:032x}", fastrand::u128(..));
        let mut last = ProviderInstance::default();
        for call in &self.calls {
            let place =
                |text: &str| text.replace(ID, &last.id).replace(NAME, &name).replace(KEY, &key);
            let body = self.send(&call.method, &place(&call.url), place(&call.body)).await;
            match call.route.as_str() {
                "create_instance" | "get_instance" | "list_instances" => {
                    last = wire::machine(&self.name, &body, &last.id).unwrap_or(last);
                }
                "get_action" => wire::check_actions(&body),
                _ => {}
            }
        }
        last
    }

    async fn send(&self, method: &Method, url: &str, body: String) -> bytes::Bytes {
        let mut request = Request::builder().method(method.clone()).uri(url);
        if !body.is_empty() {
            let kind = if self.signer.is_some() {
                "application/x-www-form-urlencoded; charset=utf-8"
            } else {
                "application/json"
            };
            request = request.header("content-type", kind);
        }
        let (mut head, body) = request.body(body).unwrap().into_parts();
        if let Some(signer) = &self.signer {
            head.headers.insert(
                "x-amz-content-sha256",
                HeaderValue::try_from(hex_sha256(body.as_bytes())).unwrap(),
            );
            signer.sign(&mut head, None).await.unwrap();
        } else {
            let mut value = HeaderValue::try_from(format!("Bearer {}", self.token)).unwrap();
            value.set_sensitive(true);
            head.headers.insert("authorization", value);
        }
        let request = reqwest::Request::try_from(Request::from_parts(head, body)).unwrap();
        let reply = self.client.execute(request).await.unwrap();
        let status = reply.status();
        let body = reply.bytes().await.unwrap();
        assert!(status.is_success(), "{status} {url}: {}", String::from_utf8_lossy(&body));
        body
    }
}
