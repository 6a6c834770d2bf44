//! The clouds in a box: DigitalOcean, Hetzner Cloud and EC2 on the loopback interface, with faults.
//!
//! [`Cloud::start`] serves the three APIs over real HTTP from the caller's own process, so that
//! code which starts machines can be tried and tested without an account and without paying: this
//! crate's providers, and any other client that can be pointed at another address. What a cloud
//! does wrong can be asked for ([`Cloud::inject`]), and what truly exists can be looked up
//! afterwards ([`Cloud::assert_no_leaks`]).
//!
//! Above everything but the tests: it stands on the contract only to hand out providers that are
//! wired to it.
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
//! cloud.inject(Fault::ServerError { status: 503, committed: false }.once("hetzner", Route::GetInstance));
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
//! What a client of machines, snapshots, SSH keys and catalogues can tell from the outside: paths,
//! replies, errors, headers, paging, name and label rules, states and their durations, actions,
//! locks, lags, idempotency, quotas, limits and prices. There is nothing behind the addresses: they
//! are of ranges kept for documentation and benchmarks, and no SSH answers there.
//!
//! # From other programs
//! `cargo run -p spuff-core --example simulator --features simulator -- --port 8000` starts it
//! alone and prints the environment variables that point the clouds' own tools at it. Faults, the
//! clock and the truth are under `/simulator`:
//!
//! | request | does |
//! | --- | --- |
//! | `GET /simulator/requests` | the last requests, and how many there were of each kind |
//! | `GET /simulator/resources` | machines and snapshots that exist |
//! | `GET /simulator/leaks` | what exists, costs money and has not been told to end |
//! | `GET /simulator/bill` | what everything has cost |
//! | `GET /simulator/faults` | the fault rules, and how often each has struck |
//! | `POST /simulator/faults` | adds a rule, such as `{"fault": "reply_lost", "provider": "hetzner", "times": 1}` |
//! | `DELETE /simulator/faults` | ends all rules |
//! | `GET /simulator/clock` | the cloud's time |
//! | `POST /simulator/clock` | moves it: `{"advance_seconds": 60}` |
//!
//! These are for programs of this computer, which name it `localhost` or by its address; a page of
//! the web is refused. Every user of the computer can read them, and with them the bodies of
//! requests: it is no place for real secrets. Docker is not simulated: its engine is there to be
//! used.

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
mod options;
mod room;
mod route;
mod server;
mod truth;
mod world;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use chrono::{DateTime, Utc};

pub use clock::Clock;
pub use fault::{Fault, FaultCount, FaultId, FaultRule};
pub use options::{Options, Timings};
pub use route::Route;
pub use truth::{Bill, BillLine, Kind, Request, Resource};

#[cfg(feature = "simulation")]
pub(crate) use inside::{Answered, Inside, Served, Within, account_of, name_of};

use crate::provider::{
    Provider, ProviderConfig, ProviderError, ProviderRegistry, ProviderResult, ProviderTimeouts,
    ProviderType,
};
use engine::Engine;
use server::Server;

/// The clouds that are simulated.
pub const PROVIDERS: [&str; 3] = ["digitalocean", "hetzner", "aws"];

/// The name of a cloud that is simulated, from its name or alias.
///
/// # Errors
/// [`UnknownProvider`](ProviderError::UnknownProvider) with those that are.
pub fn simulated(name: &str) -> ProviderResult<&'static str> {
    let known = name.parse::<ProviderType>().ok().map(|known| known.as_str());
    known.filter(|known| PROVIDERS.contains(known)).ok_or_else(|| {
        let supported = PROVIDERS.map(str::to_string).to_vec();
        ProviderError::UnknownProvider { name: name.to_string(), supported }
    })
}

/// A token that a simulated cloud takes, if no other was asked for.
const TOKEN: &str = "simulated";
/// After how many seconds of its own time a cloud's lists show what is new, to be sure.
const SETTLING: f64 = 30.0;
/// Real seconds in which a program on a busy computer has looked a few times, however fast the
/// cloud's time goes.
const LEAST_SETTLING: f64 = 0.5;
/// A region that is on AWS's map.
const AWS_REGION: &str = "us-east-1";

/// Three clouds on the loopback interface. They end when this is dropped.
///
/// Every method may be called from any thread.
pub struct Cloud {
    engine: Arc<Mutex<Engine>>,
    token: String,
    /// After how many real seconds the clouds' lists show what is new, to be sure.
    settling: String,
    /// How many times as fast as real the clouds' limits are.
    pace: String,
    /// Between two looks of a program that waits; real.
    poll_interval: Duration,
    server: Server,
}

