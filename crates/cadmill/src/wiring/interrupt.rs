//! Ctrl-C: the first one stops the work and cleans up, the second one ends at once.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use cadmill_domain::tessellator::Cancelled;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::exit::Exit;

/// Whether Ctrl-C or `SIGTERM` has asked this process to stop.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt {
    token: CancellationToken,
    /// The time of the first signal.
    stopped_at: Arc<OnceLock<Instant>>,
}

impl Interrupt {
    /// Starts to listen for signals; needs a runtime.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let interrupt = Self {
            token: CancellationToken::new(),
            stopped_at: Arc::default(),
        };
        let Self { token, stopped_at } = interrupt.clone();
        let signals = [SignalKind::interrupt(), SignalKind::terminate()];
        let [interrupted, terminated] = signals.map(signal);
        let (mut interrupted, mut terminated) = (interrupted?, terminated?);
        tokio::spawn(async move {
            either(&mut interrupted, &mut terminated).await;
            stopped_at.get_or_init(Instant::now);
            token.cancel();
            eprintln!("Stopping. A second signal stops at once, without cleaning up.");
            either(&mut interrupted, &mut terminated).await;
            // The tessellators die with this process.
            std::process::exit(Exit::Interrupted as i32);
        });
        Ok(interrupt)
    }

    /// Whether there was a signal.
    pub(crate) fn is_stopping(&self) -> bool {
        self.token.is_cancelled()
    }

    /// A token that the first signal cancels.
    pub(crate) fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// The rest of a `limit` that starts with the first signal; `None` before the signal.
    pub(crate) fn remaining(&self, limit: Duration) -> Option<Duration> {
        let stopped_at = self.stopped_at.get()?;
        Some(limit.saturating_sub(stopped_at.elapsed()))
    }

    /// The output of `work`; `None` if it is not ready within `limit` after the first signal.
    pub(crate) async fn limit_after_stop<T>(
        &self,
        work: impl Future<Output = T>,
        limit: Duration,
    ) -> Option<T> {
        let ended = limit_after(&self.token, work, limit).await;
        if ended.is_none() {
            warn!(
                limit_s = limit.as_secs_f64(),
                "work or requests did not end in time after the signal and were dropped, the next \
                 start recovers unfinished work"
            );
        }
        ended
    }

    /// The token as the pipeline takes it.
    pub(crate) fn cancelled(&self) -> Cancelled {
        Cancelled::when(self.token.clone().cancelled_owned())
    }
}

/// The output of `work`; `None` if it is not ready within `limit` after `stop` was cancelled.
pub(crate) async fn limit_after<T>(
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
