//! Stands between a provider and the engine, and lets requests and replies be lost or late.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::*;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// The engine never hears of it.
    RequestLost,
    /// The engine has done it, and nobody hears of that.
    ReplyLost,
    /// The engine hears of it after that time, also when the caller has left.
    RequestLate(Duration),
    /// The caller hears after that time what the engine has done.
    ReplyLate(Duration),
    /// The connection is cut at once, and the engine goes on with what it has heard.
    Cut,
    /// As `Cut`, with an engine that takes the name first and that long for the rest: meanwhile it
    /// refuses others of the kind.
    Slow(Duration),
    /// Nobody ever answers, for as long as the caller waits.
    Silence,
    /// The engine has listed it, and does not find it yet.
    NotFoundYet,
    /// The engine says that it has failed at it.
    Failed,
    /// The engine does it, and for that time takes no more connections.
    ThenGone(Duration),
}

/// The requests of a route that a fault befalls.
struct Rule {
    /// A method and a part of the path; empty for all.
    route: String,
    /// The first of them, and the first that is spared.
    numbers: std::ops::Range<usize>,
    fault: Fault,
    met: usize,
    busy: bool,
}

fn matches(route: &str, line: &str) -> bool {
    let (method, part) = route.split_once(' ').unwrap_or(("", route));
    line.starts_with(method) && line.contains(part)
}

/// A request as it came, and the status that the engine gave it.
#[derive(Debug)]
struct Asked {
    line: String,
    status: Option<u16>,
    over: bool,
}

/// Stands between a provider and the engine. What it makes has an owner of its own, by which it is
/// told from what is others'.
pub(crate) struct Proxy {
    pub(crate) owner: String,
    socket: PathBuf,
    engine: PathBuf,
    rules: Mutex<Vec<Rule>>,
    asked: Mutex<Vec<Asked>>,
    struck: AtomicUsize,
    ended: AtomicBool,
}

/// Ends the proxy with the test.
pub(crate) struct Running(Arc<Proxy>);

impl std::ops::Deref for Running {
    type Target = Arc<Proxy>;

    fn deref(&self) -> &Arc<Proxy> {
        &self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        drop(UnixStream::connect(&self.socket));
        drop(std::fs::remove_file(&self.socket));
        if !std::thread::panicking() {
            return;
        }
        // What a failed test has left is not for others to find.
        println!("{:#?}", self.asked.lock().unwrap());
        let label = format!("label=spuff-owner={}", self.owner);
        for (list, remove) in [("ps", "rm"), ("images", "rmi")] {
            for id in try_docker(&[list, "--all", "--quiet", "--filter", &label])
                .unwrap_or_default()
                .lines()
            {
                drop(try_docker(&[remove, "--force", id]));
            }
        }
    }
}

