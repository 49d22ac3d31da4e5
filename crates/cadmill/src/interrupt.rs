//! Ctrl-C: once stops the work and cleans up, twice ends at once.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use cadmill_domain::Cancelled;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::exit::Exit;

/// Whether it was asked to stop, by Ctrl-C or `SIGTERM`.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt {
    token: CancellationToken,
    /// When it was asked first.
    asked_at: Arc<OnceLock<Instant>>,
}

impl Interrupt {
    /// Begins to listen; needs a runtime.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let interrupt = Self {
            token: CancellationToken::new(),
            asked_at: Arc::default(),
        };
        let Self { token, asked_at } = interrupt.clone();
        let signals = [SignalKind::interrupt(), SignalKind::terminate()];
        let [interrupted, terminated] = signals.map(signal);
        let (mut interrupted, mut terminated) = (interrupted?, terminated?);
        tokio::spawn(async move {
            either(&mut interrupted, &mut terminated).await;
            asked_at.get_or_init(Instant::now);
            token.cancel();
            eprintln!("Stopping. Once more stops at once, without cleaning up.");
            either(&mut interrupted, &mut terminated).await;
            // The tessellators die with this process.
            std::process::exit(Exit::Interrupted as i32);
        });
        Ok(interrupt)
    }

    /// Whether it was asked for by now.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Is cancelled when it is asked for.
    pub(crate) fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// What is left of `limit`, which begins when it is asked for; none if it was not.
    pub(crate) fn left_of(&self, limit: Duration) -> Option<Duration> {
        let asked_at = self.asked_at.get()?;
        Some(limit.saturating_sub(asked_at.elapsed()))
    }

    /// What `work` returns; none if it does not end within `limit` after it was asked to stop.
    pub(crate) async fn or_overdue<T>(
        &self,
        work: impl Future<Output = T>,
        limit: Duration,
    ) -> Option<T> {
        let ended = or_overdue(&self.token, work, limit).await;
        if ended.is_none() {
            warn!(
                limit_s = limit.as_secs_f64(),
                "work or requests did not end in time after the signal and are dropped; unfinished \
                 work is recovered by the next start"
            );
        }
        ended
    }

    /// The same for the pipeline.
    pub(crate) fn cancelled(&self) -> Cancelled {
        Cancelled::when(self.token.clone().cancelled_owned())
    }
}

/// What `work` returns; none if it does not end within `limit` after `stop`.
pub(crate) async fn or_overdue<T>(
    stop: &CancellationToken,
    work: impl Future<Output = T>,
    limit: Duration,
) -> Option<T> {
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(limit).await;
    };
    tokio::select! {
        ended = work => Some(ended),
        () = overdue => None,
    }
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
