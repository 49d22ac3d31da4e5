//! What stands in Redis under a key: `cadmill|{token}|{ms since 1970}|{who}`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{Holder, LeaseToken};

/// The value of a key that `who` acquires now.
pub(super) fn value(token: LeaseToken, since: SystemTime, who: &str) -> String {
    let since = since.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}{}|{who}", prefix(token), since.as_millis())
}

/// What only the value of this token begins with.
pub(super) fn prefix(token: LeaseToken) -> String {
    format!("cadmill|{token}|")
}

/// Whose `value` it is. Other workers store what they like, and are known by that.
pub(super) fn holder(value: &[u8], time_left: Option<Duration>) -> Holder {
    let value = String::from_utf8_lossy(value);
    let ours = value.strip_prefix("cadmill|").and_then(|rest| {
        let (_token, rest) = rest.split_once('|')?;
        let (since, who) = rest.split_once('|')?;
        let since = Duration::from_millis(since.parse().ok()?);
        Some((who.to_owned(), UNIX_EPOCH.checked_add(since)?))
    });
    let (who, since) = match ours {
        Some((who, since)) => (who, Some(since)),
        None => (value.into_owned(), None),
    };
    Holder {
        who,
        since,
        time_left,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Lease, LockKey};

    #[test]
    fn our_holder_is_read_back() {
        let token = Lease::fresh(LockKey::new("key")).token();
        let since = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        for who in ["worker 1", "", "a|b", "Grüße"] {
            let value = value(token, since, who);
            assert!(value.starts_with(&prefix(token)));
            let holder = holder(value.as_bytes(), None);
            assert_eq!(holder.who, who);
            assert_eq!(holder.since, Some(since));
        }
    }

    #[test]
    fn a_foreign_holder_is_known_by_its_value() {
        let values = ["1", "", "worker@host", "cadmill|", "cadmill|t|x|who"];
        for value in values {
            let holder = holder(value.as_bytes(), Some(Duration::from_secs(1)));
            assert_eq!(holder.who, value);
            assert_eq!(holder.since, None);
        }
        assert_eq!(holder(b"\xff\xfe", None).who, "\u{fffd}\u{fffd}");
    }
}
