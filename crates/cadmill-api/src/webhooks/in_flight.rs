//! The deliveries that are being posted, and for how many more there is room.

use std::collections::HashMap;

use cadmill_domain::{WebhookId, webhook::DeliveryRoom};
use tokio::task::{Id, JoinError, JoinSet};
use tracing::error;

use super::deliver::DeliverySettings;

/// What is being posted.
pub(super) struct InFlight {
    settings: DeliverySettings,
    posting: JoinSet<()>,
    webhooks: HashMap<Id, WebhookId>,
}

impl InFlight {
    pub(super) fn new(settings: DeliverySettings) -> Self {
        Self {
            settings,
            posting: JoinSet::new(),
            webhooks: HashMap::new(),
        }
    }

    /// For how many more there is room.
    pub(super) fn room(&self) -> DeliveryRoom {
        let each = self.settings.parallel_each;
        let mut room = DeliveryRoom {
            all: self.settings.parallel.saturating_sub(self.posting.len()),
            each,
            ..DeliveryRoom::default()
        };
        for webhook in self.webhooks.values() {
            let left = room.but.entry(*webhook).or_insert(each);
            *left = left.saturating_sub(1);
        }
        room
    }

    /// Whether something may be due that there is no room for.
    pub(super) fn is_full(&self) -> bool {
        let room = self.room();
        room.all == 0 || room.but.values().any(|left| *left == 0)
    }

    pub(super) fn post(
        &mut self,
        webhook: WebhookId,
        posting: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = self.posting.spawn(posting);
        self.webhooks.insert(task.id(), webhook);
    }

    /// Waits until one of them has ended. False if there is none.
    pub(super) async fn one_ended(&mut self) -> bool {
        let ended = self.posting.join_next_with_id().await;
        ended.map(|ended| self.forget(ended)).is_some()
    }

    /// Forgets those that have ended.
    pub(super) fn tidy(&mut self) {
        while let Some(ended) = self.posting.try_join_next_with_id() {
            self.forget(ended);
        }
    }

    fn forget(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                error!(%error, "A delivery panicked; it is tried again when its lease is over");
                error.id()
            }
        };
        self.webhooks.remove(&id);
    }
}
