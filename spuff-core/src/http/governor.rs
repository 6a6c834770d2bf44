//! The rate limiter of an account: one for all clients of a process with the same endpoint and
//! token.
//!
//! A request is admitted at once while budget is left, else it is queued. Writes go before reads,
//! three to one, so that neither waits forever; each queue is first in, first out. A turn is handed
//! over when it is due, so a future that is not polled delays no other.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::debug;

use super::budget::{Budget, Gauge};
use super::call::Class;
use super::number;
use crate::clock;

/// This many writes are admitted before a waiting read.
const WRITES_BEFORE_A_READ: u32 = 3;
/// How long requests pause after a rate-limit refusal that states no delay.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);
/// The longest time for which headers are believed: they report when the oldest request expires,
/// not all.
const HEADER_MAX_AGE: Duration = Duration::from_secs(60);
/// From this many meters on, a full and unused one is reused for another place; far more than a
/// cloud has.
const MOST: usize = 1000;
/// Added to a computed wait, because a turn may come slightly later than computed.
const AGAIN: Duration = Duration::from_millis(1);

/// The cost of a call: a part of a budget, which an API may count separately per place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost<'a> {
    pub(crate) place: &'a str,
    pub(crate) budget: &'static Budget,
    pub(crate) count: u32,
}

/// The cost of a call in its budgets, the narrowest first; the headers report the last one.
pub(crate) type Costs<'a> = [Option<Cost<'a>>; 2];

/// The rate limiter of one account.
#[derive(Debug)]
pub(crate) struct Governor {
    /// How many times faster than the real cloud's time this one's runs; infinite if nothing is
    /// counted.
    pace: f64,
    meters: Mutex<Vec<Meter>>,
}

/// One budget at one place.
#[derive(Debug)]
struct Meter {
    place: String,
    budget: &'static Budget,
    gauges: Vec<Gauge>,
    under_way: u32,
    /// How many turns were handed over.
    turns: u64,
    held_until: Option<Instant>,
    writes: VecDeque<Waiter>,
    reads: VecDeque<Waiter>,
    writes_in_a_row: u32,
    next_ticket: u64,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    drawn: Drawn,
    turn: oneshot::Sender<Permit>,
}

/// The position of each meter, and the amount drawn from it.
type Drawn = [Option<(usize, u32)>; 2];

/// Permission to send one request, which is counted when this is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    governor: Option<Arc<Governor>>,
    drawn: Drawn,
    /// The turn number in the budget that the headers report, if no other request was under way.
    alone: Option<u64>,
}

impl Governor {
    pub(crate) fn new(pace: f64) -> Self {
        Self { pace: number::pace(pace), meters: Mutex::default() }
    }

    /// Scales a duration of the real cloud to this one's clock.
    pub(crate) fn paced(&self, time: Duration) -> Duration {
        number::times(time, 1.0 / self.pace)
    }

