//! The contract of the work notifier, over Redis.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use cadmill_domain::contract::notifier::Doorbells;
use cadmill_pipeline::RedisNotifier;
use cadmill_servers::shared::redis_url;

mod notifier {
    cadmill_domain::doorbell_contract!(super::two_processes());
}

/// Two connections to a channel that no other test uses.
async fn two_processes() -> Doorbells {
    static CHANNELS: AtomicU64 = AtomicU64::new(0);
    let number = CHANNELS.fetch_add(1, Ordering::Relaxed);
    let channel = format!("test:{}:{number}", process::id());
    let connect = async || {
        let notifier = RedisNotifier::connect(&redis_url(), &channel).await;
        Arc::new(notifier.unwrap())
    };
    Doorbells {
        ringing: connect().await,
        waiting: connect().await,
    }
}
