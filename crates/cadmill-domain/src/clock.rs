//! The time of day, as something that is handed in.

use std::fmt;

use chrono::{DateTime, SubsecRound as _, Utc};

/// A moment, to the microsecond: what every database keeps.
pub type Moment = DateTime<Utc>;

/// Tells the time of day.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time now, to the microsecond.
    fn now(&self) -> Moment;
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
    fn now(&self) -> Moment {
        Utc::now().trunc_subsecs(6)
    }
}
