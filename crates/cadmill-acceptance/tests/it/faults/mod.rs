//! What goes wrong around the mill in operation: workers that die or freeze, servers that are away,
//! disks that are full, people who click twice. Each test runs the built commands against a real
//! PostgreSQL and a real Redis, and ends with the same check of everything that is left.

mod api;
mod cancelled;
mod check;
mod cluster;
mod disk;
mod double_click;
mod double_click_http;
mod failpoints;
mod follower;
mod frozen;
mod full_disk;
pub(crate) mod kernel;
mod postgres_away;
mod power_cut;
mod redis_away;
mod redis_client;
mod service_away;
mod site;
mod start;
mod terminated;
mod wakes;
pub(crate) mod workers;

use std::{
    thread,
    time::{Duration, Instant},
};

/// Only a failing test waits this long.
const LONG: Duration = Duration::from_mins(2);

/// Looks again and again until it is so.
#[track_caller]
pub(crate) fn eventually(what: &str, is_so: impl FnMut() -> bool) {
    within(LONG, what, is_so);
}

/// The same for what may take longer.
#[track_caller]
#[expect(
    clippy::disallowed_methods,
    reason = "other processes do not tell when it is so"
)]
fn within(limit: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < limit, "not within {limit:?}: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
