//! `--wait`: until nothing is under way any more.

use std::time::Duration;

use anyhow::Result;
use cadmill_domain::Ledger as _;

use crate::{deployment::Deployment, interrupt::Interrupt, serve};

/// How often the ledger is asked.
const EVERY: Duration = Duration::from_millis(250);

/// Waits until nothing is queued or running; whether that came before somebody interrupted. If
/// nobody works in the data folder, this process does.
pub(crate) async fn until_idle(deployment: &mut Deployment, what: &str) -> Result<bool> {
    let interrupt = Interrupt::listen()?;
    if deployment.try_to_work(what) {
        let deployment = &*deployment;
        return serve::work_until(deployment, idle(deployment, &interrupt)).await;
    }
    idle(deployment, &interrupt).await
}

async fn idle(deployment: &Deployment, interrupt: &Interrupt) -> Result<bool> {
    loop {
        let counts = deployment.store.stats().await?;
        if !counts.iter().any(|count| count.state.is_in_flight()) {
            return Ok(true);
        }
        tokio::select! {
            () = interrupt.token().cancelled_owned() => return Ok(false),
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