impl Cloud {
    /// Starts with the default [`Options`]: real time, a free port, no faults.
    ///
    /// # Errors
    /// When no socket or thread can be had.
    pub fn start() -> io::Result<Self> {
        Options::default().start()
    }

    fn with_options(options: &Options) -> io::Result<Self> {
        let engine = Arc::new(Mutex::new(Engine::new(options)));
        let server = Server::start(options.port, engine.clone())?;
        let token = options.tokens.first().cloned().unwrap_or_else(|| TOKEN.to_string());
        let speed = options.clock.factor().max(1.0);
        let (settling, pace) = (
            (SETTLING / speed).max(LEAST_SETTLING),
            if options.rate_limits { speed } else { f64::INFINITY },
        );
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

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// A provider that is wired to it.
    ///
    /// # Errors
    /// [`UnknownProvider`](crate::ProviderError::UnknownProvider) for a cloud that is not
    /// simulated, or whose feature is off.
    pub fn provider(&self, name: &str) -> ProviderResult<Arc<dyn Provider>> {
        ProviderRegistry::with_defaults()
            .connect(simulated(name)?, self.config(name))
            .map(Arc::from)
    }

    /// The configuration that wires a provider to it; timeouts, and whatever else, can be added.
    /// `poll_interval` is as much shorter as its time goes faster.
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

    /// The environment variables that point the clouds' own tools, and
    /// [`ProviderRegistry::from_env`], at it.
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

    /// The cloud's time.
    pub fn now(&self) -> DateTime<Utc> {
        self.engine().time.now()
    }

    /// The way to it without a socket.
    #[cfg(feature = "simulation")]
    pub(crate) fn within(&self) -> Within {
        Within::new(self.engine.clone())
    }

    /// Moves the cloud's time on, whichever [`Clock`] it has.
    pub fn advance(&self, by: Duration) {
        self.engine().time.advance(by);
    }

    /// Lets something go wrong from now on. See [`Fault`].
    pub fn inject(&self, rule: impl Into<FaultRule>) -> FaultId {
        self.engine().faults.add(rule.into())
    }

    /// How many requests a rule has struck.
    pub fn hits(&self, fault: FaultId) -> u64 {
        self.engine().faults.hits(fault)
    }

    /// Every rule that was given, and how often it has struck.
    pub fn faults(&self) -> Vec<FaultCount> {
        self.engine().faults.counts()
    }

    /// Lets nothing go wrong any more. What the rules have struck stays counted.
    pub fn clear_faults(&self) {
        self.engine().faults.clear();
    }

    /// The last requests, oldest first: as many as [`Options::with_kept_requests`] says.
    pub fn requests(&self) -> Vec<Request> {
        self.engine().requests().cloned().collect()
    }

    /// How many requests a cloud was sent.
    pub fn request_count(&self, provider: &str) -> u64 {
        let engine = self.engine();
        engine
            .counts()
            .iter()
            .filter(|((name, _), _)| *name == provider)
            .map(|(_, count)| count)
            .sum()
    }

    /// How many requests of one kind a cloud was sent.
    pub fn route_count(&self, provider: &str, route: Route) -> u64 {
        let engine = self.engine();
        engine
            .counts()
            .iter()
            .filter(|((name, of), _)| *name == provider && *of == route)
            .map(|(_, count)| count)
            .sum()
    }

    /// How many connections its clients hold. What a client had on the way when it ended has
    /// arrived, or never will, once its connections are gone.
    pub fn open_connections(&self) -> usize {
        self.server.open()
    }

    /// The machines that exist, whether or not a client can see them.
    pub fn instances(&self) -> Vec<Resource> {
        self.engine().instances()
    }

    /// The snapshots that exist, whether or not a client can see them.
    pub fn snapshots(&self) -> Vec<Resource> {
        self.engine().snapshots()
    }

    /// What exists, costs money, and has not been told to end.
    pub fn leaks(&self) -> Vec<Resource> {
        self.engine().leaks()
    }

    /// Says that nothing is left that costs money.
    ///
    /// # Panics
    /// When something is, with all of it.
    #[track_caller]
    pub fn assert_no_leaks(&self) {
        let leaks: Vec<String> = self.leaks().iter().map(ToString::to_string).collect();
        assert!(leaks.is_empty(), "left behind, and still costing money:\n{}", leaks.join("\n"));
    }

    /// What everything has cost so far.
    pub fn bill(&self) -> Bill {
        self.engine().bill()
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Options {
    /// Starts the clouds.
    ///
    /// # Errors
    /// When the port is taken, or no socket or thread can be had.
    pub fn start(&self) -> io::Result<Cloud> {
        Cloud::with_options(self)
    }
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cloud").field("address", &self.address()).finish_non_exhaustive()
    }
}