    /// Waits for permission to send.
    ///
    /// # Errors
    /// The expected wait, if it is longer than `patience`.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        rate_cost: Costs<'_>,
        class: Class,
        patience: Duration,
        on_wait: impl FnOnce(Duration),
    ) -> Result<Permit, Duration> {
        let free = Permit { governor: None, drawn: [None, None], alone: None };
        if self.pace.is_infinite() {
            return Ok(free);
        }
        let began = Instant::now();
        let (first, ticket, mut turn) = {
            let mut meters = self.meters();
            let drawn = drawn(&mut meters, rate_cost, self.pace, began);
            let Some(first) = drawn[0].or(drawn[1]).map(|(meter, _)| meter) else {
                return Ok(free);
            };
            let queue_is_empty = meters[first].writes.is_empty() && meters[first].reads.is_empty();
            if queue_is_empty && due(&mut meters, &drawn, 0, began).is_zero() {
                return Ok(self.permit(&mut meters, drawn));
            }
            let (hand_over, turn) = oneshot::channel();
            let ticket = meters[first].enqueue(class, drawn, hand_over);
            (first, ticket, turn)
        };
        let mut on_wait = Some(on_wait);
        loop {
            self.hand_out(first);
            let now = Instant::now();
            let due = expected(&mut self.meters(), first, class, ticket, now);
            let left = patience.saturating_sub(now - began);
            if let Some(due) = due.filter(|due| *due > left) {
                return Err(due);
            }
            let due = due.unwrap_or_default();
            if let Some(on_wait) = on_wait.take_if(|_| due >= DEFAULT_RETRY_AFTER) {
                on_wait(due);
            }
            tokio::select! {
                biased;
                turn = &mut turn => return turn.map_err(|_| due),
                () = tokio::time::sleep(due + AGAIN) => {}
            }
        }
    }

    /// Whether `more` such requests and this one could be sent at once, and none is queued.
    pub(crate) fn has_left(&self, rate_cost: Costs<'_>, more: u32) -> bool {
        if self.pace.is_infinite() {
            return true;
        }
        let mut meters = self.meters();
        let now = Instant::now();
        let drawn = drawn(&mut meters, rate_cost, self.pace, now);
        let is_free = |(meter, _): &(usize, u32)| {
            meters[*meter].writes.is_empty() && meters[*meter].reads.is_empty()
        };
        drawn.iter().flatten().all(is_free) && due(&mut meters, &drawn, more, now).is_zero()
    }

    /// Hands turns to the waiters in order, while budget is left.
    fn hand_out(self: &Arc<Self>, first: usize) {
        let mut turns = Vec::new();
        {
            let mut meters = self.meters();
            let now = Instant::now();
            while let Some(class) = meters[first].whose_turn() {
                let drawn = meters[first].queue(class)[0].drawn;
                if !due(&mut meters, &drawn, 0, now).is_zero() {
                    break;
                }
                if let Some(waiter) = meters[first].dequeue(class) {
                    turns.push((waiter.turn, self.permit(&mut meters, drawn)));
                }
            }
        }
        // A permit whose waiter has left is dropped here, outside of the lock that its drop takes.
        for (hand_over, permit) in turns {
            drop(hand_over.send(permit));
        }
    }

    fn permit(self: &Arc<Self>, meters: &mut [Meter], drawn: Drawn) -> Permit {
        let mut alone = None;
        for (meter, count) in drawn.into_iter().flatten() {
            let meter = &mut meters[meter];
            meter.turns += 1;
            alone = (meter.under_way == 0).then_some(meter.turns);
            meter.under_way += count;
        }
        Permit { governor: Some(self.clone()), drawn, alone }
    }

    fn meters(&self) -> MutexGuard<'_, Vec<Meter>> {
        self.meters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Applies the limits in a reply's headers.
    pub(crate) fn told(&self, headers: &HeaderMap) {
        let Some(governor) = &self.governor else { return };
        let header = |name: &str| headers.get(name)?.to_str().ok();
        let Some(left) = header("ratelimit-remaining").and_then(number::count) else { return };
        let reset = header("ratelimit-reset").and_then(|at| number::until(at, clock::now()));
        let reset = governor
            .paced(reset.unwrap_or(DEFAULT_RETRY_AFTER).clamp(DEFAULT_RETRY_AFTER, HEADER_MAX_AGE));
        let mut meters = governor.meters();
        let Some((meter, count)) = self.drawn[1].or(self.drawn[0]) else { return };
        let meter = &mut meters[meter];
        let now = Instant::now();
        let limit = header("ratelimit-limit").and_then(number::count);
        let alone = self.alone == Some(meter.turns);
        let Some((told, derived)) = meter.gauges.split_first_mut() else { return };
        // The limit per minute scales with the one per hour.
        let scale = limit.map_or(1.0, |limit| told.scale_of(limit));
        derived.iter_mut().for_each(|gauge| gauge.scale(scale));
        // The headers already count this request; the gauge does not yet.
        told.told(limit, left.saturating_add(count), reset, alone, now);
    }

    /// Applies a rate-limit refusal: no request is sent for a while.
    pub(crate) fn refused(&self, retry_after: Option<Duration>) {
        let Some(governor) = &self.governor else { return };
        let until = number::later(
            Instant::now(),
            retry_after.unwrap_or_else(|| governor.paced(DEFAULT_RETRY_AFTER)).min(HEADER_MAX_AGE),
        );
        let mut meters = governor.meters();
        for (meter, _) in self.drawn.into_iter().flatten() {
            let meter = &mut meters[meter];
            debug!(
                budget = meter.budget.name,
                place = meter.place,
                "rate limit reached: pausing requests"
            );
            meter.held_until = meter.held_until.max(Some(until));
            meter.gauges.iter_mut().for_each(Gauge::refused);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(governor) = self.governor.take() else { return };
        let mut meters = governor.meters();
        let now = Instant::now();
        for (meter, count) in self.drawn.into_iter().flatten() {
            let meter = &mut meters[meter];
            meter.under_way -= count;
            meter.gauges.iter_mut().for_each(|gauge| gauge.spend(count, now));
        }
    }
}

