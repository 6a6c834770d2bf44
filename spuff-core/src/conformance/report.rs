//! The results of the suite, as plain data.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// The results of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The provider's name.
    pub provider: String,
    /// The result of each check, in execution order.
    pub outcomes: Vec<Outcome>,
    /// The resources that the run made and could not destroy. They may cost money.
    pub left_behind: Vec<LeftBehind>,
    /// How long the run took.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub elapsed: Duration,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Outcome {
    /// The check's name.
    pub name: &'static str,
    /// Whether the provider fulfils this part of the contract.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// How long the check took.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub elapsed: Duration,
}

/// Whether a provider fulfils a part of the contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It does.
    Passed,
    /// It does not.
    Failed(Failure),
    /// This part does not apply to this provider.
    NotApplicable {
        /// Why not.
        reason: String,
    },
}

/// How a provider violates the contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Failure {
    /// The violated sentence of the contract.
    pub contract: &'static str,
    /// The observed behaviour.
    pub seen: String,
    /// The remedy for the provider's author.
    pub remedy: &'static str,
}

/// A resource that could not be destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LeftBehind {
    /// `instance` or `snapshot`.
    pub resource_type: &'static str,
    /// Its id.
    pub id: String,
    /// The check that made it, or found it.
    pub check: &'static str,
    /// Why it still exists.
    pub reason: String,
}

impl Report {
    /// Whether no check has failed and nothing was left behind.
    pub fn is_passed(&self) -> bool {
        self.failed().next().is_none() && self.left_behind.is_empty()
    }

    /// The checks that have failed.
    pub fn failed(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| matches!(outcome.verdict, Verdict::Failed(_)))
    }

    /// Returns the result of the check of that name.
    pub fn outcome(&self, name: &str) -> Option<&Outcome> {
        self.outcomes.iter().find(|outcome| outcome.name == name)
    }

    /// Panics unless the run [is passed](Self::is_passed); for tests.
    ///
    /// # Panics
    /// With the whole report, if a check failed or a resource was left behind.
    #[track_caller]
    pub fn assert_passed(&self) {
        assert!(self.is_passed(), "the provider violates the contract\n{self}");
    }

    fn count(&self, of: impl Fn(&Verdict) -> bool) -> usize {
        self.outcomes.iter().filter(|outcome| of(&outcome.verdict)).count()
    }
}

/// A table with one line per check, and three more per failed check.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passed = self.count(|verdict| *verdict == Verdict::Passed);
        let other = self.count(|verdict| matches!(verdict, Verdict::NotApplicable { .. }));
        let failed = self.failed().count();
        let seconds = self.elapsed.as_secs_f64();
        writeln!(
            f,
            "{}: {passed} passed, {failed} failed, {other} not applicable, in {seconds:.1} s",
            self.provider
        )?;
        for outcome in &self.outcomes {
            writeln!(f, "{outcome}")?;
        }
        for left in &self.left_behind {
            writeln!(f, "{left}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Passed => write!(f, "  passed  {}", self.name),
            Verdict::Failed(failure) => write!(f, "  FAILED  {}\n{failure}", self.name),
            Verdict::NotApplicable { reason } => write!(f, "  -       {}: {reason}", self.name),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { contract, seen, remedy } = self;
        write!(
            f,
            "          contract: {contract}\n          seen:     {seen}\n          to \
             do:    {remedy}"
        )
    }
}

impl fmt::Display for LeftBehind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "  LEFT BEHIND by {}: {} {}: {}",
            self.check, self.resource_type, self.id, self.reason
        )
    }
}

fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}
