//! When a delivery is tried again.

use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use reqwest::header::{HeaderMap, RETRY_AFTER};

use cadmill_domain::Moment;

/// The wait after the first try.
const FIRST: Duration = Duration::from_secs(5);
/// By how much it grows with each further try.
const GROWTH: u32 = 3;
/// The longest wait that we choose.
const LONGEST: Duration = Duration::from_hours(6);
/// The longest wait that a receiver may choose.
const MAX_REQUESTED: TimeDelta = TimeDelta::hours(24);

/// The wait after try number `attempt` (from 1) failed: 5 s, three times as long after each further
/// one, at most 6 h; shortened by up to a half by chance, so that a thousand deliveries do not come
/// back at once.
pub(super) fn jittered(attempt: u32) -> TimeDelta {
    let wait = full(attempt).mul_f64(rand::random_range(0.5..=1.0));
    TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX)
}

fn full(attempt: u32) -> Duration {
    let times = GROWTH.saturating_pow(attempt.saturating_sub(1));
    FIRST.saturating_mul(times).min(LONGEST)
}

/// The wait that an answer asks for by `Retry-After` (RFC 9110, section 10.2.3): seconds or a date.
pub(super) fn asked_for(headers: &HeaderMap, now: Moment) -> Option<TimeDelta> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = text.parse::<u32>() {
        TimeDelta::seconds(seconds.into())
    } else {
        DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now
    };
    Some(wait.clamp(TimeDelta::zero(), MAX_REQUESTED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_differ() {
        for attempt in 1..40 {
            let wait = jittered(attempt).to_std().unwrap();
            assert!(
                wait <= full(attempt) && wait >= full(attempt) / 2,
                "{attempt}: {wait:?}"
            );
        }
        assert_eq!(full(1), Duration::from_secs(5));
        assert_eq!(full(2), Duration::from_secs(15));
        assert_eq!(full(8), Duration::from_secs(10_935));
        assert_eq!(full(9), LONGEST);
        assert_eq!(full(u32::MAX), LONGEST);
        assert_ne!(jittered(9), jittered(9));
    }

    #[track_caller]
    fn check(text: &str, expected: Option<i64>) {
        let now = "2026-01-01T12:00:00Z".parse().unwrap();
        let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
        assert_eq!(
            asked_for(&headers, now),
            expected.map(TimeDelta::seconds),
            "{text}"
        );
    }

    #[test]
    fn a_receiver_may_ask_for_a_wait() {
        check("120", Some(120));
        check("0", Some(0));
        check("4000000000", Some(86_400));
        check("Thu, 01 Jan 2026 12:01:30 GMT", Some(90));
        check("Thu, 01 Jan 2026 11:00:00 GMT", Some(0));
        check("Fri, 01 Jan 2027 12:00:00 GMT", Some(86_400));
        check("-5", None);
        check("soon", None);
        check("", None);
        assert_eq!(asked_for(&HeaderMap::new(), Moment::default()), None);
    }
}
