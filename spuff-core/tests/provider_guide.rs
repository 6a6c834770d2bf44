//! What the guide for authors of providers promises, as an author writes it: the paths of its
//! imports, literal values, the helpers of the error, and a provider of one type over an HTTP
//! client of its own.
//!
//! That this file compiles is the larger half of the test.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use reqwest::{Client, Method};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use wiremock::matchers::{body_partial_json, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use spuff_core::provider::config::ProviderTimeouts;
use spuff_core::provider::error::ProviderError;
use spuff_core::provider::registry::{ProviderFactory, ProviderType};
use spuff_core::provider::{
    ImageSpec, InstanceRequest, InstanceStatus, Provider, ProviderInstance, ProviderRegistry,
    ProviderResult, Snapshot,
};

const BASE: &str = "https://api.stratus.example";

struct Stratus {
    client: Client,
    token: String,
    base_url: String,
    timeouts: ProviderTimeouts,
}

struct StratusFactory;

#[derive(Serialize)]
struct Order<'a> {
    name: &'a str,
    zone: &'a str,
    plan: &'a str,
    image: String,
    script: Option<&'a str>,
    labels: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Node {
    id: u64,
    state: String,
    since: DateTime<Utc>,
    ipv4: Option<String>,
}

#[derive(Deserialize)]
struct Job {
    id: u64,
    state: String,
}

#[derive(Deserialize)]
struct Disk {
    id: u64,
    label: Option<String>,
    since: DateTime<Utc>,
}

#[derive(Deserialize)]
struct DiskJob {
    disk: Disk,
    job: Job,
}

impl Stratus {
    fn new(token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Self> {
        Self::with_config(token, BASE, timeouts)
    }

    fn with_config(
        token: &str,
        base_url: &str,
        timeouts: ProviderTimeouts,
    ) -> ProviderResult<Self> {
        if token.is_empty() {
            return Err(ProviderError::invalid_config("token", "no token"));
        }
        // The HTTP client of this build has no cryptography of its own; the first to ask for one
        // gets it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().timeout(timeouts.http_request).no_proxy().build().map_err(
            |error| ProviderError::Other { message: format!("no HTTP client: {error}") },
        )?;
        Ok(Self { client, token: token.to_string(), base_url: base_url.to_string(), timeouts })
    }

    async fn request<T: DeserializeOwned>(
        &self,
        method: Method,
        at: &str,
        body: Option<&impl Serialize>,
    ) -> ProviderResult<T> {
        let mut request = self.client.request(method, format!("{}{at}", self.base_url));
        request = request.header("Authorization", format!("Bearer {}", self.token));
        if let Some(body) = body {
            let text = serde_json::to_string(body)
                .map_err(|error| ProviderError::Other { message: error.to_string() })?;
            request = request.body(text);
        }
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        if !status.is_success() {
            return Err(refused(status.as_u16(), text));
        }
        let text = if text.is_empty() { "null" } else { &text };
        serde_json::from_str(text)
            .map_err(|error| ProviderError::Other { message: error.to_string() })
    }

    async fn finish(&self, job: u64) -> ProviderResult<()> {
        let began = Instant::now();
        for _ in 0..self.timeouts.action_complete_attempts() {
            if began.elapsed() > self.timeouts.action_complete {
                break;
            }
            let job: Job = self.request(Method::GET, &format!("/jobs/{job}"), None::<&()>).await?;
            match job.state.as_str() {
                "done" => return Ok(()),
                "broken" => {
                    return Err(ProviderError::api(500, format!("job {} is broken", job.id)));
                }
                _ => tokio::time::sleep(self.timeouts.poll_interval).await,
            }
        }
        Err(ProviderError::timeout("action_complete", began.elapsed()))
    }
}

