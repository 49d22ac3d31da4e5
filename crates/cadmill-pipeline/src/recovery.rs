//! Takes back claims whose owners are gone, beside the loop that claims: a row that another
//! transaction holds, or a database that is slow, must not keep a worker from its work.

use std::sync::Arc;

use cadmill_domain::{Claim, Recovered, Recovery};
use cadmill_lock::LockKey;
use tokio::time::{Duration, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::mill::{Mill, TaskError, lock_key};

/// Looks for claims that are not confirmed, every `every`, until `stop` is cancelled.
pub(crate) async fn run(mill: Arc<Mill>, every: Duration, stop: CancellationToken) {
    let every = every.min(mill.settings.lease / 3);
    let looking = async {
        loop {
            if let Err(error) = look(&mill).await {
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
pub(crate) async fn all(mill: &Mill) -> Result<(), TaskError> {
    for claim in mill.ask(mill.records.ledger.running()).await? {
        recover(mill, &claim, Recovery::Ended).await?;
    }
    Ok(())
}

async fn look(mill: &Mill) -> Result<(), TaskError> {
    let claims = mill
        .ask(mill.records.ledger.unconfirmed(mill.lease()))
        .await?;
    let keys: Vec<LockKey> = claims.iter().map(|claim| lock_key(claim.work)).collect();
    let held = mill.lock.held(&keys).await?;
    for (claim, is_held) in claims.iter().zip(held) {
        // What is wrong with one claim is no reason to leave the others.
        if let Err(error) = recover(mill, claim, mill.unconfirmed(!is_held)).await {
            warn!(
                work = %claim.work, fence = claim.fence.0,
                error = &error as &dyn std::error::Error,
                "A claim could not be taken back; it is tried again."
            );
        }
    }
    Ok(())
}

async fn recover(mill: &Mill, claim: &Claim, recovery: Recovery) -> Result<(), TaskError> {
    let recovered = mill.records.ledger.recover(claim, recovery);
    match mill.ask(recovered).await? {
        Recovered::NoLonger | Recovered::NotYet => {}
        recovered => warn!(
            work = %claim.work, fence = claim.fence.0, worker = %claim.worker, ?recovered,
            "A worker is gone; its work was taken back."
        ),
    }
    Ok(())
}
