//! The clock of the database, which all processes of a deployment share.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use cadmill_domain::{Clock, Moment, StoreError};
use chrono::{DateTime, SubsecRound as _, TimeDelta};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};
use tokio::time::{Instant, sleep};

use crate::{Database, error::store_error, watched::Watched};

/// How often the database is asked again.
const REMEASURE: Duration = Duration::from_mins(1);
/// How often it is asked in a row; the fastest answer is the most exact one.
const SAMPLES: usize = 3;
/// A smaller correction is not seen as time that goes back: the clock stands still meanwhile.
const MAX_STAND_STILL: TimeDelta = TimeDelta::seconds(5);

/// Shows the time of the database: what it said last, and the monotonic time since. The clock of
/// this machine is asked only for a SQLite file, which has no other.
///
/// The error is at most half of the fastest of three round trips, and what the monotonic clock
/// drifts in a minute.
#[derive(Debug)]
pub struct DatabaseClock {
    measured: RwLock<Measured>,
}

/// What the database said, and when.
#[derive(Debug, Clone, Copy)]
struct Measured {
    time: Moment,
    at: Instant,
    /// The latest time that was shown before this was measured.
    not_before: Moment,
}

impl Measured {
    fn now(&self) -> Moment {
        let since = TimeDelta::from_std(self.at.elapsed()).unwrap_or(TimeDelta::MAX);
        self.time
            .checked_add_signed(since)
            .unwrap_or(DateTime::<chrono::Utc>::MAX_UTC)
            .max(self.not_before)
            .trunc_subsecs(6)
    }
}

impl DatabaseClock {
    /// Measures the clock of `database`, and again each minute for as long as this is used. `system`
    /// is the clock of this machine.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn measure(
        database: &Database,
        system: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, StoreError> {
        let source = match database.postgres() {
            Some(_) => Source::Postgres(database.reading().clone()),
            None => Source::System(system),
        };
        let (time, at) = source.ask().await?;
        let clock = Arc::new(Self {
            measured: RwLock::new(Measured {
                time,
                at,
                not_before: DateTime::<chrono::Utc>::MIN_UTC,
            }),
        });
        let shared = Arc::downgrade(&clock);
        tokio::spawn(async move {
            loop {
                sleep(REMEASURE).await;
                let answer = source.ask().await;
                let Some(clock) = shared.upgrade() else {
                    return;
                };
                match answer {
                    Ok((time, at)) => clock.correct(time, at),
                    Err(error) => tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "the clock of the database could not be measured"
                    ),
                }
            }
        });
        Ok(clock)
    }

    /// Takes over a new measurement. Time does not go back for a small correction; a large one means
    /// that the clock of the database itself was set, and is followed.
    fn correct(&self, time: Moment, at: Instant) {
        let mut measured = self
            .measured
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let shown = measured.now();
        let mut new = Measured {
            time,
            at,
            not_before: DateTime::<chrono::Utc>::MIN_UTC,
        };
        let correction = new.now() - shown;
        if correction < TimeDelta::zero() && -correction <= MAX_STAND_STILL {
            new.not_before = shown;
        }
        if correction.abs() > MAX_STAND_STILL {
            tracing::warn!(
                clock.correction_ms = correction.num_milliseconds(),
                "the clock of the database was set"
            );
        }
        *measured = new;
    }
}

impl Clock for DatabaseClock {
    fn now(&self) -> Moment {
        let measured = self.measured.read();
        measured.unwrap_or_else(PoisonError::into_inner).now()
    }
}

/// Where the time comes from.
#[derive(Debug)]
enum Source {
    Postgres(Watched<DatabaseConnection>),
    System(Arc<dyn Clock>),
}

impl Source {
    /// The time, and the instant at which it was that.
    async fn ask(&self) -> Result<(Moment, Instant), StoreError> {
        let database = match self {
            Self::System(clock) => return Ok((clock.now(), Instant::now())),
            Self::Postgres(database) => database,
        };
        let question = "SELECT clock_timestamp() AS time";
        let question = Statement::from_string(DbBackend::Postgres, question);
        let missing = || StoreError::Unreadable("the database has no time".to_owned());
        let mut best: Option<(Duration, Moment, Instant)> = None;
        for _ in 0..SAMPLES {
            let asked = Instant::now();
            let answer = database.query_one_raw(question.clone()).await;
            let answer = answer.map_err(store_error)?.ok_or_else(missing)?;
            let round_trip = asked.elapsed();
            let time: Moment = answer.try_get("", "time").map_err(store_error)?;
            if best.is_none_or(|(fastest, ..)| round_trip < fastest) {
                best = Some((round_trip, time, asked + round_trip / 2));
            }
        }
        best.map(|(_, time, at)| (time, at)).ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> Moment {
        "2026-01-01T12:00:00Z".parse().unwrap()
    }

    fn clock() -> DatabaseClock {
        DatabaseClock {
            measured: RwLock::new(Measured {
                time: noon(),
                at: Instant::now(),
                not_before: DateTime::<chrono::Utc>::MIN_UTC,
            }),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_by_monotonic_time() {
        let clock = clock();
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.now(), noon() + TimeDelta::seconds(90));
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_correction_does_not_turn_it_back() {
        let clock = clock();
        tokio::time::advance(Duration::from_mins(1)).await;
        clock.correct(noon() + TimeDelta::seconds(58), Instant::now());
        assert_eq!(clock.now(), noon() + TimeDelta::seconds(60));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(clock.now(), noon() + TimeDelta::seconds(68));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_was_set_is_followed() {
        let clock = clock();
        clock.correct(noon() - TimeDelta::hours(1), Instant::now());
        assert_eq!(clock.now(), noon() - TimeDelta::hours(1));
    }
}
