//! The shared scenarios in Rust: what the runners of the other languages are compared with.
//! `README.md` beside this says how a scenario is written, and what is printed.
//!
//! ```sh
//! cargo run -p spuff-examples --example scenarios -- \
//!     tests/scenarios/lifecycle.scenario hetzner async
//! ```
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::result_large_err,
    reason = "a program for a terminal"
)]

mod arguments;
mod creates;
mod show;

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use spuff_core::blocking::{self, CancelToken};
use spuff_core::lease::{self, Reap};
use spuff_core::provider::{
    ErrorParts, Provider, ProviderInstance, ProviderRegistry, ProviderResult, Snapshot,
};
use spuff_core::simulator::{Clock, Cloud, FaultRule, Options};
use tokio::runtime::Runtime;

use self::arguments::Arguments;
use self::show::{kind_of, lines, show_labels};

/// How long a list may take until it shows what is expected of it.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.as_slice() {
        [file, provider, face] => run(file, provider, face),
        _ => Err("give a file, a provider, and async or blocking".to_string()),
    };
    outcome.map_or_else(
        |error| {
            eprintln!("{error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn run(file: &str, provider: &str, face: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let runtime = match face {
        "async" => Some(Runtime::new().map_err(|error| error.to_string())?),
        "blocking" => None,
        _ => return Err(format!("{face} is no face; there are async and blocking")),
    };
    let mut stage = Stage {
        name: provider.to_string(),
        runtime,
        cloud: None,
        provider: None,
        ids: Vec::new(),
        key: String::new(),
    };
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let told = stage.play(line).map_err(|error| format!("{file}: {line}: {error}"))?;
        if let Some(told) = told {
            println!("{}: {told}", line.split(' ').next().unwrap_or_default());
        }
    }
    Ok(())
}

/// What a scenario has on stage.
struct Stage {
    name: String,
    /// None: the blocking face.
    runtime: Option<Runtime>,
    cloud: Option<Cloud>,
    provider: Option<blocking::Provider>,
    /// The ids that steps have got, with the names that they gave them.
    ids: Vec<(String, String)>,
    /// Of the last error.
    key: String,
}

