//! The remaining budget of an API's rate limit: pure arithmetic on the time that is passed in.
//!
//! A request is counted when its reply arrives, because the cloud has counted it by then at the
//! latest. Until then it counts as under way. So a gauge never shows more left than the cloud does.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::number;

/// How an API counts requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    /// At most `count` in any span of this length.
    Window { count: u32, span: Duration },
    /// A bucket of `burst` requests that refills by `per_second`.
    Bucket { burst: u32, per_second: f64 },
}

/// The limits on one kind of request.
#[derive(Debug, PartialEq)]
pub(crate) struct Budget {
    pub(crate) name: &'static str,
    /// The `ratelimit-` headers report the first, if the API sends them.
    pub(crate) limits: &'static [Limit],
}

/// The remaining budget of one limit.
#[derive(Debug)]
pub(super) struct Gauge {
    limit: Limit,
    /// For a bucket: its level, and the time of that level.
    level: f64,
    at: Instant,
    /// For a window: when the counted requests were sent.
    sent: VecDeque<Instant>,
    /// For a window: the requests of others with the same token, valid until `others_until`.
    others: u32,
    others_until: Instant,
}

impl Gauge {
    /// An unused limit. Time runs `pace` times as fast as the limit says.
    pub(super) fn new(limit: Limit, pace: f64, now: Instant) -> Self {
        let limit = match limit {
            Limit::Window { count, span } => {
                Limit::Window { count, span: number::times(span, 1.0 / pace) }
            }
            Limit::Bucket { burst, per_second } => {
                Limit::Bucket { burst, per_second: per_second * pace }
            }
        };
        let level = match limit {
            Limit::Window { .. } => 0.0,
            Limit::Bucket { burst, .. } => f64::from(burst),
        };
        Self { limit, level, at: now, sent: VecDeque::new(), others: 0, others_until: now }
    }

    /// How long until `count` more may be sent, besides those under way; zero if they may be sent
    /// now.
    pub(super) fn due(&mut self, count: u32, under_way: u32, now: Instant) -> Duration {
        self.pass(now);
        match self.limit {
            Limit::Bucket { burst, per_second } => {
                // A cost above the capacity takes a full bucket.
                let wanted = f64::from(count.min(burst)) + f64::from(under_way);
                let missing = wanted - self.level;
                if missing <= 0.0 { Duration::ZERO } else { number::time(missing / per_second) }
            }
            Limit::Window { count: limit, span } => {
                let used = u32::try_from(self.sent.len()).unwrap_or(u32::MAX);
                let over = (u64::from(count.min(limit))
                    + u64::from(under_way)
                    + u64::from(used)
                    + u64::from(self.others))
                .saturating_sub(u64::from(limit));
                let Some(last) = usize::try_from(over).ok().and_then(|over| over.checked_sub(1))
                else {
                    return Duration::ZERO;
                };
                match self.sent.get(last) {
                    Some(sent) => number::later(*sent, span).saturating_duration_since(now),
                    // The reply to the next permitted request reports more.
                    None if self.others > 0 => {
                        self.others_until.saturating_duration_since(now).max(span / 60)
                    }
                    // Requests under way count for a full span once answered.
                    None => span,
                }
            }
        }
    }

    /// Counts requests whose reply has arrived.
    pub(super) fn spend(&mut self, count: u32, now: Instant) {
        self.pass(now);
        match self.limit {
            Limit::Bucket { burst, .. } => {
                self.level = (self.level - f64::from(count.min(burst))).max(0.0)
            }
            Limit::Window { .. } => self.sent.extend(std::iter::repeat_n(now, count as usize)),
        }
    }

    /// Applies a reply's headers: the limit, and what is left of it. `alone` is whether no other
    /// request was under way since that one was sent.
    pub(super) fn told(
        &mut self,
        limit: Option<u32>,
        left: u32,
        reset: Duration,
        alone: bool,
        now: Instant,
    ) {
        self.pass(now);
        if let Some(limit) = limit.filter(|limit| *limit > 0) {
            self.resize(limit);
        }
        match self.limit {
            // The reported value is rounded. Concurrent replies arrive out of order, so only a
            // lower level is believed then.
            Limit::Bucket { burst, .. } => {
                let left = f64::from(left.min(burst));
                let least = if alone { left } else { 0.0 };
                self.level = self.level.min(left + 1.0).max(least);
            }
            Limit::Window { count, .. } => {
                let used = u32::try_from(self.sent.len()).unwrap_or(u32::MAX);
                self.others = count.saturating_sub(left).saturating_sub(used);
                self.others_until = number::later(now, reset);
            }
        }
    }

    /// Whether none of it is used.
    pub(super) fn is_full(&mut self, now: Instant) -> bool {
        self.pass(now);
        match self.limit {
            Limit::Bucket { burst, .. } => self.level >= f64::from(burst),
            Limit::Window { .. } => self.sent.is_empty() && self.others == 0,
        }
    }

    /// The cloud reports that nothing is left.
    pub(super) fn refused(&mut self) {
        self.level = 0.0;
    }

    fn resize(&mut self, told: u32) {
        match &mut self.limit {
            Limit::Window { count, .. } => *count = told,
            Limit::Bucket { burst, per_second } => {
                *per_second *= f64::from(told) / f64::from(*burst);
                *burst = told;
            }
        }
    }

    /// The factor by which the reported limit exceeds the known one.
    pub(super) fn scale_of(&self, told: u32) -> f64 {
        let known = match self.limit {
            Limit::Window { count, .. } => count,
            Limit::Bucket { burst, .. } => burst,
        };
        f64::from(told) / f64::from(known.max(1))
    }

