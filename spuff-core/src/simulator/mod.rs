//! Local simulator of the DigitalOcean, Hetzner Cloud and EC2 APIs, with fault injection.
//!
//! [`Cloud::start`] serves the three APIs over real HTTP on the loopback interface, from the
//! caller's own process. Code that creates instances can be tested against it without an account
//! and at no cost: this crate's providers, and any other client with a configurable endpoint.
//! [`Cloud::inject`] injects faults; [`Cloud::assert_no_leaks`] checks afterwards that nothing is
//! left behind.
//!
//! The module depends on the provider contract only to build providers that are connected to it.
//!
//! ```
//! use spuff_core::provider::InstanceRequest;
//! use spuff_core::simulator::{Clock, Fault, Options, Route};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cloud = Options::default().with_clock(Clock::Fast(600.0)).start()?;
//! let provider = cloud.provider("hetzner")?;
//! let machine = provider.create_instance(&InstanceRequest::new("web-1", "fsn1", "cx22")).await?;
//!
//! let fault = Fault::ServerError { status: 503, committed: false };
//! cloud.inject(fault.once("hetzner", Route::GetInstance));
//! let machine = provider.wait_ready(&machine.id).await?;
//! println!("{} is at {}, which leads nowhere", machine.name, machine.ip);
//!
//! provider.destroy_instance(&machine.id).await?;
//! cloud.assert_no_leaks();
//! # Ok(())
//! # }
//! ```
//!
//! # What is simulated
//! Everything that a client of instances, snapshots, SSH keys and catalogues can observe: paths,
//! replies, errors, headers, paging, name and label rules, states and their durations, actions,
//! locks, lags, idempotency, quotas, rate limits and prices. The addresses come from ranges
//! reserved for documentation and benchmarks; no SSH server answers there.
//!
//! # From other programs
//! `cargo run -p spuff-examples --example simulator -- --port 8000` runs it as a
//! separate process and prints the environment variables that point the clouds' own tools at it.
//! Faults, the clock and the simulator's state are under `/simulator`:
//!
//! | request | does |
//! | --- | --- |
//! | `GET /simulator/requests` | the last requests, and the number of requests of each kind |
//! | `GET /simulator/resources` | existing instances and snapshots |
//! | `GET /simulator/leaks` | billable resources that exist and are not being deleted |
//! | `GET /simulator/bill` | the cost of all resources so far |
//! | `GET /simulator/faults` | the fault rules, with their hit counts |
//! | `POST /simulator/faults` | adds a rule, such as `{"fault": "reply_lost", "provider": "hetzner", "times": 1}` |
//! | `DELETE /simulator/faults` | clears all rules |
//! | `GET /simulator/clock` | the cloud's time |
//! | `POST /simulator/clock` | advances it: `{"advance_seconds": 60}` |
//!
//! Only local programs may call these, with `localhost` or a loopback address as the host; requests
//! of web pages are refused. Every user of the computer can read them, including the bodies of
//! requests: do not send real secrets. Docker is not simulated; use a real Docker engine.

mod account;
mod backend;
mod clock;
mod control;
mod digitalocean;
mod ec2;
mod engine;
mod fault;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod hetzner;
#[cfg(feature = "simulation")]
mod inside;
mod inspect;
mod options;
mod route;
mod server;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use chrono::{DateTime, Utc};

pub use clock::Clock;
pub use fault::{Fault, FaultCount, FaultId, FaultRule};
pub use inspect::{Bill, BillLine, Kind, Request, Resource};
pub use options::{Options, Timings};
pub use route::Route;

#[cfg(feature = "simulation")]
pub(crate) use inside::{Answered, Inside, Served, Within, account_of, name_of};

use crate::provider::{
    Provider, ProviderConfig, ProviderError, ProviderRegistry, ProviderResult, ProviderTimeouts,
    ProviderType,
};
use engine::Engine;
use server::Server;

/// The simulated clouds.
pub const PROVIDERS: [&str; 3] = ["digitalocean", "hetzner", "aws"];

