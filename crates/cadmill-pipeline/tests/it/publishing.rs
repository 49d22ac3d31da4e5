//! Results that are published while the next are made.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use cadmill_domain::{
    WorkNotifier as _,
    ledger::{MockWorkQueue, WorkQueue as _},
};
use futures_util::FutureExt as _;
use tokio::time::sleep;

use crate::{
    harness::{GLTF, Harness, POLL},
    kernel::{Answer, Kernel},
    unreliable::{away, else_as_in},
};

#[tokio::test(start_paused = true)]
async fn the_next_is_made_while_a_result_is_published() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel);
    for name in ["a", "b", "c", "d"] {
        harness.named_and_ready_for(name, GLTF).await;
    }
    let is_away = Arc::new(AtomicBool::new(true));
    let mut queue = MockWorkQueue::new();
    let (store, away_now) = (harness.store.clone(), is_away.clone());
    queue.expect_publish().returning(move |claim, product| {
        if away_now.load(Ordering::Relaxed) {
            return Err(away());
        }
        let published = store.publish(claim, product).now_or_never();
        published.expect("the fake answers at once")
    });
    let mut runner = harness.runner.clone();
    runner.records.queue = Arc::new(else_as_in(queue, &harness.store));
    let worker = harness.worker_of(runner, 1);
    calls.next().await.answer(Answer::Made);
    // Nothing was published yet, and the only slot is used again.
    let second = calls.next().await;
    harness.notifier.notify().await;
    sleep(3 * POLL).await;
    assert!(calls.is_empty(), "one slot, one tessellator");
    second.answer(Answer::Made);
    // Two results wait to be published, and no more than that.
    harness.notifier.notify().await;
    sleep(3 * POLL).await;
    assert!(calls.is_empty(), "results do not pile up");
    is_away.store(false, Ordering::Relaxed);
    for _ in 0..2 {
        calls.next().await.answer(Answer::Made);
    }
    harness.journal.wait_for_all(4).await;
    worker.stop().await;
}
