//! A clock for tests.

use std::sync::Mutex;

use chrono::TimeDelta;

use super::locked;
use crate::{Clock, Moment};

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock(Mutex<Moment>);

impl ManualClock {
    /// A clock that shows noon of the first day of 2026.
    #[must_use]
    pub fn new() -> Self {
        let noon = "2026-01-01T12:00:00Z".parse();
        Self(Mutex::new(noon.unwrap_or_default()))
    }

    /// Moves it forward.
    pub fn advance(&self, by: TimeDelta) {
        *locked(&self.0) += by;
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        *locked(&self.0)
    }
}
