//! How long to wait before something is tried again.

use std::time::Duration;

use chrono::TimeDelta;

/// The first wait for work that failed for a reason that may pass.
const FIRST: Duration = Duration::from_secs(5);
/// The longest.
const LONGEST: Duration = Duration::from_mins(10);

/// The wait before work is tried again that failed `tries` times: from 5 s doubled up to 10 min,
/// shortened by up to a half by chance, so that a thousand files do not come back at once.
pub(crate) fn jittered(tries: u32) -> TimeDelta {
    let wait = doubled(FIRST, tries).min(LONGEST);
    let wait = wait.mul_f64(rand::random_range(0.5..=1.0));
    TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX)
}

/// The wait before the database is asked again: from 0.1 s doubled up to 2 s.
pub(crate) fn short(tries: u32) -> Duration {
    doubled(Duration::from_millis(100), tries).min(Duration::from_secs(2))
}

fn doubled(first: Duration, times: u32) -> Duration {
    first.saturating_mul(1 << times.min(16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_differ() {
        for tries in 0..40 {
            let full = doubled(FIRST, tries).min(LONGEST);
            let wait = jittered(tries).to_std().unwrap();
            assert!(wait <= full && wait >= full / 2, "{tries}: {wait:?}");
        }
        assert_ne!(jittered(10), jittered(10));
        assert_eq!(short(0), Duration::from_millis(100));
        assert_eq!(short(1000), Duration::from_secs(2));
    }
}
