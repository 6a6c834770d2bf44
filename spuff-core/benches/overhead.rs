//! What spuff adds to a request: each verb beside the same request made with bare `reqwest` and
//! `serde`, in turns, in one run, against a server on this machine. Prints the ratio of the median
//! times and of the allocations.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark for a terminal"
)]
#![allow(missing_docs, reason = "not a library")]

#[path = "../tests/support/alloc.rs"]
mod alloc;
#[path = "../tests/support/steady.rs"]
mod steady;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde::Deserialize;
use spuff_core::blocking;
use spuff_core::provider::{ProviderConfig, ProviderRegistry};
use steady::Steady;
use tokio::runtime::{Builder, Runtime};

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

const TOKEN: &str = "benchmark-token";

/// What a caller with bare `reqwest` would write for the same answer.
#[derive(Deserialize)]
struct Server {
    id: u64,
    name: String,
    status: String,
    created: chrono::DateTime<chrono::Utc>,
    public_net: PublicNet,
    server_type: Named,
    location: Named,
    labels: HashMap<String, String>,
}

#[derive(Deserialize)]
struct PublicNet {
    ipv4: Option<Ip>,
    ipv6: Option<Net>,
}

#[derive(Deserialize)]
struct Ip {
    ip: IpAddr,
}

#[derive(Deserialize)]
struct Net {
    ip: String,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct One {
    server: Server,
}

#[derive(Deserialize)]
struct Many {
    servers: Vec<Server>,
}

impl Server {
    fn weight(&self) -> usize {
        let net = &self.public_net;
        let addresses = net.ipv4.as_ref().map_or(0, |v4| usize::from(v4.ip.is_ipv4()))
            + net.ipv6.as_ref().map_or(0, |v6| v6.ip.len());
        let words = self.name.len()
            + self.status.len()
            + self.server_type.name.len()
            + self.location.name.len()
            + self.labels.len();
        addresses + words + usize::from(self.id > 0) + usize::from(self.created.timestamp() > 0)
    }
}

async fn bare<T: for<'de> Deserialize<'de>>(client: &reqwest::Client, url: &str) -> T {
    let request = client.get(url).bearer_auth(TOKEN).timeout(Duration::from_secs(30));
    let body = request.send().await.unwrap().error_for_status().unwrap().bytes().await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// One side of a comparison: a name and what it does once.
type Side<'a> = (&'a str, Box<dyn FnMut() -> usize + 'a>);

/// Runs both sides in turns and prints their medians and ratios.
fn compare(what: &str, times: usize, left: Side<'_>, right: Side<'_>) {
    const ROUNDS: usize = 41;
    let mut sides = [left, right];
    let mut spent = [Vec::new(), Vec::new()];
    let mut asked = [0, 0];
    for round in 0..=ROUNDS {
        for (at, side) in sides.iter_mut().enumerate() {
            let calls = alloc::calls();
            let began = Instant::now();
            let weight: usize = (0..times).map(|_| (side.1)()).sum();
            let elapsed = began.elapsed();
            let calls = alloc::calls() - calls;
            assert!(weight > 0);
            // The first round warms connections and caches.
            if round > 0 {
                spent[at].push(elapsed.as_secs_f64() * 1e6 / times as f64);
                asked[at] += calls;
            }
        }
    }
    let mut ratios: Vec<f64> =
        spent[0].iter().zip(&spent[1]).map(|(left, right)| left / right).collect();
    let median = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let allocations = asked.map(|calls| calls as f64 / (ROUNDS * times) as f64);
    let [left_time, right_time] = &mut spent;
    println!(
        "{what:22} {:>15} {:8.1} us {:7.1} allocations | {:>13} {:8.1} us {:7.1} allocations | \
         time x{:.2}  allocations x{:.2}",
        sides[0].0,
        median(left_time),
        allocations[0],
        sides[1].0,
        median(right_time),
        allocations[1],
        median(&mut ratios),
        allocations[0] / allocations[1],
    );
}

fn main() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let one = Steady::start(&format!(r#"{{"server": {}}}"#, Steady::hetzner_server(42, "running")));
    let servers: Vec<_> = (1..=50).map(|id| Steady::hetzner_server(id, "running")).collect();
    let many = Steady::start(&format!(
        r#"{{"servers": [{}], "meta": {{"pagination": {{"page": 1, "per_page": 50, "next_page": null, "last_page": 1, "total_entries": 50}}}}}}"#,
        servers.join(",")
    ));
    // More than the real cloud would take.
    let config = |server: &Steady| {
        ProviderConfig::new(TOKEN).with_endpoint(&server.url).with_option("pace", "inf")
    };
    let connect = |server: &Steady| {
        ProviderRegistry::with_defaults().connect("hetzner", config(server)).unwrap()
    };
    let client = reqwest::Client::builder().no_proxy().build().unwrap();

    let ours = runtime();
    let theirs = runtime();
    let provider = connect(&one);
    let url = format!("{}/servers/42", one.url);
    compare(
        "get_instance",
        400,
        (
            "spuff",
            Box::new(|| ours.block_on(provider.get_instance("42")).unwrap().unwrap().name.len()),
        ),
        ("bare reqwest", Box::new(|| theirs.block_on(bare::<One>(&client, &url)).server.weight())),
    );

    let provider = connect(&many);
    let url =
        format!("{}/servers?label_selector=managed-by%3D%3Dspuff&per_page=50&page=1", many.url);
    compare(
        "list_instances, a page",
        40,
        ("spuff", Box::new(|| ours.block_on(provider.list_instances()).unwrap().len())),
        (
            "bare reqwest",
            Box::new(|| {
                theirs
                    .block_on(bare::<Many>(&client, &url))
                    .servers
                    .iter()
                    .map(Server::weight)
                    .sum()
            }),
        ),
    );

    let provider = connect(&one);
    let boxed = connect(&one);
    let blocking = blocking::Provider::from(boxed);
    compare(
        "get_instance",
        400,
        ("spuff blocking", Box::new(|| blocking.get_instance("42").unwrap().unwrap().name.len())),
        (
            "spuff async",
            Box::new(|| ours.block_on(provider.get_instance("42")).unwrap().unwrap().name.len()),
        ),
    );
}
