//! Ctrl-C: once stops the work and cleans up, twice ends at once.

use cadmill_domain::Cancelled;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;

/// Whether somebody asked to stop, by Ctrl-C or `SIGTERM`.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(CancellationToken);

impl Interrupt {
    /// Begins to listen; needs a runtime.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let token = CancellationToken::new();
        let signals = [SignalKind::interrupt(), SignalKind::terminate()];
        let [interrupt, terminate] = signals.map(signal);
        let (mut interrupt, mut terminate) = (interrupt?, terminate?);
        let asked = token.clone();
        tokio::spawn(async move {
            either(&mut interrupt, &mut terminate).await;
            asked.cancel();
            eprintln!("Stopping. Once more stops at once, without cleaning up.");
            either(&mut interrupt, &mut terminate).await;
            // The tessellators die with this process.
            std::process::exit(Exit::Interrupted as i32);
        });
        Ok(Self(token))
    }

    /// Whether it was asked for by now.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Is cancelled when it is asked for.
    pub(crate) fn token(&self) -> CancellationToken {
        self.0.clone()
    }

    /// The same for the pipeline.
    pub(crate) fn cancelled(&self) -> Cancelled {
        Cancelled::when(self.0.clone().cancelled_owned())
    }
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