fn refused(status: u16, text: String) -> ProviderError {
    match status {
        401 | 403 => ProviderError::auth("stratus", text),
        404 => {
            ProviderError::NotFound { resource_type: "node".to_string(), id: "unknown".to_string() }
        }
        422 => ProviderError::InvalidConfig { field: "request".to_string(), message: text },
        429 => ProviderError::RateLimit { retry_after: Some(Duration::from_secs(60)) },
        _ => ProviderError::api(status, text),
    }
}

fn image(spec: &ImageSpec) -> String {
    match spec {
        ImageSpec::Ubuntu(version) => format!("ubuntu/{version}"),
        ImageSpec::Debian(version) => format!("debian/{version}"),
        ImageSpec::Custom(id) => id.clone(),
        ImageSpec::Snapshot(id) => id.clone(),
    }
}

fn status(word: &str) -> InstanceStatus {
    match word {
        "hatching" => InstanceStatus::New,
        "up" => InstanceStatus::Active,
        "down" => InstanceStatus::Off,
        "gone" => InstanceStatus::Archive,
        other => InstanceStatus::Unknown(other.to_string()),
    }
}

fn instance(node: Node) -> ProviderInstance {
    let unassigned: IpAddr = [0, 0, 0, 0].into();
    ProviderInstance {
        id: node.id.to_string(),
        ip: node.ipv4.and_then(|ip| ip.parse().ok()).unwrap_or(unassigned),
        status: status(&node.state),
        created_at: node.since,
        ..Default::default()
    }
}