    /// Scales a limit that follows another one.
    pub(super) fn scale(&mut self, by: f64) {
        if by.is_normal()
            && (by - 1.0).abs() > f64::EPSILON
            && let Limit::Window { count, .. } | Limit::Bucket { burst: count, .. } = self.limit
        {
            self.resize((f64::from(count) * by).clamp(1.0, f64::from(u32::MAX)) as u32);
        }
    }

    fn pass(&mut self, now: Instant) {
        match self.limit {
            Limit::Bucket { burst, per_second } => {
                let passed = now.saturating_duration_since(self.at).as_secs_f64();
                self.level = passed.mul_add(per_second, self.level).min(f64::from(burst));
                self.at = now;
            }
            Limit::Window { count, span } => {
                while self.sent.front().is_some_and(|sent| number::later(*sent, span) <= now) {
                    self.sent.pop_front();
                }
                if self.others > 0 && self.others_until <= now {
                    // One request may now be sent to learn the remaining count.
                    let used = u32::try_from(self.sent.len()).unwrap_or(u32::MAX);
                    self.others = self.others.min(count.saturating_sub(used).saturating_sub(1));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const WINDOW: Limit = Limit::Window { count: 3, span: Duration::from_secs(60) };
    const BUCKET: Limit = Limit::Bucket { burst: 3, per_second: 0.5 };

    #[test]
    fn a_window_counts_from_the_reply() {
        let began = Instant::now();
        let mut gauge = Gauge::new(WINDOW, 1.0, began);
        assert_eq!(gauge.due(3, 0, began), Duration::ZERO);
        assert_eq!(gauge.due(1, 3, began), 60 * SECOND);
        gauge.spend(1, began + SECOND);
        gauge.spend(2, began + 5 * SECOND);
        let now = began + 10 * SECOND;
        assert_eq!(gauge.due(1, 0, now), 51 * SECOND);
        assert_eq!(gauge.due(2, 0, now), 55 * SECOND);
        assert_eq!(gauge.due(1, 0, began + 61 * SECOND), Duration::ZERO);
        assert_eq!(gauge.due(2, 0, began + 61 * SECOND), 4 * SECOND);
    }

    #[test]
    fn a_bucket_fills_again() {
        let began = Instant::now();
        let mut gauge = Gauge::new(BUCKET, 1.0, began);
        assert_eq!((gauge.due(3, 0, began), gauge.due(1, 3, began)), (Duration::ZERO, 2 * SECOND));
        gauge.spend(3, began);
        assert_eq!(gauge.due(1, 0, began + SECOND), SECOND);
        assert_eq!(gauge.due(2, 0, began + SECOND), 3 * SECOND);
        assert_eq!(
            gauge.due(100, 0, began + 60 * SECOND),
            Duration::ZERO,
            "more than it holds empty a full one"
        );
        // A request sent at the start and answered late has not let the bucket overfill meanwhile.
        let mut late = Gauge::new(BUCKET, 1.0, began);
        late.spend(3, began + 10 * SECOND);
        assert_eq!(late.due(1, 0, began + 10 * SECOND), 2 * SECOND);
    }

    #[test]
    fn time_may_go_faster() {
        let now = Instant::now();
        let mut window = Gauge::new(WINDOW, 60.0, now);
        window.spend(3, now);
        assert_eq!(window.due(1, 0, now), SECOND);
        let mut bucket = Gauge::new(BUCKET, 60.0, now);
        bucket.spend(3, now);
        assert!(bucket.due(1, 0, now) < SECOND / 29);
    }

    #[test]
    fn what_others_have_used_is_believed_and_then_asked_again() {
        let now = Instant::now();
        let mut window = Gauge::new(WINDOW, 1.0, now);
        window.spend(1, now);
        window.told(None, 0, 20 * SECOND, true, now);
        assert_eq!(
            window.due(1, 0, now),
            60 * SECOND,
            "its own request is the first that it knows to expire"
        );
        let mut strange = Gauge::new(WINDOW, 1.0, now);
        strange.told(None, 0, 20 * SECOND, true, now);
        assert_eq!(strange.due(1, 0, now), 20 * SECOND);
        let later = now + 20 * SECOND;
        assert_eq!(strange.due(1, 0, later), Duration::ZERO, "one may ask");
        assert!(strange.due(2, 0, later) > Duration::ZERO, "but only one");

        let mut bucket = Gauge::new(BUCKET, 1.0, now);
        bucket.told(None, 0, SECOND, true, now);
        assert_eq!(bucket.due(2, 0, now), 2 * SECOND, "one more than is told, as that is rounded");
        bucket.told(None, 3, SECOND, false, now);
        assert_eq!(
            bucket.due(2, 0, now),
            2 * SECOND,
            "more is not believed while others are under way"
        );
        bucket.told(None, 3, SECOND, true, now);
        assert_eq!(bucket.due(3, 0, now), Duration::ZERO);
        bucket.refused();
        assert_eq!(bucket.due(1, 0, now), 2 * SECOND);
    }

    #[test]
    fn a_larger_limit_is_taken_over() {
        let now = Instant::now();
        let mut bucket = Gauge::new(BUCKET, 1.0, now);
        bucket.spend(3, now);
        bucket.told(Some(6), 0, SECOND, true, now);
        assert_eq!(bucket.due(1, 0, now), SECOND, "twice as much comes again");
        let mut window = Gauge::new(WINDOW, 1.0, now);
        assert!((window.scale_of(6) - 2.0).abs() < 1e-9);
        window.scale(2.0);
        assert_eq!((window.due(6, 0, now), window.due(6, 1, now)), (Duration::ZERO, 60 * SECOND));
    }
}
