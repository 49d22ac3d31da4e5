//! `--wait`: waits until the queue is empty, and works if no other process does.

use std::{num::NonZero, time::Duration};

use anyhow::Result;
use cadmill_domain::ledger::LedgerView as _;
use clap::Args;

use crate::wiring::{deployment::Deployment, interrupt::Interrupt, worker};

/// How often the ledger is read.
const POLL: Duration = Duration::from_millis(250);

/// Whether a command waits until the work is done.
#[derive(Debug, Args)]
pub(crate) struct WaitArguments {
    /// Waits until nothing is queued or running; does the work if no server runs in the data folder.
    #[arg(long)]
    pub(crate) wait: bool,
    /// How many media are made at once while it waits [default: the number of processors].
    #[arg(long, value_name = "N", requires = "wait")]
    pub(crate) slots: Option<NonZero<usize>>,
}

/// Waits until nothing is queued or running, and returns `false` if a signal came first. If no other
/// process works in the data folder, this one does.
pub(crate) async fn wait_until_idle(deployment: &mut Deployment, command: &str) -> Result<bool> {
    let interrupt = Interrupt::listen()?;
    if deployment.try_to_work(command) {
        let deployment = &*deployment;
        return worker::work_until(deployment, is_idle(deployment, &interrupt)).await;
    }
    is_idle(deployment, &interrupt).await
}

async fn is_idle(deployment: &Deployment, interrupt: &Interrupt) -> Result<bool> {
    loop {
        let counts = deployment.store.stats().await?;
        if !counts.iter().any(|count| count.state.is_in_flight()) {
            return Ok(true);
        }
        tokio::select! {
            () = interrupt.token().cancelled_owned() => return Ok(false),
            () = tokio::time::sleep(POLL) => {}
        }
    }
}