impl Proxy {
    pub(crate) fn start() -> Running {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let owner =
            format!("lost-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let socket = std::env::temp_dir().join(format!("spuff-{owner}.sock"));
        let engine = config().endpoint.unwrap().trim_start_matches("unix://").into();
        let listener = UnixListener::bind(&socket).unwrap();
        let proxy = Arc::new(Self {
            owner,
            socket,
            engine,
            rules: Mutex::default(),
            asked: Mutex::default(),
            struck: AtomicUsize::default(),
            ended: AtomicBool::default(),
        });
        let serving = proxy.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if serving.ended.load(Ordering::Relaxed) {
                    return;
                }
                let proxy = serving.clone();
                std::thread::spawn(move || {
                    // Whichever side leaves first: that is what these tests are about.
                    drop(proxy.serve(client));
                });
            }
        });
        Running(proxy)
    }

    /// From now on that befalls these requests of a route, counted from 1.
    pub(crate) fn fault(
        &self,
        route: impl Into<String>,
        numbers: std::ops::Range<usize>,
        fault: Fault,
    ) {
        self.rules.lock().unwrap().push(Rule {
            route: route.into(),
            numbers,
            fault,
            met: 0,
            busy: false,
        });
    }

    /// No faults any more.
    pub(crate) fn mend(&self) {
        self.rules.lock().unwrap().clear();
    }

    pub(crate) fn struck(&self) -> usize {
        self.struck.load(Ordering::Relaxed)
    }

    /// How many requests of a route the engine has answered with that status.
    pub(crate) fn answered(&self, route: &str, status: u16) -> usize {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|asked| matches(route, &asked.line) && asked.status == Some(status))
            .count()
    }

    /// Waits until nothing is on its way any more.
    pub(crate) async fn quiet(&self) {
        for _ in 0..300 {
            if self.asked.lock().unwrap().iter().all(|asked| asked.over) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("still on their way: {:#?}", self.asked.lock().unwrap());
    }

    pub(crate) fn config(&self) -> ProviderConfig {
        config()
            .with_endpoint(format!("unix://{}", self.socket.display()))
            .with_option("owner", &self.owner)
    }

    pub(crate) fn provider(&self) -> Arc<dyn Provider> {
        connect(self.config())
    }

    /// What the engine has of this owner.
    pub(crate) fn containers(&self) -> Vec<String> {
        let label = format!("label=spuff-owner={}", self.owner);
        docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &label])
            .lines()
            .map(str::to_string)
            .collect()
    }

    /// Also those without a name.
    pub(crate) fn images(&self) -> Vec<String> {
        let label = format!("label=spuff-owner={}", self.owner);
        let list = ["images", "--all", "--format", "{{.Repository}}:{{.Tag}}", "--filter", &label];
        // Podman fails to list while another test removes an image.
        let attempts = (0..20).map(|_| try_docker(&list));
        let listed = attempts.filter_map(Result::ok).next().unwrap_or_else(|| docker(&list));
        listed.lines().map(str::to_string).collect()
    }

    /// What is to befall a request that has come, and its number.
    fn note(&self, line: &str) -> (usize, Option<(usize, Fault)>, bool) {
        let mut asked = self.asked.lock().unwrap();
        asked.push(Asked { line: line.to_string(), status: None, over: false });
        let mut chosen = None;
        let mut refused = false;
        for (index, rule) in self
            .rules
            .lock()
            .unwrap()
            .iter_mut()
            .enumerate()
            .filter(|(_, rule)| matches(&rule.route, line))
        {
            rule.met += 1;
            refused |= rule.busy;
            if rule.numbers.contains(&rule.met) {
                rule.busy = matches!(rule.fault, Fault::Slow(_));
                chosen = Some((index, rule.fault));
            }
        }
        self.struck.fetch_add(usize::from(chosen.is_some()), Ordering::Relaxed);
        (asked.len() - 1, chosen, refused)
    }

    /// One connection. The provider opens one for each call, so that its first request is all.
    fn serve(self: &Arc<Self>, mut client: UnixStream) -> io::Result<()> {
        let request = whole_request(&mut client)?;
        let head = String::from_utf8_lossy(&request);
        let (number, chosen, refused) = self.note(head.lines().next().unwrap_or_default());
        let done = self.pass(&request, client, number, chosen, refused);
        self.asked.lock().unwrap()[number].over = true;
        done
    }

    fn pass(
        &self,
        request: &[u8],
        mut client: UnixStream,
        number: usize,
        chosen: Option<(usize, Fault)>,
        refused: bool,
    ) -> io::Result<()> {
        if refused {
            let said = r#"{"message":"Conflict. The container name \"/it\" is already in use by container \"0f0f0f\". You have to remove (or rename) that container to be able to reuse that name."}"#;
            let head = format!(
                "HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nConnection: \
                 close\r\nContent-Length: {}",
                said.len()
            );
            return write!(client, "{head}\r\n\r\n{said}");
        }
        let fault = chosen.map(|(_, fault)| fault);
        let said = match fault {
            Some(Fault::NotFoundYet) => {
                Some(("404 Not Found", r#"{"message":"No such container: it"}"#))
            }
            Some(Fault::Failed) => {
                let said = r#"{"message":"container it: driver \"overlay2\" failed to remove root filesystem: unlinkat merged: directory not empty"}"#;
                Some(("500 Internal Server Error", said))
            }
            _ => None,
        };
        if let Some((status, said)) = said {
            let head =
                format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close");
            return write!(client, "{head}\r\nContent-Length: {}\r\n\r\n{said}", said.len());
        }
        if let Some(Fault::Cut | Fault::Slow(_)) = fault {
            client.shutdown(Shutdown::Both)?;
        }
        match fault {
            Some(Fault::RequestLost) => return Ok(()),
            Some(Fault::Silence) => return io::copy(&mut client, &mut io::sink()).map(drop),
            Some(Fault::RequestLate(time) | Fault::Slow(time)) => std::thread::sleep(time),
            _ => {}
        }
        let away = self.socket.with_extension("away");
        let mut engine = UnixStream::connect(&self.engine)?;
        if let Some(Fault::ThenGone(_)) = fault {
            std::fs::rename(&self.socket, &away)?;
        }
        engine.write_all(request)?;
        let reader = engine.try_clone()?;
        // That a caller has left is told to the engine, unless it is to go on.
        let is_late = matches!(fault, Some(Fault::RequestLate(_) | Fault::Cut | Fault::Slow(_)));
        let leaving = client.try_clone()?;
        if !is_late {
            std::thread::spawn(move || {
                drop(io::copy(&mut &leaving, &mut &engine));
                drop(engine.shutdown(Shutdown::Both));
            });
        }
        let mut reply = vec![0; 1 << 16];
        let length = (&reader).read(&mut reply)?;
        reply.truncate(length);
        let status = String::from_utf8_lossy(&reply)
            .split_whitespace()
            .nth(1)
            .and_then(|status| status.parse().ok());
        self.asked.lock().unwrap()[number].status = status;
        if let Some((rule, Fault::Slow(_))) = chosen
            && let Some(rule) = self.rules.lock().unwrap().get_mut(rule)
        {
            rule.busy = false;
        }
        match fault {
            Some(Fault::ReplyLost) => {
                client.shutdown(Shutdown::Both)?;
                return reader.shutdown(Shutdown::Both);
            }
            Some(Fault::Cut | Fault::Slow(_)) => return reader.shutdown(Shutdown::Both),
            Some(Fault::ReplyLate(time)) => std::thread::sleep(time),
            _ => {}
        }
        client.write_all(&reply)?;
        if let Some(Fault::ThenGone(time)) = fault {
            let socket = self.socket.clone();
            std::thread::spawn(move || {
                std::thread::sleep(time);
                drop(std::fs::rename(away, socket));
            });
        }
        if is_late {
            // The caller leaves by itself, and nobody would tell the engine.
            reader.set_read_timeout(Some(Duration::from_secs(1)))?;
        }
        io::copy(&mut &reader, &mut client)?;
        client.shutdown(Shutdown::Both)
    }
}

/// A request with its body, so that it can be forwarded after its caller has left.
fn whole_request(client: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut request = Vec::new();
    let mut wanted = None;
    while wanted.is_none_or(|wanted| request.len() < wanted) {
        let mut bytes = [0; 1 << 14];
        let length = client.read(&mut bytes)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        request.extend_from_slice(&bytes[..length]);
        if let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
            let body = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            wanted = Some(end + 4 + body.unwrap_or(0));
        }
    }
    Ok(request)
}
