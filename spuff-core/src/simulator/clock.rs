//! The cloud's time: real, accelerated, or advanced by hand.
//!
//! The simulated clouds run no timers: each resource stores when it changes, and its state is
//! computed when a request reads it.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

/// An instant of the cloud's time.
pub(super) type Moment = DateTime<Utc>;

/// How a cloud's time passes. It starts at the host's time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Clock {
    /// At the speed of the host's clock.
    Real,
    /// This many times as fast: with `Fast(60.0)` a boot of 30 s takes 0.5 s. Clamped to the range
    /// from a millionth to a million.
    Fast(f64),
    /// Stands still until [`Cloud::advance`](super::Cloud::advance) moves it.
    Manual,
}

impl Clock {
    /// The speed relative to the host's clock.
    pub(super) fn factor(self) -> f64 {
        match self {
            Self::Fast(factor) if factor.is_nan() => 1.0,
            // A larger factor would skip centuries before anything is done.
            Self::Fast(factor) => factor.clamp(1e-6, 1e6),
            Self::Real => 1.0,
            Self::Manual => 0.0,
        }
    }
}

/// A running clock.
#[derive(Debug)]
pub(super) struct Time {
    began: (Moment, Instant),
    factor: f64,
    advanced: TimeDelta,
}

impl Time {
    pub(super) fn start(clock: Clock) -> Self {
        #[allow(clippy::disallowed_methods, reason = "a server's thread has no other clock")]
        Self {
            began: (crate::clock::utc(), Instant::now()),
            factor: clock.factor(),
            advanced: TimeDelta::zero(),
        }
    }

    pub(super) fn now(&self) -> Moment {
        let (moment, instant) = self.began;
        moment + times(instant.elapsed(), self.factor) + self.advanced
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.advanced = self.advanced.checked_add(&delta(by)).unwrap_or(CENTURIES).min(CENTURIES);
    }
}

const CENTURIES: TimeDelta = TimeDelta::weeks(52 * 500);

/// The same duration, capped at 500 years.
pub(super) fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(CENTURIES).min(CENTURIES)
}

/// The duration times `factor`, capped at 500 years.
pub(super) fn times(duration: Duration, factor: f64) -> TimeDelta {
    let seconds = (duration.as_secs_f64() * factor).max(0.0);
    delta(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_by_hand() {
        let mut time = Time::start(Clock::Manual);
        let began = time.now();
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(time.now(), began);
        time.advance(Duration::from_secs(90));
        assert_eq!(time.now() - began, TimeDelta::seconds(90));
    }

    #[test]
    fn a_clock_that_is_sent_far_ahead_stays_in_range() {
        let mut time = Time::start(Clock::Fast(f64::MAX));
        for _ in 0..1000 {
            time.advance(Duration::MAX);
        }
        assert!(time.now() > time.began.0);
        assert_eq!(
            (times(Duration::MAX, f64::MAX), times(Duration::MAX, f64::NAN)),
            (CENTURIES, TimeDelta::zero())
        );
    }

    #[test]
    fn a_fast_clock_goes_faster_than_a_real_one() {
        let fast = Time::start(Clock::Fast(1000.0));
        let real = Time::start(Clock::Real);
        std::thread::sleep(Duration::from_millis(5));
        let passed = |time: &Time| time.now() - time.began.0;
        let really = passed(&real);
        assert!(passed(&fast) > really * 100);
        assert!(really >= TimeDelta::milliseconds(5));
    }
}
