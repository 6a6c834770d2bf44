//! The calendar time. Durations are measured by tokio's clock, which a test can pause.
//!
//! Only this module reads the system's clock: a simulation has its own calendar, which follows
//! tokio's clock.

#![allow(clippy::disallowed_methods, reason = "the one place that asks")]

use std::time::SystemTime;

use chrono::{DateTime, Utc};

/// The current time.
pub(crate) fn now() -> SystemTime {
    #[cfg(feature = "simulation")]
    if let Some(now) = calendar::now() {
        return now.into();
    }
    SystemTime::now()
}

/// As [`now`], as a date.
pub(crate) fn utc() -> DateTime<Utc> {
    now().into()
}

#[cfg(feature = "simulation")]
pub(crate) mod calendar {
    use std::cell::Cell;

    use chrono::{DateTime, TimeDelta, Utc};
    use tokio::time::Instant;

    thread_local! {
        static SIMULATED: Cell<Option<(Instant, DateTime<Utc>)>> = const { Cell::new(None) };
    }

    /// Sets this thread's calendar to a time, until dropped.
    pub(crate) struct Simulated(());

    impl Simulated {
        pub(crate) fn begin(at: DateTime<Utc>) -> Self {
            SIMULATED.set(Some((Instant::now(), at)));
            Self(())
        }

        /// Moves it forward or back, as a computer does that corrects its clock.
        pub(crate) fn step(&self, by: TimeDelta) {
            SIMULATED.set(SIMULATED.get().map(|(began, at)| (began, at + by)));
        }
    }

    impl Drop for Simulated {
        fn drop(&mut self) {
            SIMULATED.set(None);
        }
    }

    pub(super) fn now() -> Option<DateTime<Utc>> {
        let (began, at) = SIMULATED.get()?;
        Some(at + TimeDelta::from_std(began.elapsed()).unwrap_or_default())
    }

    #[cfg(test)]
    mod tests {
        use std::time::Duration;

        use super::*;

        #[tokio::test(start_paused = true)]
        async fn a_simulated_calendar_goes_with_the_clock_and_can_be_set() {
            let began = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
            let calendar = Simulated::begin(began);
            tokio::time::advance(Duration::from_secs(90)).await;
            assert_eq!(crate::clock::utc(), began + TimeDelta::seconds(90));
            calendar.step(TimeDelta::seconds(-100));
            assert_eq!(crate::clock::utc(), began - TimeDelta::seconds(10));
            drop(calendar);
            assert!(crate::clock::utc() > began + TimeDelta::days(365), "the system's again");
        }
    }
}
