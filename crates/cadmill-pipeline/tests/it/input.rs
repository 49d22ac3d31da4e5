//! What the child gets to read, and what is reported of what it does not get.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _, path::Path, sync::Arc};

use cadmill_domain::{
    ContentHash, ExternalReferences, FailureCode, MissingGeometry,
    tessellator::{Cancelled, NoProgress, TessellationRequest, Tessellator as _},
};

use crate::test_folder::TestFolder;

const NAMED: &str = "#3=DOCUMENT_FILE('../outside.step','',$,$,'',$);\n";
const UNNAMED: &str = "#3=DOCUMENT_FILE('','',$,$,'',$);\n";

/// A request for a file that names another one, and its text without that name.
fn external(folder: &TestFolder, order: &str) -> (TessellationRequest, String) {
    let mut request = folder.request(order);
    let text = fs::read_to_string(&request.source).unwrap();
    let named = text.replace("#1=", &format!("{NAMED}#1="));
    fs::write(&request.source, &named).unwrap();
    request.source_hash = ContentHash::of(named.as_bytes());
    request.external = ExternalReferences {
        present: true,
        missing: vec![MissingGeometry {
            file: "../outside.step".to_owned(),
            products: vec!["Pump".to_owned()],
        }],
    };
    (request, named.replace(NAMED, UNNAMED))
}

#[tokio::test]
async fn the_child_reads_a_copy_without_the_names_of_other_files() {
    let folder = TestFolder::new();
    let (request, unnamed) = external(&folder, "tell");
    let log = folder.run(&request).await.unwrap_err().log_tail.unwrap();
    let expected = format!("input {}", ContentHash::of(unnamed.as_bytes()));
    assert!(log.contains(&expected), "{log}");
    let plain = folder.request("tell");
    let log = folder.run(&plain).await.unwrap_err().log_tail.unwrap();
    assert!(
        log.contains(&format!("input {}", plain.source_hash)),
        "{log}"
    );
}

#[tokio::test]
async fn missing_geometry_makes_the_result_partial() {
    let folder = TestFolder::new();
    let (request, _) = external(&folder, "");
    let report = folder.run(&request).await.unwrap().report;
    assert!(report.partial);
    assert_eq!(report.missing_geometry, request.external.missing);
    let warning = "Geometry is missing: it lies in `../outside.step` (Pump).";
    assert_eq!(report.warnings, [warning]);
}

#[tokio::test]
async fn a_file_that_only_refers_to_others_is_not_tried_again() {
    let folder = TestFolder::new();
    let (request, _) = external(&folder, "failed kernel_empty");
    let failure = folder.run(&request).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::StepExternalReference);
    let detail =
        "It holds nothing that can be meshed, only references to `../outside.step` (Pump).";
    assert_eq!(failure.detail, detail);
    let failure = folder
        .run(&folder.request("failed kernel_empty"))
        .await
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::KernelEmpty);
}

#[tokio::test]
async fn a_path_need_not_be_utf8() {
    let folder = TestFolder::new();
    let request = folder.request("");
    let path = folder.path("").join(OsStr::from_bytes(b"Geh\xE4use.step"));
    fs::rename(&request.source, &path).unwrap();
    let request = TessellationRequest {
        source: path,
        ..request
    };
    assert_eq!(folder.run(&request).await.unwrap().report.parts, 1);
}

#[tokio::test]
async fn a_file_that_is_gone_is_unreadable() {
    let folder = TestFolder::new();
    let request = folder.request("");
    fs::remove_file(&request.source).unwrap();
    let failure = folder.run(&request).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Unreadable);
}

/// As a library might open it: not to be closed when a program starts.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_other_descriptor_reaches_the_child() {
    let folder = TestFolder::new();
    let secret = folder.path("secret");
    fs::write(&secret, "secret").unwrap();
    let open = nix::unistd::dup(fs::File::open(&secret).unwrap()).unwrap();
    let log = folder
        .run(&folder.request("tell"))
        .await
        .unwrap_err()
        .log_tail
        .unwrap();
    drop(open);
    let descriptors = log
        .lines()
        .filter_map(|line| line.strip_prefix("descriptor "));
    let files: Vec<&str> = descriptors
        .filter(|path| Path::new(path).is_file())
        .collect();
    assert_eq!(files, [folder.path("part.step").to_str().unwrap()]);
}

#[tokio::test]
async fn without_its_sandbox_it_refuses_if_that_is_required() {
    let folder = TestFolder::new();
    let report = folder.tessellator().sandbox().await.unwrap();
    assert_eq!(report.lacks(), "a sandbox: this is a stand-in");
    assert!(!report.is_whole());
    let tessellator = folder.tessellator().require_sandbox(true);
    let request = folder.request("");
    let ended = tessellator
        .tessellate(&request, Arc::new(NoProgress), Cancelled::never())
        .await;
    assert_eq!(ended.unwrap_err().code, FailureCode::SandboxMissing);
    folder.assert_scratch_is_empty();
}
