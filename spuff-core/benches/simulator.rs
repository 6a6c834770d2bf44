//! What the simulator can take: reads a second of one core on kept-alive connections, and what a
//! look-up costs with 100 and with 10,000 machines, in one run. The clients here are bare sockets,
//! so that little but the server is measured.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark for a terminal"
)]
#![allow(missing_docs, reason = "not a library")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use spuff_core::provider::InstanceRequest;
use spuff_core::simulator::{Clock, Cloud, Options, PROVIDERS, Timings};

const CONNECTIONS: usize = 8;
/// How many requests are on their way at once on a connection, so that the server never waits for a
/// client.
const AHEAD: usize = 16;

fn start() -> Cloud {
    Options::default()
        .with_clock(Clock::Manual)
        .with_all_timings(Timings::instant())
        .with_kept_requests(0)
        .start()
        .unwrap()
}

/// Makes machines up to a number, and gives the id of one in the middle.
fn fill(cloud: &Cloud, name: &str, from: usize, to: usize) -> String {
    let (region, size) = match name {
        "digitalocean" => ("nyc3", "s-1vcpu-1gb"),
        "hetzner" => ("fsn1", "cx22"),
        _ => ("us-east-1", "t3.micro"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let provider = cloud.provider(name).unwrap();
    let mut ids = Vec::new();
    for number in from..to {
        let request = InstanceRequest::new(format!("m-{number}"), region, size);
        ids.push(runtime.block_on(provider.create_instance(&request)).unwrap().id);
    }
    ids[ids.len() / 2].clone()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer token\r\n\r\n")
}

fn query(form: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: \
         application/x-www-form-urlencoded\r\nauthorization: \
         AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, \
         Signature={}\r\n\
         content-length: {}\r\n\r\n{form}",
        "0".repeat(64),
        form.len()
    )
}

/// A read of one machine by its id, and a look for it by its name.
fn look_ups(name: &str, id: &str, number: usize) -> [(&'static str, String); 2] {
    let form = |filter: &str| format!("Action=DescribeInstances&Version=2016-11-15&{filter}");
    match name {
        "digitalocean" => [
            ("by id", get(&format!("/v2/droplets/{id}"))),
            ("by name", get(&format!("/v2/droplets?name=m-{number}"))),
        ],
        "hetzner" => [
            ("by id", get(&format!("/v1/servers/{id}"))),
            ("by name", get(&format!("/v1/servers?name=m-{number}"))),
        ],
        _ => [
            ("by id", query(&form(&format!("InstanceId.1={id}")))),
            (
                "by filter",
                query(&form(&format!("Filter.1.Name=instance-id&Filter.1.Value.1={id}"))),
            ),
        ],
    }
}

/// Sends a request again and again for a while; how often it was answered.
fn hammer(address: SocketAddr, request: &str, time: Duration) -> usize {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::with_capacity(1 << 16, stream.try_clone().unwrap());
    let many = request.repeat(AHEAD);
    let began = Instant::now();
    let mut answered = 0;
    let mut body = Vec::new();
    while began.elapsed() < time {
        stream.write_all(many.as_bytes()).unwrap();
        for _ in 0..AHEAD {
            let mut line = String::new();
            let mut length = 0;
            reader.read_line(&mut line).unwrap();
            assert!(line.starts_with("HTTP/1.1 200"), "{line}");
            loop {
                line.clear();
                reader.read_line(&mut line).unwrap();
                if line == "\r\n" {
                    break;
                }
                if let Some(value) = line.strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
            }
            body.resize(length, 0);
            reader.read_exact(&mut body).unwrap();
            answered += 1;
        }
    }
    answered
}

/// What the server's thread has used of a core so far, where the system tells.
fn server_time() -> Option<Duration> {
    for task in std::fs::read_dir("/proc/self/task").ok()?.flatten() {
        let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
        let (name, rest) = stat.split_once(") ")?;
        if name.contains("spuff-simulator") {
            let ticks =
                |at: usize| rest.split(' ').nth(at).and_then(|word| word.parse::<u64>().ok());
            return Some(Duration::from_millis((ticks(11)? + ticks(12)?) * 10));
        }
    }
    None
}

/// Reads a second, as the clients see it and of a core of the server's.
fn rate(cloud: &Cloud, request: &str) -> (f64, Option<f64>) {
    let time = Duration::from_secs(2);
    let address = cloud.address();
    let before = server_time();
    let began = Instant::now();
    let answered: usize = thread::scope(|scope| {
        let clients: Vec<_> =
            (0..CONNECTIONS).map(|_| scope.spawn(move || hammer(address, request, time))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    let spent = server_time().zip(before).map(|(now, before)| (now - before).as_secs_f64());
    (answered as f64 / began.elapsed().as_secs_f64(), spent.map(|spent| answered as f64 / spent))
}

fn main() {
    println!(
        "{:14}{:12}{:>10}{:>16}{:>22}",
        "cloud", "look-up", "machines", "reads a second", "a second of one core"
    );
    for name in PROVIDERS {
        let cloud = start();
        let mut first = [0.0; 2];
        let mut made = 0;
        for machines in [100, 1000, 10_000] {
            let id = fill(&cloud, name, made, machines);
            let middle = made + (machines - made) / 2;
            made = machines;
            for (at, (what, request)) in look_ups(name, &id, middle).into_iter().enumerate() {
                let (seen, of_core) = rate(&cloud, &request);
                let core = of_core.unwrap_or(seen);
                if first[at] == 0.0 {
                    first[at] = core;
                }
                println!(
                    "{name:14}{what:12}{machines:>10}{seen:>16.0}{core:>22.0}   x{:.2} of 100",
                    core / first[at]
                );
            }
        }
    }
}
