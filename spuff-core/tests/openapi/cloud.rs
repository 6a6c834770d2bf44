//! A server that answers as a description says, and takes down what is wrong with the requests.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::document::{Document, Sent};
use super::example::Examples;
use super::schema::violations;

/// What a change to an example can go by.
pub(super) struct Asked<'a> {
    pub(super) sent: &'a Sent,
    pub(super) examples: &'a Examples,
    /// How often each operation was asked for before.
    before: &'a BTreeMap<String, usize>,
}

impl Asked<'_> {
    pub(super) fn before(&self, operation: &str) -> usize {
        self.before.get(operation).copied().unwrap_or_default()
    }
}

/// Examples stand still, and a provider that waits for a change would wait for ever.
pub(super) type Change = fn(&Asked<'_>, &mut Value);

pub(super) struct Cloud {
    server: MockServer,
    log: Arc<Mutex<Log>>,
}

#[derive(Default)]
struct Log {
    operations: BTreeMap<String, usize>,
    violations: BTreeSet<String>,
}

struct Responder {
    document: Document,
    changes: HashMap<&'static str, Change>,
    log: Arc<Mutex<Log>>,
}

impl Cloud {
    /// The examples of the operations named in `changes` are changed before they are sent.
    pub(super) async fn start(document: Document, changes: &[(&'static str, Change)]) -> Self {
        let log = Arc::default();
        let responder = Responder {
            document,
            changes: changes.iter().copied().collect(),
            log: Arc::clone(&log),
        };
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(responder).mount(&server).await;
        Self { server, log }
    }

    pub(super) fn uri(&self) -> String {
        self.server.uri()
    }

    /// Ends with a list of every violation if there is one, or if other operations than these were
    /// asked for.
    pub(super) fn assert_asked_for(self, operations: &[&str]) {
        let mut log = self.log.lock().unwrap();
        let violations = std::mem::take(&mut log.violations);
        assert!(violations.is_empty(), "the description is violated:\n{}", lines(violations));
        let asked: BTreeSet<_> = log.operations.keys().map(String::as_str).collect();
        assert_eq!(asked, operations.iter().copied().collect());
    }
}

/// A test that fails before its end tells what may be the reason.
impl Drop for Cloud {
    #[allow(clippy::print_stderr, reason = "shown for tests that fail")]
    fn drop(&mut self) {
        let log = &mut self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if std::thread::panicking() && !log.violations.is_empty() {
            eprintln!(
                "the description is violated:\n{}",
                lines(std::mem::take(&mut log.violations))
            );
        }
    }
}

fn lines(violations: BTreeSet<String>) -> String {
    violations.into_iter().collect::<Vec<_>>().join("\n")
}

impl Respond for Responder {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let sent = &Sent::from(request);
        let mut log = self.log.lock().unwrap();
        log.violations.extend(self.document.violations(sent));
        let Some(operation) = self.document.operation(sent) else {
            return ResponseTemplate::new(400);
        };
        let success = self.document.success(&operation);
        let mut reply = ResponseTemplate::new(success.status);
        if let Some((examples, validator)) = &success.content {
            let mut body = examples.first();
            if let Some(change) = self.changes.get(operation.id) {
                change(&Asked { sent, examples, before: &log.operations }, &mut body);
            }
            // A change must not make of an example what the API would never send.
            let wrong = violations(validator, &body);
            log.violations.extend(
                wrong.into_iter().map(|wrong| format!("reply of {}: {wrong}", operation.id)),
            );
            reply = reply.set_body_json(body);
        }
        *log.operations.entry(operation.id.to_string()).or_default() += 1;
        reply
    }
}
