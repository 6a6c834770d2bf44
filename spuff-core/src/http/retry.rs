//! Decides whether and when to send again, by the failure and by the effect of sending twice.

use std::time::{Duration, SystemTime};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use http::HeaderMap;

use super::call::{Class, Failure};
use super::errand::Deadline;
use super::number;
use crate::provider::error::ProviderError;
use crate::random;

/// The wait after a 429 that states no delay: the clouds refill by the second.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// How a create polls for a resource that it may have created.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadLag {
    pub(crate) poll_interval: Duration,
    /// How long a new resource, or one still being created, may be missing from the reads.
    pub(crate) consistency_delay: Duration,
}

/// The pauses between the attempts of one call.
pub(super) struct Backoff(ExponentialBackoff);

impl Backoff {
    pub(super) fn new() -> Self {
        let builder = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(20))
            .without_max_times();
        Self(builder.build())
    }

    /// How long to wait before sending again, or `None` if that is unsafe, not promising, or too
    /// late.
    pub(super) fn pause(
        &mut self,
        class: Class,
        failure: &Failure,
        deadline: Deadline,
    ) -> Option<Duration> {
        let error = failure.error();
        let safe = class != Class::Once || !matches!(failure, Failure::Unknown(_));
        // A conflict takes minutes to pass, not seconds: the wait loop retries it.
        let promising = error.is_transient() && !matches!(error, ProviderError::Conflict { .. });
        if !(safe && promising) {
            return None;
        }
        // Full jitter: anything from zero to the exponential delay.
        let jitter = number::times(self.0.next()?, random::part());
        let asked = match error {
            ProviderError::RateLimit { retry_after } => retry_after.unwrap_or(DEFAULT_RETRY_AFTER),
            _ => error.retry_after().unwrap_or_default(),
        };
        let pause = asked.saturating_add(jitter);
        (pause < deadline.remaining()).then_some(pause)
    }
}

/// The failure to report for a call that is given up. It is the previous one if the deadline cut
/// the last attempt to a timeout, so that the caller learns of a refused connection rather than of
/// the few milliseconds left for a retry.
pub(super) fn telling(
    class: Class,
    before: Option<Failure>,
    last: Failure,
    is_cut: bool,
) -> Failure {
    let says_less =
        is_cut && class != Class::Once && matches!(last.error(), ProviderError::Timeout { .. });
    before.filter(|_| says_less).unwrap_or(last)
}

/// The `Retry-After` header, in seconds or as a date.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    number::seconds(value).or_else(|| {
        let date = httpdate::parse_http_date(value).ok()?;
        Some(date.duration_since(now).unwrap_or_default().min(number::LONGEST))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::error::NetworkError;

    fn network() -> ProviderError {
        ProviderError::Network(NetworkError::new("broke off", "test"))
    }

    #[test]
    fn a_once_call_is_repeated_only_when_it_was_not_carried_out() {
        let limited = || ProviderError::RateLimit { retry_after: None };
        let table: [(Failure, bool, bool); 8] = [
            (Failure::NotSent(network()), true, true),
            (Failure::Rejected(limited()), true, true),
            (Failure::Rejected(ProviderError::conflict("locked", true)), false, false),
            (Failure::Rejected(ProviderError::conflict("taken", false)), false, false),
            (Failure::Rejected(ProviderError::capacity("none left")), false, false),
            (Failure::Unknown(network()), true, false),
            (Failure::Unknown(ProviderError::unavailable("502")), true, false),
            (Failure::Unknown(ProviderError::timeout("x", Duration::ZERO)), true, false),
        ];
        for (failure, safe, once) in table {
            let again = |class| {
                Backoff::new()
                    .pause(class, &failure, Deadline::after(Duration::from_secs(60)))
                    .is_some()
            };
            assert_eq!(again(Class::Safe), safe, "{failure:?}");
            assert_eq!(again(Class::Idempotent), safe, "{failure:?}");
            assert_eq!(again(Class::Once), once, "{failure:?}");
        }
    }

    #[test]
    fn a_wait_beyond_the_deadline_is_not_begun() {
        let failure = Failure::Rejected(ProviderError::RateLimit {
            retry_after: Some(Duration::from_secs(3600)),
        });
        assert_eq!(
            Backoff::new().pause(Class::Safe, &failure, Deadline::after(Duration::from_secs(60))),
            None
        );
    }

    #[test]
    fn an_attempt_that_was_cut_short_says_less_than_the_one_before_it() {
        let timeout = || Failure::Unknown(ProviderError::timeout("x", Duration::ZERO));
        let refused = || Some(Failure::NotSent(network()));
        let told = |class, before, last, is_cut| {
            matches!(telling(class, before, last, is_cut).error(), ProviderError::Network(_))
        };
        assert!(
            told(Class::Safe, refused(), timeout(), true)
                && told(Class::Idempotent, refused(), timeout(), true)
        );
        assert!(!told(Class::Safe, refused(), timeout(), false), "it had its time");
        assert!(!told(Class::Safe, None, timeout(), true), "there is no other");
        assert!(!told(Class::Once, refused(), timeout(), true), "it may have been carried out");
        let unavailable = Failure::Rejected(ProviderError::unavailable("503"));
        assert!(!told(Class::Safe, refused(), unavailable, true), "it says something");
    }

    #[test]
    fn pauses_grow_and_keep_what_the_cloud_asked_for() {
        let failure = Failure::Rejected(ProviderError::RateLimit {
            retry_after: Some(Duration::from_secs(3)),
        });
        let mut backoff = Backoff::new();
        for _ in 0..20 {
            let pause = backoff
                .pause(Class::Once, &failure, Deadline::after(Duration::from_secs(600)))
                .unwrap();
            assert!(
                pause >= Duration::from_secs(3) && pause <= Duration::from_secs(23),
                "{pause:?}"
            );
        }
    }

    #[test]
    fn reads_seconds_and_dates() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2026 07:28:00 GMT").unwrap();
        for (text, expected) in [
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("Wed, 21 Oct 2026 07:28:30 GMT", Some(30)),
            ("Wed, 21 Oct 2026 07:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("18446744073709551616", Some(number::LONGEST.as_secs())),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(http::header::RETRY_AFTER, text.parse().unwrap());
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{text}");
        }
    }
}