impl Meter {
    fn enqueue(&mut self, class: Class, drawn: Drawn, turn: oneshot::Sender<Permit>) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.queue(class).push_back(Waiter { ticket, drawn, turn });
        ticket
    }

    fn queue(&mut self, class: Class) -> &mut VecDeque<Waiter> {
        if class == Class::Safe { &mut self.reads } else { &mut self.writes }
    }

    /// The class of the next waiter that has not left.
    fn whose_turn(&mut self) -> Option<Class> {
        for queue in [&mut self.writes, &mut self.reads] {
            while queue.front().is_some_and(|waiter| waiter.turn.is_closed()) {
                queue.pop_front();
            }
        }
        match (self.writes.is_empty(), self.reads.is_empty()) {
            (true, true) => None,
            (true, false) => Some(Class::Safe),
            (false, true) => Some(Class::Once),
            (false, false) if self.writes_in_a_row < WRITES_BEFORE_A_READ => Some(Class::Once),
            (false, false) => Some(Class::Safe),
        }
    }

    fn dequeue(&mut self, class: Class) -> Option<Waiter> {
        self.writes_in_a_row = if class == Class::Safe { 0 } else { self.writes_in_a_row + 1 };
        self.queue(class).pop_front()
    }
}

/// The meters that a call draws from: at most two.
fn drawn(meters: &mut Vec<Meter>, rate_cost: Costs<'_>, pace: f64, now: Instant) -> Drawn {
    let mut beside = None;
    rate_cost.map(|draw| {
        let draw = draw?;
        let at = position(meters, draw, beside, pace, now);
        beside = Some(at);
        Some((at, draw.count))
    })
}

/// The position of a cost's meter, which is added if new. `beside` is the other meter of the same
/// call, which must not be reused.
fn position(
    meters: &mut Vec<Meter>,
    draw: Cost<'_>,
    beside: Option<usize>,
    pace: f64,
    now: Instant,
) -> usize {
    let known = meters
        .iter()
        .position(|meter| std::ptr::eq(meter.budget, draw.budget) && meter.place == draw.place);
    known.unwrap_or_else(|| {
        let gauges = draw.budget.limits.iter().map(|limit| Gauge::new(*limit, pace, now)).collect();
        let meter = Meter {
            place: draw.place.to_string(),
            budget: draw.budget,
            gauges,
            under_way: 0,
            turns: 0,
            held_until: None,
            writes: VecDeque::new(),
            reads: VecDeque::new(),
            writes_in_a_row: 0,
            next_ticket: 0,
        };
        if let Some(spare) = spare(meters, beside, now) {
            meters[spare] = meter;
            return spare;
        }
        meters.push(meter);
        meters.len() - 1
    })
}

/// If there are many: the position of a meter that is unused, has no waiters, and is full.
fn spare(meters: &mut [Meter], beside: Option<usize>, now: Instant) -> Option<usize> {
    if meters.len() < MOST {
        return None;
    }
    let waiters = meters.iter().flat_map(|meter| meter.writes.iter().chain(&meter.reads));
    let mut in_use: HashSet<usize> =
        waiters.flat_map(|waiter| waiter.drawn).flatten().map(|(meter, _)| meter).collect();
    in_use.extend(beside);
    meters.iter_mut().enumerate().position(|(at, meter)| {
        let is_free = meter.under_way == 0 && meter.held_until.is_none_or(|until| until <= now);
        is_free && !in_use.contains(&at) && meter.gauges.iter_mut().all(|gauge| gauge.is_full(now))
    })
}

/// How long until this may be sent, after `before` others like it; zero if it may be sent now.
fn due(meters: &mut [Meter], drawn: &Drawn, before: u32, now: Instant) -> Duration {
    let mut longest = Duration::ZERO;
    for (meter, count) in drawn.iter().flatten() {
        let meter = &mut meters[*meter];
        let under_way = meter.under_way.saturating_add(before.saturating_mul(*count));
        let held =
            meter.held_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        let due = meter
            .gauges
            .iter_mut()
            .map(|gauge| gauge.due(*count, under_way, now))
            .max()
            .unwrap_or_default();
        longest = longest.max(held).max(due);
    }
    longest
}

/// How long until a waiter's turn, by those before it in its queue; `None` if its turn has come.
fn expected(
    meters: &mut [Meter],
    first: usize,
    class: Class,
    ticket: u64,
    now: Instant,
) -> Option<Duration> {
    let queue = meters[first].queue(class);
    let place = queue.binary_search_by_key(&ticket, |waiter| waiter.ticket).ok()?;
    let drawn = queue[place].drawn;
    let before = queue.iter().take(place).filter(|waiter| !waiter.turn.is_closed()).count();
    Some(due(meters, &drawn, u32::try_from(before).unwrap_or(u32::MAX), now))
}

#[cfg(test)]
mod tests;
