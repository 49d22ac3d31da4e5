//! Takes back claims whose owners are gone, beside the loop that claims: a row that another
//! transaction holds, or a database that is slow, must not keep a worker from its work.

use std::sync::Arc;

use cadmill_domain::ledger::{Claim, Recovered, Recovery};
use cadmill_lock::LockKey;
use tokio::time::{Duration, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::runner::{TaskError, TaskRunner, lock_key};

/// Looks for claims that are not confirmed, every `every`, until `stop` is cancelled.
pub(crate) async fn run(runner: Arc<TaskRunner>, every: Duration, stop: CancellationToken) {
    let every = every.min(runner.settings.lease / 3);
    let looking = async {
        loop {
            if let Err(error) = look(&runner).await {
                let error: &dyn std::error::Error = &error;
                debug!(error, "Claims could not be looked at; it is tried again.");
            }
            sleep(every).await;
        }
    };
    stop.run_until_cancelled(looking).await;
}

/// Takes back all claims that are open: no other process works on this ledger, so their owners ended
/// with the process before.
pub(crate) async fn all(runner: &TaskRunner) -> Result<(), TaskError> {
    for claim in runner.ask(runner.records.queue.running()).await? {
        recover(runner, &claim, Recovery::Ended).await?;
    }
    Ok(())
}

async fn look(runner: &TaskRunner) -> Result<(), TaskError> {
    let claims = runner
        .ask(runner.records.queue.unconfirmed(runner.lease()))
        .await?;
    let keys: Vec<LockKey> = claims.iter().map(|claim| lock_key(claim.work)).collect();
    let held = runner.lock.held(&keys).await?;
    for (claim, is_held) in claims.iter().zip(held) {
        // What is wrong with one claim is no reason to leave the others.
        if let Err(error) = recover(runner, claim, runner.unconfirmed(!is_held)).await {
            warn!(
                work = %claim.work, fence = claim.fence.0,
                error = &error as &dyn std::error::Error,
                "A claim could not be taken back; it is tried again."
            );
        }
    }
    Ok(())
}

async fn recover(runner: &TaskRunner, claim: &Claim, recovery: Recovery) -> Result<(), TaskError> {
    let recovered = runner.records.queue.recover(claim, recovery);
    match runner.ask(recovered).await? {
        Recovered::NoLonger | Recovered::NotYet => {}
        recovered => warn!(
            work = %claim.work, fence = claim.fence.0, worker = %claim.worker, ?recovered,
            "A worker is gone; its work was taken back."
        ),
    }
    Ok(())
}
