//! How a worker takes its work: how much, in which order, and when.

use std::time::Duration;

use cadmill_domain::{Doorbell as _, Phase, Priority, Request, StepEvent};
use tokio::time::Instant;

use crate::{
    kernel::{Answer, Kernel},
    mill::step,
    plant::{GLTF, POLL, Plant, STEP, UPLOAD},
};

#[tokio::test(start_paused = true)]
async fn no_more_is_done_at_once_than_there_are_slots() {
    let (kernel, mut calls) = Kernel::waiting();
    let plant = Plant::new(kernel.clone());
    for index in 0..10 {
        plant.upload(&format!("{index}.step")).await;
    }
    let worker = plant.worker(3);
    let mut running = Vec::new();
    for _ in 0..3 {
        running.push(calls.next().await);
    }
    for done in 3..10 {
        // Time passes in which a fourth would begin.
        plant.bell.ring().await;
        tokio::time::sleep(3 * POLL).await;
        assert!(calls.is_empty());
        assert_eq!(kernel.runs(), done);
        running.remove(0).answer(Answer::Made);
        running.push(calls.next().await);
    }
    for call in running {
        call.answer(Answer::Made);
    }
    plant.journal.wait_for_all(10).await;
    worker.stop().await;
    assert_eq!(kernel.runs(), 10);
}

#[tokio::test(start_paused = true)]
async fn the_more_urgent_goes_first() {
    let plant = Plant::new(Kernel::prompt());
    let mut ids = Vec::new();
    for (name, request) in [
        ("bulk", Request::BULK),
        ("asked", Request::ASKED),
        ("upload", UPLOAD),
    ] {
        ids.push(plant.bring(name, &step(name), request).await);
    }
    ids.reverse();
    let worker = plant.worker(1);
    plant.journal.wait_for_all(3).await;
    worker.stop().await;
    let begun = plant.journal.so_far();
    let begun = begun
        .iter()
        .filter(|event| event.event == StepEvent::StepStart);
    let mut begun: Vec<_> = begun.map(|event| event.cad_file_id).collect();
    begun.dedup();
    // What follows from an upload is as urgent as the upload.
    assert_eq!(begun, ids);
    assert_eq!(plant.row(ids[0], GLTF).await.priority, Priority::Upload);
}

#[tokio::test(start_paused = true)]
async fn a_ring_wakes_it_at_once() {
    let plant = Plant::new(Kernel::prompt());
    let worker = plant.worker(1);
    tokio::time::sleep(POLL / 10).await;
    let begun = Instant::now();
    plant.upload("part.step").await;
    plant.bell.ring().await;
    plant.journal.wait_for_all(1).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_ring_it_looks_by_itself() {
    let plant = Plant::new(Kernel::prompt());
    let worker = plant.worker(1);
    tokio::time::sleep(POLL / 10).await;
    let begun = Instant::now();
    plant.upload("part.step").await;
    plant.journal.wait_for_all(1).await;
    assert!(begun.elapsed() > Duration::ZERO && begun.elapsed() <= POLL);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn how_far_a_step_is_can_be_read_while_it_runs() {
    let (kernel, mut calls) = Kernel::waiting();
    let plant = Plant::new(kernel);
    let id = plant.upload("part.step").await;
    let worker = plant.worker(1);
    let call = calls.next().await;
    for (phase, fraction, word) in [(Phase::Read, 0.5, "read"), (Phase::Mesh, 0.25, "mesh")] {
        call.progress.report(phase, fraction);
        tokio::time::sleep(Duration::from_millis(1_001)).await;
        let progress = plant.row(id, GLTF).await.progress.unwrap();
        assert_eq!(
            (progress.phase.as_str(), progress.fraction),
            (word, fraction)
        );
    }
    call.answer(Answer::Made);
    plant.journal.wait_for_all(1).await;
    assert_eq!(plant.row(id, GLTF).await.progress, None);
    assert_eq!(plant.row(id, STEP).await.progress, None);
    worker.stop().await;
}
