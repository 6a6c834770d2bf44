//! HTTP/1.1 server on the loopback interface, on its own thread.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fmt, io};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_LENGTH, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::Sleep;

use super::backend::Asked;
use super::control;
use super::engine::{Delivery, Engine, Reply};
use crate::http::number;
use crate::signals;

/// Maximum bytes of a request's body.
const MAX_BODY: usize = 8 << 20;

pub(super) type Shared = Arc<Mutex<Engine>>;

/// A server that stops when it is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    open: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(port: u16, engine: Shared) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .on_thread_start(signals::keep_away)
            .build()?;
        let (stop, mut stopped) = oneshot::channel::<Infallible>();
        let open = Arc::<AtomicUsize>::default();
        let counter = open.clone();
        let thread = signals::spawn(
            std::thread::Builder::new().name("spuff-simulator".to_string()),
            move || {
                runtime.block_on(async move {
                    let Ok(listener) = TcpListener::from_std(listener) else { return };
                    loop {
                        tokio::select! {
                            _ = &mut stopped => return,
                            accepted = listener.accept() => match accepted {
                                Ok((stream, _)) => {
                                    // Replies are small; Nagle's algorithm would delay them.
                                    let _ = stream.set_nodelay(true);
                                    let counted = Counted::new(counter.clone());
                                    tokio::spawn(connection(
                                        TokioIo::new(stream),
                                        engine.clone(),
                                        counted,
                                    ));
                                }
                                // Too many open files, or the client has already left: keep serving
                                // others.
                                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                            },
                        }
                    }
                });
            },
        )?;
        Ok(Self { address, open, stop: Some(stop), thread: Some(thread) })
    }

    /// Returns the number of open connections.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Counts one open connection until it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(open: Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::SeqCst);
        Self(open)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn connection(stream: TokioIo<tokio::net::TcpStream>, engine: Shared, _open: Counted) {
    let service = service_fn(move |request| answer(request, engine.clone()));
    // Errors are ignored: the client or a fault closed the connection.
    let _ = http1::Builder::new().serve_connection(stream, service).await;
}

/// Closes the connection.
#[derive(Debug)]
struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("closed by a fault")
    }
}

impl std::error::Error for Closed {}

async fn answer(request: Request<Incoming>, engine: Shared) -> Result<Response<Outgoing>, Closed> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        let mut response =
            Response::new(Outgoing::Whole(Bytes::from_static(b"request entity too large")));
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return Ok(response);
    };
    let body = body.to_bytes();
    let asked = Asked {
        method: &head.method,
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        headers: &head.headers,
        body: &body,
    };
    let delivery = {
        let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
        engine.serve(&asked).unwrap_or_else(|| Delivery::Now(control::answer(&mut engine, &asked)))
    };
    let whole = |reply: Reply| respond(reply, Outgoing::Whole);
    Ok(match delivery {
        Delivery::Close => return Err(Closed),
        Delivery::Now(reply) => whole(reply),
        Delivery::After(time, reply) => {
            tokio::time::sleep(time).await;
            whole(reply)
        }
        Delivery::Half(reply) => {
            let length = reply.body.len();
            let mut response =
                respond(reply, |body| Outgoing::Half(body.slice(..body.len() / 2), false));
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
            response
        }
        Delivery::Drip(pause, reply) => respond(reply, |body| Outgoing::Drip {
            body,
            pause,
            sleep: Box::pin(tokio::time::sleep(pause)),
        }),
        Delivery::Flood(bytes, reply) => respond(reply, |_| Outgoing::Flood(bytes)),
    })
}

fn respond(reply: Reply, body: impl FnOnce(Bytes) -> Outgoing) -> Response<Outgoing> {
    let mut response = Response::new(body(Bytes::from(reply.body)));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = reply.headers;
    response
}

/// A reply's body, as shaped by a fault.
enum Outgoing {
    Whole(Bytes),
    /// With a flag for flushed: an immediate error would discard the data.
    Half(Bytes, bool),
    Drip {
        body: Bytes,
        pause: Duration,
        sleep: Pin<Box<Sleep>>,
    },
    Flood(u64),
}

const FLOOD: &[u8] = &[b' '; 16 << 10];

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        let data = |bytes| Poll::Ready(Some(Ok(Frame::data(bytes))));
        match self.get_mut() {
            Self::Whole(body) if body.is_empty() => Poll::Ready(None),
            Self::Whole(body) => data(std::mem::take(body)),
            Self::Half(body, _) if !body.is_empty() => data(std::mem::take(body)),
            Self::Half(_, true) => Poll::Ready(Some(Err(Closed))),
            Self::Half(_, flushed) => {
                *flushed = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Self::Drip { body, .. } if body.is_empty() => Poll::Ready(None),
            Self::Drip { body, pause, sleep } => {
                std::task::ready!(sleep.as_mut().poll(context));
                sleep.as_mut().reset(number::later(tokio::time::Instant::now(), *pause));
                data(body.split_to(1))
            }
            Self::Flood(0) => Poll::Ready(None),
            Self::Flood(left) => {
                let size = (*left).min(FLOOD.len() as u64);
                *left -= size;
                data(Bytes::from_static(FLOOD).slice(..usize::try_from(size).unwrap_or_default()))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => SizeHint::with_exact(body.len() as u64),
            _ => SizeHint::default(),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(body) if body.is_empty())
    }
}
