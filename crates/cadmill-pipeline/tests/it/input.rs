//! What the child gets to read, and what is reported of what it does not get.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _, path::Path, sync::Arc};

use cadmill_domain::{
    Cancelled, ContentHash, ExternalReferences, FailureCode, MissingGeometry, NoProgress,
    TessellationRequest, Tessellator as _,
};

use crate::mill::Mill;

const NAMED: &str = "#3=DOCUMENT_FILE('../outside.step','',$,$,'',$);\n";
const UNNAMED: &str = "#3=DOCUMENT_FILE('','',$,$,'',$);\n";

/// A request for a file that names another one, and its text without that name.
fn external(mill: &Mill, order: &str) -> (TessellationRequest, String) {
    let mut request = mill.request(order);
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
    let mill = Mill::new();
    let (request, unnamed) = external(&mill, "tell");
    let log = mill.run(&request).await.unwrap_err().log_tail.unwrap();
    let expected = format!("input {}", ContentHash::of(unnamed.as_bytes()));
    assert!(log.contains(&expected), "{log}");
    let plain = mill.request("tell");
    let log = mill.run(&plain).await.unwrap_err().log_tail.unwrap();
    assert!(
        log.contains(&format!("input {}", plain.source_hash)),
        "{log}"
    );
}

#[tokio::test]
async fn missing_geometry_makes_the_result_partial() {
    let mill = Mill::new();
    let (request, _) = external(&mill, "");
    let report = mill.run(&request).await.unwrap().report;
    assert!(report.partial);
    assert_eq!(report.missing_geometry, request.external.missing);
    let warning = "Geometry is missing: it lies in `../outside.step` (Pump).";
    assert_eq!(report.warnings, [warning]);
}

#[tokio::test]
async fn a_file_that_only_refers_to_others_is_not_tried_again() {
    let mill = Mill::new();
    let (request, _) = external(&mill, "failed kernel_empty");
    let failure = mill.run(&request).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::StepExternalReference);
    let detail =
        "It holds nothing that can be meshed, only references to `../outside.step` (Pump).";
    assert_eq!(failure.detail, detail);
    let failure = mill
        .run(&mill.request("failed kernel_empty"))
        .await
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::KernelEmpty);
}

#[tokio::test]
async fn a_path_need_not_be_utf8() {
    let mill = Mill::new();
    let request = mill.request("");
    let path = mill.path("").join(OsStr::from_bytes(b"Geh\xE4use.step"));
    fs::rename(&request.source, &path).unwrap();
    let request = TessellationRequest {
        source: path,
        ..request
    };
    assert_eq!(mill.run(&request).await.unwrap().report.parts, 1);
}

#[tokio::test]
async fn a_file_that_is_gone_is_unreadable() {
    let mill = Mill::new();
    let request = mill.request("");
    fs::remove_file(&request.source).unwrap();
    let failure = mill.run(&request).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Unreadable);
}

/// As a library might open it: not to be closed when a program starts.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_other_descriptor_reaches_the_child() {
    let mill = Mill::new();
    let secret = mill.path("secret");
    fs::write(&secret, "secret").unwrap();
    let open = nix::unistd::dup(fs::File::open(&secret).unwrap()).unwrap();
    let log = mill
        .run(&mill.request("tell"))
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
    assert_eq!(files, [mill.path("part.step").to_str().unwrap()]);
}

#[tokio::test]
async fn without_its_sandbox_it_refuses_if_that_is_required() {
    let mill = Mill::new();
    let report = mill.tessellator().sandbox().await.unwrap();
    assert_eq!(report.lacks(), "a sandbox: this is a stand-in");
    assert!(!report.is_whole());
    let tessellator = mill.tessellator().require_sandbox(true);
    let request = mill.request("");
    let ended = tessellator
        .tessellate(&request, Arc::new(NoProgress), Cancelled::never())
        .await;
    assert_eq!(ended.unwrap_err().code, FailureCode::SandboxMissing);
    mill.assert_scratch_is_empty();
}
