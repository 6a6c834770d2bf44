//! A server that breaks HTTP on purpose: what a scripted mock cannot do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is left of a request once it was read whole.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: String,
    pub body: String,
}

/// What the server does with a request.
pub enum Answer {
    /// Sends these bytes, then closes the connection.
    Bytes(Vec<u8>),
    /// Sends these bytes, then zeros until the client goes away.
    Endless(Vec<u8>),
    /// Closes the connection without a word.
    Close,
    /// Says nothing until the client goes away.
    Silence,
}

impl Answer {
    /// A whole reply.
    pub fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        Self::Bytes(head(status, headers, body.len()).into_iter().chain(body.bytes()).collect())
    }

    /// A reply that ends half-way through its body.
    pub fn truncated(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        Self::Bytes(
            head(status, headers, body.len())
                .into_iter()
                .chain(body.bytes().take(body.len() / 2))
                .collect(),
        )
    }

    /// A reply that is far longer than any cloud's.
    pub fn huge(status: u16) -> Self {
        Self::Endless(head(status, &[("content-type", "application/json")], 1 << 40))
    }
}

fn head(status: u16, headers: &[(&str, &str)], length: usize) -> Vec<u8> {
    let mut head =
        format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {length}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    (head + "\r\n").into_bytes()
}

/// A server on a free loopback port, for the life of the test.
pub struct Server {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let log = Arc::clone(&asked);
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = Arc::clone(&log);
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || {
                    if let Some(request) = read(&stream) {
                        log.lock().unwrap().push(request.clone());
                        write(stream, answer(&request));
                    }
                });
            }
        });
        Self { url, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let method = words.next()?.to_string();
    let path = words.next()?.to_string();
    let mut headers = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((_, value)) =
            line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        {
            length = value.trim().parse().ok()?;
        }
        headers.push_str(&line.to_ascii_lowercase());
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { method, path, headers, body: String::from_utf8_lossy(&body).into_owned() })
}

/// A client that has gone away is not the server's trouble.
fn write(mut stream: TcpStream, answer: Answer) {
    match answer {
        Answer::Bytes(bytes) => drop(stream.write_all(&bytes)),
        Answer::Endless(head) => {
            let zeros = [b'0'; 1 << 16];
            let mut more = stream.write_all(&head);
            while more.is_ok() {
                more = stream.write_all(&zeros);
            }
        }
        Answer::Close => {}
        Answer::Silence => {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
            let _ = stream.read(&mut [0]);
        }
    }
}
