//! Nothing is left behind: no process, no folder.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    sync::Arc,
};

use cadmill_domain::{
    Failure, FailureCode,
    tessellator::{Cancelled, Phase, Tessellation, Tessellator as _},
};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::test_folder::{Leash, TestFolder, Watch, example};

/// A tessellation that hangs, once it does.
struct Hanging {
    folder: TestFolder,
    leash: Leash,
    cancel: CancellationToken,
    task: JoinHandle<Result<Tessellation, Failure>>,
}

async fn hang(order: &str) -> Hanging {
    let folder = TestFolder::new();
    let leash = folder.leash();
    let request = folder.request(&format!("{order} {}", leash.word()));
    let tessellator = folder.tessellator();
    let cancel = CancellationToken::new();
    let cancelled = Cancelled::when(cancel.clone().cancelled_owned());
    let (seen_tx, mut seen) = mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        let watch = Arc::new(Watch(seen_tx));
        tessellator.tessellate(&request, watch, cancelled).await
    });
    while seen.recv().await.expect("the child gets that far") != Phase::Mesh {}
    Hanging {
        folder,
        leash,
        cancel,
        task,
    }
}

async fn check_cancelled(order: &str) {
    let hanging = hang(order).await;
    hanging.cancel.cancel();
    let failure = hanging.task.await.unwrap().unwrap_err();
    assert_eq!(failure.code, FailureCode::Cancelled);
    hanging.leash.assert_all_are_gone_and_reaped();
    hanging.folder.assert_scratch_is_empty();
}

#[tokio::test]
async fn cancelling_ends_a_child_that_obeys() {
    check_cancelled("hang-politely").await;
}

#[tokio::test]
async fn cancelling_ends_a_child_that_ignores_sigterm() {
    check_cancelled("hang").await;
}

#[tokio::test]
async fn cancelling_ends_grandchildren() {
    check_cancelled("grandchild").await;
}

#[tokio::test]
async fn dropping_the_future_leaves_nothing() {
    let hanging = hang("grandchild").await;
    hanging.task.abort();
    assert!(hanging.task.await.unwrap_err().is_cancelled());
    hanging.folder.assert_scratch_is_empty();
    hanging.leash.assert_all_are_gone_and_reaped();
}

#[tokio::test]
async fn a_grandchild_that_outlives_the_child_is_ended() {
    let folder = TestFolder::new();
    let leash = folder.leash();
    let request = folder.request(&format!("leave-grandchild {}", leash.word()));
    assert!(folder.run(&request).await.is_ok());
    leash.assert_all_are_gone();
}

/// On Linux the system kills the child when its parent dies.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn killing_the_parent_leaves_no_child() {
    let folder = TestFolder::new();
    let leash = folder.leash();
    let source = folder.step("part.step", &format!("hang {}", leash.word()));
    let mut parent = Command::new(example("doomed-parent"))
        .arg(example("fake-tessellator"))
        .args([&source, &folder.scratch()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    parent.kill().unwrap();
    parent.wait().unwrap();
    leash.assert_all_are_gone();
}
