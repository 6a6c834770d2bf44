//! What ten thousand pending `wait_ready` cost: memory, and the time of a look at all of them.
#![cfg(feature = "hetzner")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that panics has failed"
)]

#[path = "support/alloc.rs"]
mod alloc;
#[path = "support/steady.rs"]
mod steady;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use spuff_core::provider::{Provider, ProviderConfig, ProviderRegistry, ProviderTimeouts};

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

const WAITERS: usize = 10_000;
const PER_PAGE: usize = 50;
const PAGES: usize = WAITERS / PER_PAGE;
/// Each waits in a task of its own, which is counted too.
const LIMIT: i64 = 4 * 1024;
/// How many looks at all are measured.
const LOOKS: usize = 5;

/// A project with that many servers that never become ready. What it answers is made before anybody
/// asks.
struct Project {
    url: String,
    answered: Arc<AtomicUsize>,
}

impl Project {
    fn start() -> Self {
        let replies: Vec<String> = (1..=PAGES).map(page).collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answered = Arc::<AtomicUsize>::default();
        let count = answered.clone();
        let replies: &'static [String] = replies.leak();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let count = count.clone();
                std::thread::spawn(move || answer(stream, replies, &count));
            }
        });
        Self { url, answered }
    }
}

fn page(page: usize) -> String {
    let servers: Vec<_> = (1..=PER_PAGE)
        .map(|at| {
            steady::Steady::hetzner_server(((page - 1) * PER_PAGE + at) as u64, "initializing")
        })
        .collect();
    let next = if page < PAGES { (page + 1).to_string() } else { "null".to_string() };
    let body = format!(
        r#"{{"servers": [{}], "meta": {{"pagination": {{"next_page": {next}}}}}}}"#,
        servers.join(",")
    );
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn answer(mut stream: TcpStream, replies: &[String], count: &AtomicUsize) {
    let mut buffer = [0; 4096];
    let mut filled = 0;
    while let Ok(read @ 1..) = stream.read(&mut buffer[filled..]) {
        filled += read;
        if !buffer[..filled].ends_with(b"\r\n\r\n") {
            continue;
        }
        let line = std::str::from_utf8(&buffer[..filled]).unwrap().lines().next().unwrap();
        let number = line
            .split(['?', '&', ' '])
            .find_map(|pair| pair.strip_prefix("page=")?.parse::<usize>().ok());
        filled = 0;
        count.fetch_add(1, SeqCst);
        if stream.write_all(replies[number.unwrap_or(1) - 1].as_bytes()).is_err() {
            return;
        }
    }
}

/// The time that this thread has been on a processor.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn ten_thousand_waiters_are_small() {
    let project = Project::start();
    let timeouts = ProviderTimeouts {
        instance_ready: Duration::from_secs(3600),
        poll_interval: Duration::from_secs(2),
        ..ProviderTimeouts::default()
    };
    let config = ProviderConfig::new("token")
        .with_endpoint(&project.url)
        .with_timeouts(timeouts)
        .with_option("pace", "inf");
    let provider: Arc<dyn Provider> =
        ProviderRegistry::with_defaults().connect("hetzner", config).unwrap().into();
    provider.list_instances().await.unwrap();

    let before = alloc::live();
    let answered = project.answered.load(SeqCst);
    let wait = |id: usize| {
        let provider = Arc::clone(&provider);
        tokio::spawn(async move { provider.wait_ready(&id.to_string()).await })
    };
    let waiting: Vec<_> = (1..=WAITERS).map(wait).collect();
    let mut most = 0;
    let mut least = i64::MAX;
    let mut began = 0;
    let mut spent = Duration::ZERO;
    while project.answered.load(SeqCst) < answered + (LOOKS + 1) * PAGES {
        if began == 0 && project.answered.load(SeqCst) >= answered + PAGES {
            (began, spent) = (project.answered.load(SeqCst), processor_time());
        }
        most = most.max(alloc::live() - before);
        least = least.min(if began > 0 { alloc::live() - before } else { i64::MAX });
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let looks = (project.answered.load(SeqCst) - began) as f64 / PAGES as f64;
    let each = (processor_time() - spent).div_f64(looks);
    println!(
        "{WAITERS} pending wait_ready: {} bytes each, at most {:.1} MB with a look at all, which \
         takes {:.0} ms of processor time \
         and {PAGES} requests",
        least / WAITERS as i64,
        most as f64 / 1e6,
        each.as_secs_f64() * 1e3,
    );
    assert!(waiting.iter().all(|task| !task.is_finished()), "every waiter is still waiting");
    assert!(most / (WAITERS as i64) < LIMIT, "{} bytes each", most / WAITERS as i64);
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}
