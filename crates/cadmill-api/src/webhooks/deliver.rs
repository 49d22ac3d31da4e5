//! The delivery loop: puts events into the outbox, and posts what is due.

use std::{sync::Arc, time::Duration};

use cadmill_domain::{
    Clock, StoreError,
    webhook::{DeliveryClaim, DeliveryFailure, DeliveryRoom, Webhook, WebhookChange, Webhooks},
};
use chrono::TimeDelta;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    backoff,
    client::{Course, Refusal, WebhookClient},
    in_flight::InFlight,
};

/// How deliveries are made.
#[derive(Debug, Clone, Copy)]
pub struct DeliverySettings {
    /// How many are posted at once,
    pub parallel: usize,
    /// and how many of these to one webhook, so that a slow receiver holds up no other.
    pub parallel_each: usize,
    /// How often the outbox is looked at.
    pub poll: Duration,
    /// How long a delivery is left to whoever claimed it; longer than the courier's timeout.
    pub lease: Duration,
    /// How often a delivery is tried at most.
    pub most_attempts: u32,
    /// How long the log keeps deliveries that are no longer pending.
    pub kept_for: Duration,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            parallel: 16,
            parallel_each: 4,
            poll: Duration::from_secs(1),
            lease: Duration::from_mins(1),
            most_attempts: 10,
            kept_for: Duration::from_hours(24 * 30),
        }
    }
}

/// How often old deliveries are looked for.
const PURGE_EVERY: Duration = Duration::from_hours(1);
/// How often, and after which wait, an outcome is noted if the database does not answer.
const NOTING: (u32, Duration) = (5, Duration::from_secs(1));

/// Delivers events until `stop` is cancelled; then claims nothing more, and ends when what is being
/// posted is answered, or the courier's timeout is over. Several loops may run at once.
///
/// An event is tried until it is accepted or given up. A receiver may see one twice: if its answer came
/// too late or was lost, or could not be noted. The order of events is not kept.
pub async fn deliver(
    webhooks: Arc<dyn Webhooks>,
    webhook_client: WebhookClient,
    clock: Arc<dyn Clock>,
    settings: DeliverySettings,
    stop: CancellationToken,
) {
    let dispatcher = Arc::new(Dispatcher {
        webhooks,
        webhook_client,
        clock,
        settings,
    });
    let mut in_flight = InFlight::new(settings);
    let mut purged_at = None;
    let mut is_cut_off = false;
    while !stop.is_cancelled() {
        let room = in_flight.room();
        let look = async {
            if purged_at.is_none_or(|at: Instant| at.elapsed() >= PURGE_EVERY) {
                dispatcher.purge().await?;
                purged_at = Some(Instant::now());
            }
            dispatcher.claim(&room).await
        };
        // A database that does not answer shall not keep us from the end.
        let Some(claimed) = stop.run_until_cancelled(look).await else {
            break;
        };
        match claimed {
            Ok(claims) => {
                is_cut_off = false;
                for claim in claims {
                    let dispatcher = Arc::clone(&dispatcher);
                    in_flight.post(
                        claim.webhook.id,
                        async move { dispatcher.post(claim).await },
                    );
                }
            }
            Err(error) if is_cut_off => debug!(error = chain(&error), "The outbox is still away"),
            Err(error) => {
                is_cut_off = true;
                warn!(
                    error = chain(&error),
                    "The outbox of the webhooks cannot be read"
                );
            }
        }
        let is_full = in_flight.is_full();
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(settings.poll) => {}
            _ = in_flight.one_ended(), if is_full => {}
        }
        in_flight.tidy();
    }
    while in_flight.one_ended().await {}
}

struct Dispatcher {
    webhooks: Arc<dyn Webhooks>,
    webhook_client: WebhookClient,
    clock: Arc<dyn Clock>,
    settings: DeliverySettings,
}

impl Dispatcher {
    async fn claim(&self, room: &DeliveryRoom) -> Result<Vec<DeliveryClaim>, StoreError> {
        self.webhooks.enqueue_events().await?;
        if room.all == 0 {
            return Ok(Vec::new());
        }
        let lease = delta(self.settings.lease);
        self.webhooks.claim_deliveries(lease, room).await
    }

    async fn purge(&self) -> Result<(), StoreError> {
        let before = self.clock.now() - delta(self.settings.kept_for);
        let purged = self.webhooks.purge_deliveries(before).await?;
        if purged > 0 {
            info!(
                deliveries = purged,
                "Old deliveries of webhooks were forgotten"
            );
        }
        Ok(())
    }

    /// Posts a delivery and notes what came of it.
    async fn post(&self, claim: DeliveryClaim) {
        let outcome = self.webhook_client.post(&claim, self.clock.now()).await;
        let (mut tries, wait) = NOTING;
        loop {
            match self.note(&claim, &outcome).await {
                Ok(true) => return,
                Ok(false) => {
                    return debug!(delivery.id = %claim.id, "Somebody else has this delivery by now");
                }
                Err(error) if tries <= 1 => {
                    return warn!(
                        delivery.id = %claim.id,
                        error = chain(&error),
                        "What came of a delivery cannot be noted; it will be made again",
                    );
                }
                Err(_) => sleep(wait).await,
            }
            tries -= 1;
        }
    }

    async fn note(
        &self,
        claim: &DeliveryClaim,
        outcome: &Result<u16, Refusal>,
    ) -> Result<bool, StoreError> {
        let refusal = match outcome {
            Ok(status) => return self.webhooks.delivered(claim, *status).await,
            Err(refusal) => refusal,
        };
        if refusal.course == Course::Disable {
            self.disable(&claim.webhook).await?;
        }
        let failure = DeliveryFailure {
            status: refusal.status,
            error: refusal.error.clone(),
            retry_at: self
                .next_wait(claim, refusal)
                .map(|wait| self.clock.now() + wait),
        };
        warn!(
            webhook.id = %claim.webhook.id,
            delivery.id = %claim.id,
            delivery.attempt = claim.attempt,
            delivery.retry_at = failure.retry_at.map(tracing::field::display),
            error = failure.error,
            "A webhook was not delivered",
        );
        self.webhooks.failed(claim, &failure).await
    }

    /// How long to wait before the next try; nothing if there is none.
    fn next_wait(&self, claim: &DeliveryClaim, refusal: &Refusal) -> Option<TimeDelta> {
        match refusal.course {
            Course::Retry(asked_for) if claim.attempt < self.settings.most_attempts => {
                Some(backoff::jittered(claim.attempt).max(asked_for.unwrap_or_default()))
            }
            _ => None,
        }
    }

    /// Disables a webhook, unless it leads elsewhere by now.
    async fn disable(&self, webhook: &Webhook) -> Result<(), StoreError> {
        let now = self.webhooks.get(webhook.id).await?;
        if now.is_some_and(|now| now.enabled && now.url == webhook.url) {
            let change = WebhookChange {
                enabled: Some(false),
                ..WebhookChange::default()
            };
            self.webhooks.update(webhook.id, change).await?;
            info!(webhook.id = %webhook.id, "A webhook was disabled, as its receiver is gone (410)");
        }
        Ok(())
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

/// The error and what caused it.
fn chain(error: &StoreError) -> String {
    cadmill_domain::sentence(error)
}
