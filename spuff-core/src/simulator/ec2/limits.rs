//! EC2's throttling: a token bucket of requests for each region and action, and buckets of
//! instances for launches and terminations.

use std::collections::HashMap;

use chrono::TimeDelta;

use super::super::backend::Bucket;
use super::super::clock::Moment;
use super::actions::{self, Pace};
use super::params::Params;

/// Maximum burst of instances that are launched or terminated.
const MACHINES: u32 = 1000;

/// The buckets that are in use.
#[derive(Debug, Default)]
pub(super) struct Limits(HashMap<(&'static str, &'static str), Bucket>);

impl Limits {
    /// Takes a request, or returns how long until one is available.
    pub(super) fn take(
        &mut self,
        params: &Params<'_>,
        region: &'static str,
        now: Moment,
    ) -> Result<(), TimeDelta> {
        let Some(action) = params.get("Action").and_then(actions::find) else { return Ok(()) };
        let (name, burst, refill) = match action.pace {
            Pace::Own(burst, refill) => (action.name, burst, refill),
            Pace::Describe if is_narrow(params, action.known) => (action.name, 100, 20),
            Pace::Describe => ("unfiltered and unpaginated", 50, 10),
        };
        self.draw((region, name), (burst, refill), 1, now)?;
        match action.name {
            "RunInstances" => {
                let count = params.number("MaxCount").ok().flatten().unwrap_or(1);
                self.draw((region, "launched"), (MACHINES, 2), count, now)
            }
            "TerminateInstances" => {
                let count = u32::try_from(params.list("InstanceId").len()).unwrap_or(u32::MAX);
                self.draw((region, "ended"), (MACHINES, 20), count, now)
            }
            _ => Ok(()),
        }
    }

    /// Takes a request of SSM.
    pub(super) fn take_parameter(
        &mut self,
        region: &'static str,
        now: Moment,
    ) -> Result<(), TimeDelta> {
        self.draw((region, "GetParameter"), (40, 40), 1, now)
    }

    fn draw(
        &mut self,
        of: (&'static str, &'static str),
        (burst, refill): (u32, u32),
        count: u32,
        now: Moment,
    ) -> Result<(), TimeDelta> {
        let bucket = self
            .0
            .entry(of)
            .or_insert_with(|| Bucket::new(f64::from(burst), f64::from(refill), now));
        bucket.take_many(f64::from(count), now)
    }
}

/// Whether the request has a page size, a filter or ids.
fn is_narrow(params: &Params<'_>, known: &[&str]) -> bool {
    known.iter().any(|name| !matches!(*name, "DryRun" | "NextToken") && params.has(name))
}
