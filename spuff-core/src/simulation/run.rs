//! A run: programs, clouds and the network between them, in one thread and in simulated time.

mod end;
mod net;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use futures_util::FutureExt;
use http::request::Parts;
use tokio::time::Instant;

use super::coverage::Coverage;
use super::judge::{Call, Judge};
use super::log::{Log, SECRET};
use super::plan::{Begin, Outage, Plan, REGIONS, Step, fault_name, is_apt};
use super::program::{Left, Running, Task};
use super::told::{Told, unknown};
use super::verb::Verb;
use super::way::Way;
use crate::clock;
use crate::clock::calendar::Simulated;
use crate::http::carried::Carried;
use crate::per_process::Program;
use crate::provider::error::ProviderError;
use crate::random::seeded::Seeded;
use crate::simulator::{Answered, Inside, Kind, Options, PROVIDERS, Timings, account_of};
use net::Net;

/// Start time of every run.
const BEGINNING: DateTime<Utc> = DateTime::from_timestamp_nanos(1_900_000_000_000_000_000);
/// Limit on concurrent operations.
const AT_ONCE: usize = 10;
/// Longest time that a snapshot takes, without jitter.
const SNAPSHOT: Duration = Duration::from_secs(2000);
/// The callers' idempotency keys. EC2's filters read some as patterns.
const KEYS: [&str; 3] = ["order-1", "order-?", r"order\1"];

/// The result of a run.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Operations begun, faults that took effect, and kills.
    pub steps: u64,
    /// Differences between replies and the true state.
    pub findings: Vec<String>,
    /// The log, if it was requested.
    pub log: Vec<String>,
    /// Which operations met which faults.
    pub coverage: Coverage,
}

/// A run in progress.
pub(super) struct Run {
    plan: Plan,
    clouds: Inside,
    log: Log,
    token: String,
    state: Mutex<State>,
}