impl Stage {
    /// Plays one step, and tells its outcome, if it has one.
    fn play(&mut self, line: &str) -> Result<Option<String>, String> {
        let (step, rest) = line.split_once(' ').unwrap_or((line, ""));
        if step == "fault" {
            let rule: FaultRule = serde_json::from_str(&rest.replace("@provider", &self.name))
                .map_err(|error| error.to_string())?;
            self.cloud()?.inject(rule);
            return Ok(None);
        }
        let words = rest.split(' ').filter(|word| !word.is_empty());
        let pair = |word| {
            let (name, value) = str::split_once(word, '=').unwrap_or((word, ""));
            (name, self.read(value))
        };
        let arguments = Arguments(words.map(pair).collect());
        Ok(Some(match step {
            "cloud" => {
                let speed = arguments.number("speed")?.unwrap_or(60);
                let mut options = Options::default().with_clock(Clock::Fast(speed as f64));
                if let Some(quota) = arguments.number("quota")? {
                    options = options.with_quota(quota as usize);
                }
                if let Some(token) = arguments.get("token") {
                    options = options.with_token(token);
                }
                self.cloud = Some(options.start().map_err(|error| error.to_string())?);
                return Ok(None);
            }
            "no_faults" => {
                self.cloud()?.clear_faults();
                return Ok(None);
            }
            "connect" => self.connect(&arguments)?,
            "create" | "create_and_wait" => match arguments.number("at_once")? {
                Some(times) => self.create_at_once(&arguments, times)?,
                None => self.create(step, &arguments)?,
            },
            "create_fleet" => self.create_fleet(&arguments)?,
            "get" => {
                let id = arguments.text("id").to_string();
                let about = id.clone();
                let found = self.ask("get_instance", Some(&about), None, |provider| async move {
                    provider.get_instance(&id).await
                });
                self.told(found, |stage, found| {
                    found.map_or("none".to_string(), |machine| stage.machine(&machine, false))
                })
            }
            "wait" => {
                let id = arguments.text("id").to_string();
                let about = id.clone();
                let cancel = arguments.cancel()?;
                let ready =
                    self.ask("wait_ready", Some(&about), Some(cancel), |provider| async move {
                        provider.wait_ready(&id).await
                    });
                self.told(ready, |stage, machine| stage.machine(&machine, true))
            }
            "gone" => {
                let id = arguments.text("id").to_string();
                let began = Instant::now();
                loop {
                    let wanted = id.clone();
                    let get = |provider: Arc<dyn Provider>| async move {
                        provider.get_instance(&wanted).await
                    };
                    match self.ask("get_instance", Some(&id), None, get) {
                        Ok(Some(_)) if began.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                        found => {
                            break self.told(found, |_, found| format!("ok {}", found.is_none()));
                        }
                    }
                }
            }
            "destroy" => {
                let id = arguments.text("id").to_string();
                let about = id.clone();
                let ended =
                    self.ask("destroy_instance", Some(&about), None, |provider| async move {
                        provider.destroy_instance(&id).await
                    });
                self.told(ended, |_, ()| "ok".to_string())
            }
            "list" => self.list(&arguments, "list_instances", |provider| async move {
                provider.list_instances().await
            })?,
            "list_owned" => {
                let owner = arguments.text("owner").to_string();
                self.list(&arguments, "list_owned", move |provider| {
                    let owner = owner.clone();
                    async move { lease::list_owned(&*provider, &owner).await }
                })?
            }
            "snapshot" => {
                let (id, name) =
                    (arguments.text("id").to_string(), arguments.text("name").to_string());
                let about = id.clone();
                let cancel = arguments.cancel()?;
                let work = |provider: Arc<dyn Provider>| async move {
                    provider.create_snapshot(&id, &name).await
                };
                let made = self.ask("create_snapshot", Some(&about), Some(cancel), work);
                self.note(&arguments, made.as_ref().ok().map(|snapshot| &snapshot.id));
                self.told(made, |stage, snapshot| format!("ok {}", stage.snapshot(&snapshot)))
            }
            "list_snapshots" => {
                let found =
                    self.until_counted(&arguments, "list_snapshots", |provider| async move {
                        provider.list_snapshots().await
                    })?;
                self.told(found, |stage, found| {
                    lines(found.iter().map(|snapshot| stage.snapshot(snapshot)))
                })
            }
            "list_labelled_snapshots" => {
                let list = |provider: Arc<dyn Provider>| async move {
                    provider.list_labelled_snapshots().await
                };
                let found = self.until_counted(&arguments, "list_labelled_snapshots", list)?;
                self.told(found, |stage, found| {
                    let line = |(snapshot, labels): &(Snapshot, _)| {
                        format!("{} {}", stage.snapshot(snapshot), show_labels(labels))
                    };
                    lines(found.iter().map(line))
                })
            }
            "delete_snapshot" => {
                let id = arguments.text("id").to_string();
                let ended = self.ask("delete_snapshot", None, None, |provider| async move {
                    provider.delete_snapshot(&id).await
                });
                self.told(ended, |_, ()| "ok".to_string())
            }
            "resolve" => {
                let key = arguments.text("key").to_string();
                let found = self.ask("resolve", None, None, |provider| async move {
                    provider.resolve(&key).await
                });
                self.note(
                    &arguments,
                    found.as_ref().ok().and_then(Option::as_ref).map(|machine| &machine.id),
                );
                self.told(found, |stage, found| {
                    found.map_or("none".to_string(), |machine| stage.machine(&machine, false))
                })
            }
            "resolve_snapshot" => {
                let key = arguments.text("key").to_string();
                let found = self.ask("resolve_snapshot", None, None, |provider| async move {
                    provider.resolve_snapshot(&key).await
                });
                self.note(
                    &arguments,
                    found.as_ref().ok().and_then(Option::as_ref).map(|snapshot| &snapshot.id),
                );
                let show =
                    |stage: &Self, snapshot: Snapshot| format!("ok {}", stage.snapshot(&snapshot));
                self.told(found, |stage, found| {
                    found.map_or("none".to_string(), |snapshot| show(stage, snapshot))
                })
            }
            "set_labels" => {
                let id = arguments.text("id").to_string();
                let labels = arguments.labels();
                let about = id.clone();
                let set = |provider: Arc<dyn Provider>| async move {
                    provider.set_labels(&id, &labels).await
                };
                let done = self.ask("set_labels", Some(&about), None, set);
                self.told(done, |_, ()| "ok".to_string())
            }
            "renew" => {
                let id = arguments.text("id").to_string();
                let ttl = Duration::from_secs(arguments.number("ttl")?.unwrap_or(0));
                let about = id.clone();
                let now = chrono::Utc::now();
                let renew = |provider: Arc<dyn Provider>| async move {
                    lease::renew(&*provider, &id, ttl).await
                };
                let end = self.ask("renew", Some(&about), None, renew);
                self.told(end, |_, end| format!("ok later={}", end > now))
            }
            "ssh_keys" => {
                let keys = self.ask("get_ssh_keys", None, None, |provider| async move {
                    provider.get_ssh_keys().await
                });
                self.told(keys, |_, keys| format!("ok count={}", keys.len()))
            }
            "reap" => self.reap(&arguments)?,
            "supports_snapshots" => format!("ok {}", self.provider()?.supports_snapshots()),
            "settled" => {
                match &self.runtime {
                    Some(runtime) => runtime.block_on(spuff_core::settled()),
                    None => blocking::settled().map_err(|error| error.to_string())?,
                }
                "ok".to_string()
            }
            "truth" => {
                let cloud = self.cloud()?;
                let instances = cloud.instances().iter().filter(|machine| !machine.ending).count();
                format!(
                    "ok instances={instances} snapshots={} leaks={}",
                    cloud.snapshots().len(),
                    cloud.leaks().len()
                )
            }
            _ => return Err("there is no such step".to_string()),
        }))
    }

