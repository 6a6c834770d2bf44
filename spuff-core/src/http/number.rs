//! Numbers from outside, and sums of durations: any input yields a value that is safe to compute
//! with.
//!
//! Numbers in headers, options and keys are parsed only here.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// The longest duration in use: anything longer is as good as never.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 86_400);
/// The slowest and the fastest pace of a cloud's time.
const PACES: (f64, f64) = (1e-6, 1e9);

/// Parses a number that is not negative.
fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number| *number >= 0.0)
}

/// Parses a count.
pub(crate) fn count(text: &str) -> Option<u32> {
    // A cast saturates at the limits of its type.
    number(text).map(|number| number as u32)
}

/// Parses a number of seconds.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    number(text).map(time)
}

/// The time until a moment in seconds since 1970; zero if it has passed.
pub(crate) fn until(text: &str, now: SystemTime) -> Option<Duration> {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    number(text).map(|at| time(at - now.as_secs_f64()))
}

/// Limits a pace to [`PACES`]; infinite if nothing is counted.
pub(super) fn pace(pace: f64) -> f64 {
    if pace.is_infinite() { pace } else { pace.clamp(PACES.0, PACES.1) }
}

/// Converts seconds to a duration from zero to [`LONGEST`].
pub(super) fn time(seconds: f64) -> Duration {
    if seconds > 0.0 {
        Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST).min(LONGEST)
    } else {
        Duration::ZERO
    }
}

/// Multiplies a duration.
pub(crate) fn times(duration: Duration, factor: f64) -> Duration {
    time(duration.as_secs_f64() * factor)
}

/// Adds at most [`LONGEST`] to a moment.
pub(crate) fn later(now: Instant, by: Duration) -> Instant {
    now + by.min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_from_outside_can_be_reckoned_with_whatever_they_are() {
        let second = Duration::from_secs(1);
        let now = UNIX_EPOCH + 1_800_000_000 * second;
        for (text, expected) in [
            ("0", Some((0, Duration::ZERO))),
            (" 7 ", Some((7, 7 * second))),
            ("1.5", Some((1, Duration::from_millis(1500)))),
            ("4294967295", Some((u32::MAX, LONGEST))),
            ("18446744073709551615", Some((u32::MAX, LONGEST))),
            ("18446744073709551616", Some((u32::MAX, LONGEST))),
            ("1e19", Some((u32::MAX, LONGEST))),
            ("1e300", Some((u32::MAX, LONGEST))),
            ("inf", Some((u32::MAX, LONGEST))),
            ("1e-300", Some((0, Duration::ZERO))),
            ("-1", None),
            ("NaN", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(
                (count(text), seconds(text)),
                (expected.map(|told| told.0), expected.map(|told| told.1)),
                "{text}"
            );
            assert_eq!(until(text, now).is_some(), expected.is_some(), "{text}");
            let _ = seconds(text).map(|told| {
                (later(Instant::now(), told), times(told, 1e300), times(told, 1.0 / pace(1e-300)))
            });
        }
        assert_eq!(until("1800000007", now), Some(7 * second));
        assert_eq!(until("1799999999", now), Some(Duration::ZERO));
        assert_eq!(until("18446744073709551615", now), Some(LONGEST));
        assert!(
            later(Instant::now(), Duration::MAX) > Instant::now()
                && times(Duration::MAX, 1.5) == LONGEST
        );
        assert!(pace(f64::INFINITY).is_infinite() && pace(1e-300) > 0.0 && pace(1e300) < 1e10);
    }
}
