//! Waiting for what other processes do.

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

/// Only a failing test waits this long.
const DEFAULT_LIMIT: Duration = Duration::from_mins(2);
/// How long to wait between two looks.
const INTERVAL: Duration = Duration::from_millis(50);

/// Waits until a condition holds, and fails after two minutes.
///
/// **The condition must stay true once it is.** It is looked at a few times in a second, on a busy
/// machine less often, so a moment is missed. For a number that grows use [`eventually_at_least`].
///
/// # Panics
/// If it does not hold in time.
#[track_caller]
pub fn eventually(what: &str, condition: impl FnMut() -> bool) {
    within(DEFAULT_LIMIT, what, condition);
}

/// The same for what may take longer.
///
/// # Panics
/// If it does not hold in time.
#[track_caller]
pub fn within(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let holds = poll(limit, || condition().then_some(()));
    assert!(holds.is_some(), "not within {limit:?}: {what}");
}

/// Waits until a number that only grows has reached `minimum`, and fails after two minutes.
///
/// # Panics
/// If it is not reached in time; the message has the number.
#[track_caller]
pub fn eventually_at_least<T>(what: &str, minimum: T, mut number: impl FnMut() -> T)
where
    T: Copy + PartialOrd + fmt::Debug,
{
    let reached = poll(DEFAULT_LIMIT, || (number() >= minimum).then_some(()));
    if reached.is_none() {
        let number = number();
        panic!("not within {DEFAULT_LIMIT:?}: {what}: {number:?} instead of {minimum:?}");
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "other processes do not say when it is so"
)]
fn poll(limit: Duration, mut look: impl FnMut() -> Option<()>) -> Option<()> {
    let since = Instant::now();
    loop {
        match look() {
            None if since.elapsed() < limit => thread::sleep(INTERVAL),
            found => return found,
        }
    }
}