struct State {
    rng: Rng,
    judge: Judge,
    coverage: Coverage,
    steps: u64,
    /// Network outages of each program, by its port.
    alive: BTreeMap<u64, VecDeque<(Outage, u32)>>,
    running: Vec<Running>,
    /// Records of the programs.
    machines: Vec<(&'static str, String)>,
    snapshots: Vec<(&'static str, String)>,
    unknown: Vec<(&'static str, Kind, String)>,
    /// The keys of creates that never finish.
    stuck: BTreeSet<String>,
    under_way: usize,
}

/// Plays a run.
pub fn play(plan: &Plan, keeps_log: bool) -> Report {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return Report { findings: vec![format!("no runtime: {error}")], ..Report::default() };
        }
    };
    let report = runtime.block_on(async {
        let calendar = Simulated::begin(BEGINNING);
        let _seeded = Seeded::begin(plan.seed);
        let log = Log::begin(keeps_log);
        let listener = log.listener();
        let played = AssertUnwindSafe(Run::play(plan, log.clone(), &calendar)).catch_unwind();
        let played = if keeps_log {
            let _default = tracing::subscriber::set_default(listener);
            played.await
        } else {
            played.await
        };
        played.unwrap_or_else(|panic| {
            let findings = vec![format!("a panic: {}", ProviderError::from_panic(&*panic))];
            Report { findings, log: log.lines(), ..Report::default() }
        })
    });
    drop(runtime);
    report
}

impl Run {
    async fn play(plan: &Plan, log: Log, calendar: &Simulated) -> Report {
        static RUNS: AtomicU64 = AtomicU64::new(0);
        let mut options =
            Options::default().with_seed(plan.seed).with_rate_limits(plan.limits.rates);
        options = options.with_quota(plan.limits.quota);
        let mut rng = Rng::with_seed(plan.seed ^ 0x9e37);
        for cloud in PROVIDERS {
            let mut timings = Timings::usual(cloud);
            timings.list_lag = Duration::from_secs(rng.u64(..15));
            timings.read_lag =
                Duration::from_secs(if cloud == "hetzner" { 0 } else { rng.u64(..3) });
            if rng.u8(..4) == 0 {
                timings.boot = Duration::from_secs(rng.u64(1..400));
            }
            if rng.u8(..4) == 0 {
                timings.snapshot = SNAPSHOT.mul_f64(rng.f64());
            }
            options = options.with_timings(cloud, timings);
        }
        let token = format!("{SECRET}-{}", RUNS.fetch_add(1, Ordering::Relaxed));
        let state = State {
            rng,
            judge: Judge::default(),
            coverage: Coverage::default(),
            steps: 0,
            alive: BTreeMap::new(),
            running: Vec::new(),
            machines: Vec::new(),
            snapshots: Vec::new(),
            unknown: Vec::new(),
            stuck: BTreeSet::new(),
            under_way: 0,
        };
        let clouds = Inside::start(&options, plan.accounts, plan.page, &REGIONS);
        let run =
            Arc::new(Self { plan: plan.clone(), clouds, log, token, state: Mutex::new(state) });
        let _carried = Carried::begin(Arc::new(Net(Arc::downgrade(&run))));
        for slot in 0..plan.programs {
            run.start(slot);
        }
        for step in &plan.steps {
            run.step(step, calendar).await;
        }
        run.end().await;
        let mut state = run.state();
        let mut findings = std::mem::take(&mut state.judge.findings);
        let secret = run.log.lines().into_iter().find(|line| line.contains(SECRET));
        findings.extend(secret.map(|line| format!("a secret is in the log: {line}")));
        Report {
            steps: state.steps,
            findings,
            log: run.log.lines(),
            coverage: std::mem::take(&mut state.coverage),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the program of a slot, also after a kill.
    fn start(&self, slot: usize) {
        let number = 1024 + self.state().alive.len() as u64;
        let started = Running::start(number, format!("team-{slot}"), &self.token, &self.plan);
        let mut state = self.state();
        state.alive.insert(number, VecDeque::new());
        match started {
            Ok(running) if slot < state.running.len() => state.running[slot] = running,
            Ok(running) => state.running.push(running),
            Err(error) => state.judge.findings.push(format!("a program cannot start: {error}")),
        }
        drop(state);
        self.log.line(|| format!("p{number} starts in the place {slot}"));
    }

    async fn step(self: &Arc<Self>, step: &Step, calendar: &Simulated) {
        match step {
            Step::Begin(begin) => {
                while self.state().under_way >= AT_ONCE {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                self.begin(begin);
                tokio::task::yield_now().await;
            }
            Step::Fault(rule) => {
                self.log.line(|| format!("fault {rule:?}"));
                self.clouds.inject(rule.clone());
            }
            Step::Clear => {
                self.log.line(|| "no more faults".to_string());
                self.clouds.clear_faults();
                self.state().alive.values_mut().for_each(VecDeque::clear);
            }
            Step::Network(slot, outage, times) => {
                let mut state = self.state();
                let number = state.running[*slot].number;
                if let Some(outages) = state.alive.get_mut(&number) {
                    outages.push_back((*outage, *times));
                }
                self.log.line(|| format!("network of p{number}: {outage:?}, {times} times"));
            }
            Step::Kill(slot) => {
                let number = self.state().running[*slot].number;
                self.log.line(|| format!("p{number} is killed"));
                self.kill(number);
                self.start(*slot);
            }
            Step::Settle(slot) => {
                let group = self.state().running[*slot].group.clone();
                tokio::spawn(async move { group.settled().await });
            }
            Step::Pass(time) => tokio::time::sleep(*time).await,
            Step::Clock(seconds) => {
                self.log.line(|| format!("the clock is set by {seconds} s"));
                self.state().judge.has_shown(clock::utc().timestamp());
                calendar.step(TimeDelta::seconds(*seconds));
                self.state().judge.has_shown(clock::utc().timestamp());
            }
        }
    }

    fn kill(&self, number: u64) {
        let mut state = self.state();
        state.steps += 1;
        state.alive.entry(number).and_modify(VecDeque::clear);
        let dead: Vec<_> =
            state.judge.calls.iter_mut().filter(|call| call.program == number).collect();
        for call in dead {
            call.is_killed = true;
            call.has_left |= call.ended.is_none();
        }
        let open = state
            .judge
            .calls
            .iter_mut()
            .filter(|call| call.program == number && call.ended.is_none());
        let now = Instant::now();
        let count = open.map(|call| call.ended = Some(now)).count();
        state.under_way -= count;
    }

    /// Returns how a program's request travels; `None` if the program is dead.
    pub(super) fn way(&self, program: u64) -> Option<Way> {
        if !self.is_alive(program) {
            return None;
        }
        let mut state = self.state();
        // Requests that leave at an even pace must arrive at one.
        let is_even = self.plan.limits.rates;
        let millis =
            |rng: &mut Rng| Duration::from_millis(if is_even { 20 } else { rng.u64(1..60) });
        let (there, back, has_left) =
            (millis(&mut state.rng), millis(&mut state.rng), state.rng.bool());
        let outages = state.alive.get_mut(&program)?;
        let outage = outages.front_mut().map(|(outage, times)| {
            *times -= 1;
            *outage
        });
        if outages.front().is_some_and(|(_, times)| *times == 0) {
            outages.pop_front();
        }
        Some(Way { outage, there, back, has_left })
    }

    pub(super) fn is_alive(&self, program: u64) -> bool {
        self.state().running.iter().any(|running| running.number == program)
    }

    /// Records that a request met a network failure.
    pub(super) fn met(&self, by: Option<Program>, outage: Outage) {
        let mut state = self.state();
        state.steps += 1;
        if let Some(by) = by {
            state.judge.calls[by.call].faults.insert(outage.name());
        }
        self.log.line(|| format!("{} {outage:?}", shown(by)));
    }

    /// Serves a request that has arrived at its cloud.
    pub(super) fn arrived(&self, head: &Parts, body: &[u8], by: Option<Program>) -> Answered {
        let served = self.clouds.serve(head, body);
        let mut state = self.state();
        state.steps += u64::from(served.fault.is_some_and(|fault| is_apt(fault, served.route)));
        state.judge.served(
            &served,
            by,
            self.plan.limits.rates,
            clock::utc().timestamp(),
            &self.clouds,
        );
        self.log.line(|| {
            let ids = |all: &[crate::simulator::Resource]| {
                all.iter().map(|one| format!(" {}", one.id)).collect::<String>()
            };
            let fault =
                served.fault.map(|fault| format!(" [{}]", fault_name(fault))).unwrap_or_default();
            let made = if served.made.is_empty() {
                String::new()
            } else {
                format!(" made{}", ids(&served.made))
            };
            let ended = if served.ended.is_empty() {
                String::new()
            } else {
                format!(" ended{}", ids(&served.ended))
            };
            // All requests to EC2 have the same path.
            let action = str::from_utf8(body)
                .ok()
                .and_then(|body| body.split('&').find(|word| word.starts_with("Action=")));
            let target = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default()
                + action.unwrap_or_default();
            format!(
                "{} {} {target} {}: {}{made}{ended}{fault}",
                shown(by),
                head.method,
                served.route,
                served.status
            )
        });
        served.answered
    }

    fn begin(self: &Arc<Self>, begin: &Begin) {
        let (running, task, number) = {
            let mut state = self.state();
            let running = state.running[begin.program].clone();
            let number = state.judge.calls.len();
            let task = state.task(begin, number, &self.plan);
            let is_end =
                matches!(begin.verb, Verb::Destroy | Verb::DestroyMany | Verb::DeleteSnapshot);
            let is_label = matches!(begin.verb, Verb::SetLabels | Verb::Renew);
            state.judge.calls.push(Call {
                names: task.names.clone(),
                key: task.key.clone().filter(|_| !task.names.is_empty()),
                keeps: task.keeps(),
                targets: if is_end { task.ids.clone() } else { Vec::new() },
                label: task.ids.first().filter(|_| is_label).map(|id| (id.clone(), task.label())),
                ..Call::begun(begin.verb, task.cloud, running.number, running.owner.clone())
            });
            state.steps += 1;
            state.under_way += 1;
            (running, task, number)
        };
        self.log.line(|| {
            format!(
                "p{} #{number} {} {task:?} {:?}",
                running.number,
                begin.verb.name(),
                begin.leave
            )
        });
        let program = Program { number: running.number, call: number };
        let group = running.group.carrying(Arc::new(program));
        let work = task.run(&running);
        drop(running);
        let run = self.clone();
        let leave = begin.leave;
        tokio::spawn(async move {
            let ended = AssertUnwindSafe(group.run(Left::new(work, leave))).catch_unwind().await;
            run.ended(
                number,
                ended.unwrap_or_else(|panic| {
                    Some(Told::Other(Err(ProviderError::from_panic(&*panic))))
                }),
            );
        });
    }

    /// Records the result of an operation, or that its caller left.
    fn ended(&self, number: usize, told: Option<Told>) {
        let mut state = self.state();
        if state.judge.calls[number].is_killed {
            return;
        }
        state.under_way -= 1;
        self.log.line(|| {
            format!("#{number} ends: {}", told.as_ref().map_or("left".to_string(), Told::to_string))
        });
        let outcome = told.as_ref().map_or("left".to_string(), Told::word);
        let Call { verb, cloud, faults, .. } = &state.judge.calls[number];
        let verb = *verb;
        let cloud = *cloud;
        let faults = faults.clone();
        for fault in if faults.is_empty() { ["none"].into() } else { faults } {
            state.coverage.add(verb, fault, &outcome);
        }
        let Some(told) = told else {
            let call = &mut state.judge.calls[number];
            (call.has_left, call.ended) = (true, Some(Instant::now()));
            return;
        };
        if format!("{told:?}").contains(SECRET) {
            state.judge.findings.push(format!("#{number}: a secret is in {told:?}"));
        }
        state.judge.told(number, &told, &self.plan, &self.clouds);
        state.write_down(cloud, verb, &told);
        if state.judge.calls[number].faults.contains("stuck creating") {
            let keys = told.errors().into_iter().filter_map(unknown).map(str::to_string);
            state.stuck.extend(keys);
        }
    }
}

fn shown(by: Option<Program>) -> String {
    by.map_or("  ?".to_string(), |by| format!("  p{} #{}", by.number, by.call))
}

impl State {
    /// Chooses the arguments of an operation from the programs' records.
    fn task(&mut self, begin: &Begin, number: usize, plan: &Plan) -> Task {
        let Begin { verb, pick, .. } = *begin;
        let cloud = plan.clouds[begin.cloud];
        let of = |known: &[(&'static str, String)], pick: u32| {
            let here: Vec<_> =
                known.iter().filter(|(at, _)| *at == cloud).map(|(_, id)| id.clone()).collect();
            if here.is_empty() { None } else { Some(here[pick as usize % here.len()].clone()) }
        };
        let own = || format!("n{number}");
        let mut names = Vec::new();
        let mut ids = Vec::new();
        let mut key = None;
        match verb {
            Verb::Create | Verb::CreateAndWait | Verb::WithInstance | Verb::Place => {
                names.push(own())
            }
            Verb::CreateKeyed | Verb::CreateAndWaitKeyed => {
                let at = pick % plan.keys;
                names.push(format!("k{at}"));
                key = Some(own_key(at));
            }
            Verb::CreateMany => names.extend((0..2 + pick % 3).map(|at| format!("n{number}-{at}"))),
            Verb::WaitReady
            | Verb::Get
            | Verb::Destroy
            | Verb::SetLabels
            | Verb::Renew
            | Verb::DestroyMany => {
                ids.push(of(&self.machines, pick).unwrap_or_else(|| nobodys(cloud)));
                if verb == Verb::DestroyMany {
                    ids.extend(of(&self.machines, pick / 7).filter(|id| !ids.contains(id)));
                }
            }
            // Few names, so that several snapshots share one.
            Verb::CreateSnapshot => {
                names.push(format!("s{}", pick % 4));
                ids.push(of(&self.machines, pick).unwrap_or_else(|| nobodys(cloud)));
            }
            Verb::DeleteSnapshot => {
                ids.push(of(&self.snapshots, pick).unwrap_or_else(|| nobodys_snapshot(cloud)))
            }
            Verb::Resolve | Verb::ResolveSnapshot => {
                let kind = if verb == Verb::Resolve { Kind::Instance } else { Kind::Snapshot };
                let here: Vec<_> =
                    self.unknown.iter().filter(|(at, of, _)| *at == cloud && *of == kind).collect();
                let asked = if here.is_empty() {
                    None
                } else {
                    Some(here[pick as usize % here.len()].2.clone())
                };
                key = Some(asked.unwrap_or_else(|| own_key(pick % plan.keys)));
            }
            Verb::List | Verb::ListOwned | Verb::ListSnapshots => {}
            Verb::Reap | Verb::ReapOld | Verb::HourlyPrice | Verb::SshKeys => {}
        }
        Task { verb, cloud, names, key, ids, pick }
    }

    /// Records a result for the programs.
    fn write_down(&mut self, cloud: &'static str, verb: Verb, told: &Told) {
        let kind = if matches!(verb, Verb::CreateSnapshot | Verb::ResolveSnapshot) {
            Kind::Snapshot
        } else {
            Kind::Instance
        };
        match told {
            Told::Made(all) => {
                let ids = all
                    .iter()
                    .filter_map(|one| one.as_ref().ok())
                    .map(|machine| (cloud, machine.id.clone()));
                self.machines.extend(ids);
            }
            Told::Snapshot(Ok(snapshot)) => self.snapshots.push((cloud, snapshot.id.clone())),
            _ => {}
        }
        for error in told.errors() {
            let key = unknown(error).map(|key| (cloud, kind, key.to_string()));
            let id = error
                .instance_id()
                .filter(|_| kind == Kind::Instance)
                .map(|id| (cloud, id.to_string()));
            self.unknown.extend(key);
            self.machines.extend(id);
        }
    }
}

fn own_key(at: u32) -> String {
    KEYS[at as usize % KEYS.len()].to_string()
}

/// Returns an id that no resource has.
fn nobodys(cloud: &str) -> String {
    if account_of(cloud).0 == "aws" {
        "i-0123456789abcdef0".to_string()
    } else {
        "999999999".to_string()
    }
}

fn nobodys_snapshot(cloud: &str) -> String {
    if account_of(cloud).0 == "aws" {
        "ami-0123456789abcdef0".to_string()
    } else {
        "999999999".to_string()
    }
}