#[async_trait]
impl Provider for Stratus {
    fn name(&self) -> &'static str {
        "stratus"
    }

    async fn create_instance(&self, request: &InstanceRequest) -> ProviderResult<ProviderInstance> {
        let mut labels = request.labels.clone();
        labels.insert("managed-by".to_string(), "spuff".to_string());
        let order = Order {
            name: &request.name,
            zone: &request.region,
            plan: &request.size,
            image: image(&request.image),
            script: request.user_data.as_deref(),
            labels,
        };
        Ok(instance(self.request(Method::POST, "/nodes", Some(&order)).await?))
    }

    async fn destroy_instance(&self, id: &str) -> ProviderResult<()> {
        match self
            .request::<serde_json::Value>(Method::DELETE, &format!("/nodes/{id}"), None::<&()>)
            .await
        {
            Ok(_) => Ok(()),
            Err(ProviderError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn get_instance(&self, id: &str) -> ProviderResult<Option<ProviderInstance>> {
        match self.request::<Node>(Method::GET, &format!("/nodes/{id}"), None::<&()>).await {
            Ok(node) => Ok(Some(instance(node))),
            Err(ProviderError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        let nodes: Vec<Node> = self.request(Method::GET, "/nodes", None::<&()>).await?;
        Ok(nodes.into_iter().map(instance).collect())
    }

    async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
        let began = Instant::now();
        for _ in 0..self.timeouts.instance_ready_attempts() {
            if began.elapsed() > self.timeouts.instance_ready {
                break;
            }
            if let Some(instance) = self.get_instance(id).await?
                && matches!(instance.status, InstanceStatus::Active)
                && !instance.ip.is_unspecified()
            {
                return Ok(instance);
            }
            tokio::time::sleep(self.timeouts.poll_interval).await;
        }
        Err(ProviderError::timeout("wait_ready", began.elapsed()))
    }

    async fn create_snapshot(&self, instance_id: &str, name: &str) -> ProviderResult<Snapshot> {
        let at = format!("/nodes/{instance_id}/disks");
        let made: DiskJob =
            self.request(Method::POST, &at, Some(&json!({ "label": name }))).await?;
        self.finish(made.job.id).await?;
        Ok(Snapshot {
            id: made.disk.id.to_string(),
            name: name.to_string(),
            created_at: Some(made.disk.since),
        })
    }

    async fn list_snapshots(&self) -> ProviderResult<Vec<Snapshot>> {
        let disks: Vec<Disk> = self.request(Method::GET, "/disks", None::<&()>).await?;
        let snapshot = |disk: Disk| Snapshot {
            id: disk.id.to_string(),
            name: disk.label.unwrap_or_default(),
            created_at: Some(disk.since),
        };
        Ok(disks.into_iter().map(snapshot).collect())
    }

    async fn delete_snapshot(&self, id: &str) -> ProviderResult<()> {
        match self
            .request::<serde_json::Value>(Method::DELETE, &format!("/disks/{id}"), None::<&()>)
            .await
        {
            Ok(_) | Err(ProviderError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn supports_snapshots(&self) -> bool {
        true
    }
}

impl ProviderFactory for StratusFactory {
    fn provider_type(&self) -> ProviderType {
        ProviderType::Custom("stratus")
    }

    fn create(&self, token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Box<dyn Provider>> {
        Ok(Box::new(Stratus::new(token, timeouts)?))
    }
}

fn stratus(cloud: &MockServer) -> Stratus {
    let timeouts = ProviderTimeouts {
        poll_interval: Duration::from_millis(20),
        ..ProviderTimeouts::default()
    };
    Stratus::with_config("test-token", &cloud.uri(), timeouts).unwrap()
}

fn node(state: &str, ip: Option<&str>) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "id": 7, "state": state, "since": "2026-01-02T03:04:05Z", "ipv4": ip, "unheard_of": true
    }))
}

#[tokio::test]
async fn a_machine_is_made_from_a_request_written_out() {
    let cloud = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/nodes"))
        .and(header("Authorization", "Bearer test-token"))
        .and(body_partial_json(json!({
            "name": "web-1", "zone": "north", "plan": "small", "image": "ubuntu/24.04",
            "script": "#!/bin/sh", "labels": {"env": "prod", "managed-by": "spuff"}
        })))
        .respond_with(node("hatching", None))
        .expect(1)
        .mount(&cloud)
        .await;
    let request = InstanceRequest {
        name: "web-1".to_string(),
        region: "north".to_string(),
        size: "small".to_string(),
        image: ImageSpec::Ubuntu("24.04".to_string()),
        user_data: Some("#!/bin/sh".to_string()),
        labels: HashMap::from([("env".to_string(), "prod".to_string())]),
        ..Default::default()
    };
    let made = stratus(&cloud).create_instance(&request).await.unwrap();
    assert_eq!(made.id, "7");
    assert!(matches!(made.status, InstanceStatus::New) && made.ip.is_unspecified());
}

#[tokio::test]
async fn absence_is_no_failure() {
    let cloud = MockServer::start().await;
    Mock::given(path("/nodes/999"))
        .respond_with(ResponseTemplate::new(404))
        .expect(2)
        .mount(&cloud)
        .await;
    Mock::given(path("/disks/999"))
        .respond_with(ResponseTemplate::new(404))
        .expect(1)
        .mount(&cloud)
        .await;
    let provider = stratus(&cloud);
    provider.destroy_instance("999").await.unwrap();
    provider.delete_snapshot("999").await.unwrap();
    assert_eq!(provider.get_instance("999").await.unwrap(), None);
}

#[tokio::test]
async fn refusals_can_be_matched() {
    let cloud = MockServer::start().await;
    let provider = stratus(&cloud);
    for (status, kind) in
        [(401, "authentication"), (422, "invalid_config"), (429, "rate_limit"), (418, "api")]
    {
        cloud.reset().await;
        Mock::given(path("/nodes"))
            .respond_with(ResponseTemplate::new(status))
            .expect(1)
            .mount(&cloud)
            .await;
        assert_eq!(provider.list_instances().await.unwrap_err().kind().name(), kind);
    }
    cloud.reset().await;
    Mock::given(path("/nodes")).respond_with(ResponseTemplate::new(403)).mount(&cloud).await;
    assert!(matches!(provider.list_instances().await, Err(ProviderError::Authentication { .. })));
    Mock::given(path("/disks")).respond_with(ResponseTemplate::new(429)).mount(&cloud).await;
    let error = provider.list_snapshots().await.unwrap_err();
    assert!(
        error.is_retryable() && error.retry_after() == Some(Duration::from_secs(60)),
        "{error}"
    );
}

#[tokio::test]
async fn a_cloud_that_is_not_there_is_a_network_error_without_its_address() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let provider =
        Stratus::with_config("t", &format!("http://{nobody}/secret"), ProviderTimeouts::default())
            .unwrap();
    let error = provider.list_instances().await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::Network(_)) && !error.to_string().contains("secret"),
        "{error}"
    );
}