    fn cloud(&self) -> Result<&Cloud, String> {
        self.cloud.as_ref().ok_or_else(|| "there is no cloud yet".to_string())
    }

    fn provider(&self) -> Result<&blocking::Provider, String> {
        self.provider.as_ref().ok_or_else(|| "nothing is connected yet".to_string())
    }

    /// A value with the name of an id at its end replaced by the id.
    fn read(&self, value: &str) -> String {
        let Some((before, name)) = value.rsplit_once('@') else { return value.to_string() };
        let known = self.ids.iter().find(|(known, _)| known == name).map(|(_, id)| id);
        let id = if name == "error" { Some(&self.key) } else { known };
        id.map_or(value.to_string(), |id| format!("{before}{id}"))
    }

    fn note(&mut self, arguments: &Arguments<'_>, id: Option<&String>) {
        if let (Some(name), Some(id)) = (arguments.get("as"), id) {
            self.ids.push((name.to_string(), id.clone()));
        }
    }

    fn show_id(&self, id: &str) -> String {
        self.ids
            .iter()
            .find(|(_, known)| known == id)
            .map_or("?".to_string(), |(name, _)| format!("@{name}"))
    }

    /// Runs a verb on this face.
    fn ask<T, W>(
        &self,
        operation: &str,
        id: Option<&str>,
        cancel: Option<CancelToken>,
        work: impl FnOnce(Arc<dyn Provider>) -> W,
    ) -> Result<T, ErrorParts>
    where
        W: Future<Output = ProviderResult<T>>,
    {
        let Some(provider) = &self.provider else { return Err(ErrorParts::default()) };
        let cancel = cancel.unwrap_or_default();
        let limited = |shared| async { cancel.limit(operation, id, work(shared)).await };
        let outcome = match &self.runtime {
            Some(runtime) => provider.shared().and_then(|shared| runtime.block_on(limited(shared))),
            None => provider.run(limited),
        };
        outcome.map_err(|error| ErrorParts::from(&error).about(provider.name(), id))
    }