/// Resolves a provider name or alias to the name of a simulated cloud.
///
/// # Errors
/// [`UnknownProvider`](ProviderError::UnknownProvider), which lists the simulated clouds.
pub fn simulated(name: &str) -> ProviderResult<&'static str> {
    let known = name.parse::<ProviderType>().ok().map(|known| known.as_str());
    known.filter(|known| PROVIDERS.contains(known)).ok_or_else(|| {
        let supported = PROVIDERS.map(str::to_string).to_vec();
        ProviderError::UnknownProvider { name: name.to_string(), supported }
    })
}

/// The default token of clients, if [`Options::with_token`] set none.
const TOKEN: &str = "simulated";
/// Upper bound of the lists' lag, in seconds of the cloud's time.
const SETTLING: f64 = 30.0;
/// Real seconds, whatever the clock's speed: enough for a few polls on a busy computer.
const LEAST_SETTLING: f64 = 0.5;
/// An existing AWS region.
const AWS_REGION: &str = "us-east-1";

/// Three simulated clouds on the loopback interface. Dropping it stops the server.
///
/// All methods may be called from any thread.
pub struct Cloud {
    engine: Arc<Mutex<Engine>>,
    token: String,
    /// Upper bound of the lists' lag, in real seconds.
    settling: String,
    /// Speed of the clouds' rate limits relative to the real ones; infinite if they are disabled.
    pace: String,
    /// Poll interval of clients; real time.
    poll_interval: Duration,
    server: Server,
}

impl Cloud {
    /// Starts with the default [`Options`]: real time, a free port, no faults.
    ///
    /// # Errors
    /// Fails if no socket or thread can be created.
    pub fn start() -> io::Result<Self> {
        Options::default().start()
    }

    fn with_options(options: &Options) -> io::Result<Self> {
        let engine = Arc::new(Mutex::new(Engine::new(options)));
        let server = Server::start(options.port, engine.clone())?;
        let token = options.tokens.first().cloned().unwrap_or_else(|| TOKEN.to_string());
        let speed = options.clock.factor().max(1.0);
        let settling = (SETTLING / speed).max(LEAST_SETTLING);
        let pace = if options.rate_limits { speed } else { f64::INFINITY };
        let poll_interval = ProviderTimeouts::default()
            .poll_interval
            .div_f64(speed)
            .max(ProviderTimeouts::MIN_POLL_INTERVAL);
        Ok(Self {
            engine,
            token,
            settling: settling.to_string(),
            pace: pace.to_string(),
            poll_interval,
            server,
        })
    }

    /// The address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Returns a provider that is connected to the simulator.
    ///
    /// # Errors
    /// [`UnknownProvider`](crate::ProviderError::UnknownProvider) if the cloud is not simulated or
    /// its feature is disabled.
    pub fn provider(&self, name: &str) -> ProviderResult<Arc<dyn Provider>> {
        ProviderRegistry::with_defaults()
            .connect(simulated(name)?, self.config(name))
            .map(Arc::from)
    }

    /// Returns the configuration that connects a provider to the simulator; the caller may add
    /// timeouts and other options. `poll_interval` is divided by the clock's speed.
    pub fn config(&self, name: &str) -> ProviderConfig {
        let root = format!("http://{}", self.address());
        let config = match name {
            "aws" | "ec2" => ProviderConfig::new(format!("{}:{TOKEN}", self.token))
                .with_endpoint(&root)
                .with_region(AWS_REGION)
                .with_option("ssm_endpoint", root),
            "hetzner" | "hcloud" => {
                ProviderConfig::new(&self.token).with_endpoint(format!("{root}/v1"))
            }
            _ => ProviderConfig::new(&self.token).with_endpoint(root),
        };
        let timeouts =
            ProviderTimeouts { poll_interval: self.poll_interval, ..ProviderTimeouts::default() };
        config
            .with_timeouts(timeouts)
            .with_option("settling", &self.settling)
            .with_option("pace", &self.pace)
    }

