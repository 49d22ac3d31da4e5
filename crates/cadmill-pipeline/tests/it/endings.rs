//! How each end of the child is told.

use std::time::Duration;

use cadmill_domain::{Failure, FailureCode, Recipe, tessellator::Tessellation};
use cadmill_pipeline::ProcessTessellator;

use crate::test_folder::TestFolder;

async fn run(order: &str) -> Result<Tessellation, Failure> {
    let folder = TestFolder::new();
    folder.run(&folder.request(order)).await
}

async fn check(order: &str, code: FailureCode, detail: &str) -> Failure {
    let failure = run(order).await.unwrap_err();
    assert_eq!(failure.code, code, "{order}: {failure}");
    assert!(failure.detail.contains(detail), "{order}: {failure}");
    failure
}

#[tokio::test]
async fn a_good_file_comes_out_checked() {
    let tessellation = run("").await.unwrap();
    assert_eq!(tessellation.report.parts, 1);
    assert_eq!(tessellation.report.retried, None);
    assert_eq!(&tessellation.glb[..4], b"glTF");
}

#[tokio::test]
async fn a_flood_on_both_streams_is_survived() {
    assert!(run("flood").await.is_ok());
}

#[tokio::test]
async fn death_by_a_signal_names_it() {
    let crash = FailureCode::KernelCrash;
    check("signal 11", crash, "SIGSEGV").await;
    check("signal 7", crash, "SIGBUS").await;
    check("signal 6", crash, "SIGABRT").await;
    check("signal 8", crash, "SIGFPE").await;
    check("signal 4", crash, "SIGILL").await;
    check("signal 24", FailureCode::KernelTimeout, "SIGXCPU").await;
    let killed = FailureCode::KernelKilled;
    check("signal 9", killed, "SIGKILL").await;
    check("signal 15", killed, "SIGTERM").await;
}

#[tokio::test]
async fn what_the_child_says_is_believed() {
    let detail = "As asked.";
    check("failed kernel_empty", FailureCode::KernelEmpty, detail).await;
    check("failed disk_full", FailureCode::DiskFull, detail).await;
    check("failed cancelled", FailureCode::KernelError, detail).await;
}

#[tokio::test]
async fn an_exit_without_a_word_carries_the_log() {
    let failure = check("silent", FailureCode::KernelError, "exit code 7").await;
    let log = failure.log_tail.unwrap();
    assert_eq!(log, "something went wrong in here");
}

#[tokio::test]
async fn a_bad_result_is_not_trusted() {
    let invalid = FailureCode::OutputInvalid;
    check("garbage", invalid, "scene.glb").await;
    check("wrong-hash", invalid, "another file").await;
    check("wrong-counts", invalid, "triangles").await;
    check("no-report", invalid, "report.json").await;
    check("without-done", invalid, "without saying").await;
}

#[tokio::test]
async fn memory_beyond_the_limit_is_told() {
    let folder = TestFolder::new();
    let mut request = folder.request("memory");
    request.memory_bytes = 256 << 20;
    let failure = folder.run(&request).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::KernelMemory, "{failure}");
    assert!(failure.detail.contains("256 MiB"), "{failure}");
}

#[tokio::test]
async fn the_wall_clock_limit_is_told() {
    let folder = TestFolder::new();
    let mut request = folder.request("hang");
    request.timeout = Duration::from_millis(300);
    let failure = folder.run(&request).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::KernelTimeout, "{failure}");
    assert!(failure.detail.contains("0.3 s"), "{failure}");
}

#[tokio::test]
async fn a_kernel_failure_is_tried_once_more_and_coarser() {
    let tessellation = run("first signal 11").await.unwrap();
    let retried = tessellation.report.retried.unwrap();
    assert_eq!(retried.first.code, FailureCode::KernelCrash);
    assert_eq!(retried.recipe, Recipe::STANDARD.coarser());
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told() {
    let folder = TestFolder::new();
    for program in ["/nowhere/cadmill-tessellate", "cadmill-no-such-program"] {
        let tessellator = ProcessTessellator::new(program).with_scratch(folder.scratch());
        let failure = tessellator.version().await.unwrap_err();
        assert_eq!(failure.code, FailureCode::TessellatorMissing, "{failure}");
        assert!(failure.detail.contains(program), "{failure}");
    }
    folder.assert_scratch_is_empty();
}

#[tokio::test]
async fn a_scratch_folder_that_is_not_there_is_told() {
    let folder = TestFolder::new();
    let tessellator = folder.tessellator().with_scratch(folder.path("missing"));
    let failure = tessellator.version().await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Storage, "{failure}");
}

#[tokio::test]
async fn the_program_says_its_version() {
    let version = TestFolder::new().tessellator().version().await.unwrap();
    assert_eq!(version, "fake-tessellator 0.1.0 (no kernel)");
}