    fn told<T>(
        &mut self,
        outcome: Result<T, ErrorParts>,
        show: impl FnOnce(&Self, T) -> String,
    ) -> String {
        match outcome {
            Ok(value) => show(self, value),
            Err(error) => {
                let shown = self.error(&error);
                self.key = error.key.unwrap_or_default();
                shown
            }
        }
    }

    fn connect(&mut self, arguments: &Arguments<'_>) -> Result<String, String> {
        let mut config = self.cloud()?.config(&self.name);
        config.timeouts.instance_ready = arguments.millis("instance_ready", 20_000)?;
        config.timeouts.action_complete = arguments.millis("action_complete", 20_000)?;
        config.timeouts.poll_interval = arguments.millis("poll_interval", 20)?;
        config.timeouts.http_request = arguments.millis("http_request", 2000)?;
        if let Some(token) = arguments.get("token") {
            config = config.with_token(token);
        }
        if let Some(owner) = arguments.get("owner") {
            config = config.with_option("owner", owner);
        }
        let made = ProviderRegistry::with_defaults().connect(&self.name, config);
        Ok(match made {
            Ok(provider) => {
                self.provider = Some(provider.into());
                "ok".to_string()
            }
            Err(error) => self.error(&ErrorParts::from(&error)),
        })
    }

    /// Asks until as many are found as the step says.
    fn until_counted<T, W>(
        &self,
        arguments: &Arguments<'_>,
        operation: &str,
        work: impl Fn(Arc<dyn Provider>) -> W,
    ) -> Result<Result<Vec<T>, ErrorParts>, String>
    where
        W: Future<Output = ProviderResult<Vec<T>>>,
    {
        let count = arguments.number("count")?;
        let began = Instant::now();
        loop {
            let found = self.ask(operation, None, None, &work);
            let enough = match (&found, count) {
                (Ok(found), Some(count)) => found.len() as u64 == count,
                _ => true,
            };
            if enough || began.elapsed() > PATIENCE {
                return Ok(found);
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn list<W>(
        &mut self,
        arguments: &Arguments<'_>,
        operation: &str,
        work: impl Fn(Arc<dyn Provider>) -> W,
    ) -> Result<String, String>
    where
        W: Future<Output = ProviderResult<Vec<ProviderInstance>>>,
    {
        let found = self.until_counted(arguments, operation, work)?;
        let line = |stage: &Self, machine: &ProviderInstance| {
            stage.machine(machine, false)["ok ".len()..].to_string()
        };
        Ok(self.told(found, |stage, found| lines(found.iter().map(|machine| line(stage, machine)))))
    }

    fn reap(&mut self, arguments: &Arguments<'_>) -> Result<String, String> {
        let age = arguments.number("older_than")?.map(Duration::from_secs);
        let (expired, owner) =
            (arguments.get("expired").is_some(), arguments.get("owner").map(str::to_string));
        let mut which =
            Reap::from_choices(expired, age, owner).map_err(|error| error.to_string())?;
        if arguments.get("dry_run").is_some() {
            which = which.dry_run();
        }
        let which = which.confirm_within(PATIENCE);
        let reaped =
            self.ask(
                "reap",
                None,
                None,
                |provider| async move { lease::reap(&provider, &which).await },
            );
        Ok(self.told(reaped, |stage, reaped| {
            lines(reaped.iter().map(|item| {
                let kind = item.kind.as_str();
                let id = stage.show_id(&item.id);
                let owner = item.owner.as_deref().unwrap_or("-");
                let gone = matches!(item.outcome, Ok(true));
                let error = item
                    .outcome
                    .as_ref()
                    .err()
                    .map_or(String::new(), |error| format!(" error={}", kind_of(error)));
                format!("{kind} id={id} owner={owner} gone={gone}{error}")
            }))
        }))
    }
}