    /// Returns the environment variables that point the clouds' own tools, and
    /// [`ProviderRegistry::from_env`], at the simulator.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let root = format!("http://{}", self.address());
        vec![
            ("DIGITALOCEAN_TOKEN", self.token.clone()),
            ("DIGITALOCEAN_API_URL", root.clone()),
            ("HCLOUD_TOKEN", self.token.clone()),
            ("HCLOUD_ENDPOINT", format!("{root}/v1")),
            ("AWS_ACCESS_KEY_ID", self.token.clone()),
            ("AWS_SECRET_ACCESS_KEY", TOKEN.to_string()),
            ("AWS_REGION", AWS_REGION.to_string()),
            ("AWS_DEFAULT_REGION", AWS_REGION.to_string()),
            ("AWS_ENDPOINT_URL", root),
            ("SPUFF_SETTLING", self.settling.clone()),
            ("SPUFF_PACE", self.pace.clone()),
        ]
    }

    /// Returns the cloud's time.
    pub fn now(&self) -> DateTime<Utc> {
        self.engine().time.now()
    }

    /// Access without a socket.
    #[cfg(feature = "simulation")]
    pub(crate) fn within(&self) -> Within {
        Within::new(self.engine.clone())
    }

    /// Advances the cloud's time, with any [`Clock`].
    pub fn advance(&self, by: Duration) {
        self.engine().time.advance(by);
    }

    /// Adds a fault rule, which applies from now on. See [`Fault`].
    pub fn inject(&self, rule: impl Into<FaultRule>) -> FaultId {
        self.engine().faults.add(rule.into())
    }

    /// Returns how many requests a rule has hit.
    pub fn hits(&self, fault: FaultId) -> u64 {
        self.engine().faults.hits(fault)
    }

    /// Returns all rules, cleared ones included, with their hit counts.
    pub fn faults(&self) -> Vec<FaultCount> {
        self.engine().faults.counts()
    }

    /// Clears all fault rules. Their hit counts remain.
    pub fn clear_faults(&self) {
        self.engine().faults.clear();
    }

    /// Returns the last requests, oldest first: at most [`Options::with_kept_requests`].
    pub fn requests(&self) -> Vec<Request> {
        self.engine().requests().cloned().collect()
    }

    /// Returns how many requests a cloud has received.
    pub fn request_count(&self, provider: &str) -> u64 {
        let engine = self.engine();
        engine
            .counts()
            .iter()
            .filter(|((name, _), _)| *name == provider)
            .map(|(_, count)| count)
            .sum()
    }

    /// Returns how many requests of one kind a cloud has received.
    pub fn route_count(&self, provider: &str, route: Route) -> u64 {
        let engine = self.engine();
        engine
            .counts()
            .iter()
            .filter(|((name, of), _)| *name == provider && *of == route)
            .map(|(_, count)| count)
            .sum()
    }

    /// Returns the number of open client connections. Once a client's connections are closed, each
    /// of its requests in flight has either arrived or never will.
    pub fn open_connections(&self) -> usize {
        self.server.open()
    }

    /// Returns the existing instances, whether or not a client can see them.
    pub fn instances(&self) -> Vec<Resource> {
        self.engine().instances()
    }

    /// Returns the existing snapshots, whether or not a client can see them.
    pub fn snapshots(&self) -> Vec<Resource> {
        self.engine().snapshots()
    }

    /// Returns the billable resources that exist and are not being deleted.
    pub fn leaks(&self) -> Vec<Resource> {
        self.engine().leaks()
    }

    /// Asserts that there are no [`leaks`](Self::leaks).
    ///
    /// # Panics
    /// Panics if there are leaks, and lists them.
    #[track_caller]
    pub fn assert_no_leaks(&self) {
        let leaks: Vec<String> = self.leaks().iter().map(ToString::to_string).collect();
        assert!(leaks.is_empty(), "left behind, and still costing money:\n{}", leaks.join("\n"));
    }

    /// Returns the cost of all resources so far.
    pub fn bill(&self) -> Bill {
        self.engine().bill()
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Options {
    /// Starts the simulated clouds.
    ///
    /// # Errors
    /// Fails if the port is taken, or no socket or thread can be created.
    pub fn start(&self) -> io::Result<Cloud> {
        Cloud::with_options(self)
    }
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cloud").field("address", &self.address()).finish_non_exhaustive()
    }
}
