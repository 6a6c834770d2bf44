//! Billing: the start, end and rounding of each charge.

use std::collections::HashMap;

use chrono::TimeDelta;

use super::super::clock::Moment;
use super::super::inspect::{BillLine, Kind};

/// The price of a resource while it exists.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Rate {
    pub(in super::super) currency: &'static str,
    /// Millionths of the currency per hour.
    pub(in super::super) micros_per_hour: u64,
    pub(in super::super) rounding: Rounding,
}

/// How billed time is rounded.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Rounding {
    /// Per hour begun.
    Hours,
    /// Per hour begun, at most this many hours in each 30 days.
    HoursUpTo(u64),
    /// Per second, at least a minute.
    Seconds,
    /// Per second, at least a minute and at least a hundredth of the currency.
    SecondsFromACent,
    /// Per second from the first start, at least a minute; free if it has never run.
    Running,
}

impl Rate {
    fn cost(&self, time: TimeDelta) -> u64 {
        let seconds = u64::try_from(time.num_seconds()).unwrap_or_default();
        let billed = match self.rounding {
            Rounding::Hours => (seconds / 3600 + 1) * 3600,
            Rounding::HoursUpTo(most) => {
                let hours = seconds / 3600 + 1;
                (hours / 720 * most + (hours % 720).min(most)) * 3600
            }
            Rounding::Running if time <= TimeDelta::zero() => 0,
            Rounding::Seconds | Rounding::SecondsFromACent | Rounding::Running => seconds.max(60),
        };
        let cost = self.micros_per_hour.saturating_mul(billed) / 3600;
        if matches!(self.rounding, Rounding::SecondsFromACent) { cost.max(10_000) } else { cost }
    }
}

#[derive(Debug)]
struct Charge {
    kind: Kind,
    id: u64,
    size: &'static str,
    from: Moment,
    until: Option<Moment>,
    rate: Rate,
}

/// All current and past charges.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    charges: Vec<Charge>,
    last_of: HashMap<(Kind, u64), usize>,
}

impl Ledger {
    pub(super) fn begin(
        &mut self,
        kind: Kind,
        id: u64,
        size: &'static str,
        from: Moment,
        rate: Rate,
    ) {
        self.last_of.insert((kind, id), self.charges.len());
        self.charges.push(Charge { kind, id, size, from, until: None, rate });
    }

    /// Ends a charge, unless it has already ended earlier.
    pub(super) fn end(&mut self, kind: Kind, id: u64, until: Moment) {
        if let Some(charge) =
            self.last_of.get(&(kind, id)).and_then(|charge| self.charges.get_mut(*charge))
        {
            charge.until = Some(charge.until.map_or(until, |before| before.min(until)));
        }
    }

    pub(super) fn lines(
        &self,
        provider: &'static str,
        ids: fn(Kind, u64) -> String,
        now: Moment,
    ) -> impl Iterator<Item = BillLine> {
        self.charges.iter().map(move |charge| {
            let until = charge.until.filter(|until| *until <= now);
            BillLine {
                provider: provider.to_string(),
                kind: charge.kind,
                id: ids(charge.kind, charge.id),
                size: charge.size.to_string(),
                from: charge.from,
                until,
                currency: charge.rate.currency.to_string(),
                micros: charge.rate.cost(until.unwrap_or(now) - charge.from),
            }
        })
    }
}