#[tokio::test]
async fn waits_count_their_attempts() {
    let cloud = MockServer::start().await;
    for reply in [node("hatching", None), node("up", None), node("up", Some("192.0.2.7"))] {
        Mock::given(path("/nodes/7"))
            .respond_with(reply)
            .up_to_n_times(1)
            .expect(1)
            .mount(&cloud)
            .await;
    }
    assert_eq!(stratus(&cloud).wait_ready("7").await.unwrap().ip.to_string(), "192.0.2.7");

    let mut hurried = stratus(&cloud);
    hurried.timeouts.instance_ready = Duration::from_millis(40);
    Mock::given(path("/nodes/8")).respond_with(node("up", None)).mount(&cloud).await;
    assert!(matches!(hurried.wait_ready("8").await, Err(ProviderError::Timeout { .. })));
}

#[tokio::test]
async fn snapshots_are_written_out_and_read_back() {
    let cloud = MockServer::start().await;
    let disk = json!({"id": 3, "label": "before", "since": "2026-01-02T03:04:05Z"});
    let started = json!({"disk": disk, "job": {"id": 1, "state": "running"}});
    Mock::given(path("/nodes/7/disks"))
        .respond_with(ResponseTemplate::new(202).set_body_json(started))
        .mount(&cloud)
        .await;
    for state in ["running", "done", "broken"] {
        let reply = ResponseTemplate::new(200).set_body_json(json!({"id": 1, "state": state}));
        Mock::given(path("/jobs/1"))
            .respond_with(reply)
            .up_to_n_times(1)
            .expect(1)
            .mount(&cloud)
            .await;
    }
    Mock::given(path("/disks"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!([disk])))
        .mount(&cloud)
        .await;
    let provider = stratus(&cloud);
    let made = provider.create_snapshot("7", "before").await.unwrap();
    assert_eq!(provider.list_snapshots().await.unwrap(), [made]);
    assert!(matches!(
        provider.create_snapshot("7", "before").await,
        Err(ProviderError::Api { status: 500, .. })
    ));
}

#[test]
fn any_error_of_reqwest_can_be_passed_on() {
    fn build() -> ProviderResult<reqwest::Proxy> {
        Ok(reqwest::Proxy::all("http://[")?)
    }
    assert!(matches!(build(), Err(ProviderError::Network(_))));
}

#[test]
fn a_factory_is_registered_and_found_by_name() {
    let mut registry = ProviderRegistry::with_defaults();
    registry.register(StratusFactory);
    assert!(registry.is_registered(ProviderType::Custom("stratus")));
    let provider =
        registry.create_by_name("stratus", "token", ProviderTimeouts::default()).unwrap();
    assert_eq!(provider.name(), "stratus");
    assert!(provider.supports_snapshots());
    let error = registry.create_by_name("stratus", "", ProviderTimeouts::default()).err().unwrap();
    assert!(matches!(error, ProviderError::InvalidConfig { .. }), "{error}");
}

#[tokio::test]
async fn what_the_guide_leaves_out_has_a_default() {
    let cloud = MockServer::start().await;
    assert!(stratus(&cloud).get_ssh_keys().await.unwrap().is_empty());
    assert!(StratusFactory.is_implemented());
    assert_eq!(
        StratusFactory.describe().option("token").map(|token| token.env.clone()),
        Some(vec!["STRATUS_TOKEN".to_string()])
    );
}
