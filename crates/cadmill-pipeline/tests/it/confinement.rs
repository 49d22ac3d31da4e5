//! What the child may see and use.

#[cfg(target_os = "linux")]
use crate::test_folder::TestFolder;

/// The limits of a process as the system tells them: name, soft limit.
#[cfg(target_os = "linux")]
fn limit<'a>(log: &'a str, name: &str) -> &'a str {
    let line = log.lines().find_map(|line| line.strip_prefix(name));
    let mut words = line.unwrap().split_whitespace();
    words.next().unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_child_is_limited_and_inherits_only_what_it_needs() {
    let folder = TestFolder::new();
    let mut request = folder.request("tell");
    request.timeout = std::time::Duration::from_secs(49);
    request.threads = 2;
    let log = folder.run(&request).await.unwrap_err().log_tail.unwrap();
    assert_eq!(limit(&log, "Max address space"), (2_u64 << 30).to_string());
    assert_eq!(limit(&log, "Max core file size"), "0");
    // The log is that of the coarser try, which has one thread whatever was asked for.
    assert_eq!(limit(&log, "Max cpu time"), "60");
    assert!(log.contains("leads its group: true"), "{log}");

    let scratch = log.lines().find(|line| line.starts_with("folder")).unwrap();
    assert!(scratch.starts_with(&format!("folder {}", folder.scratch().display())));
    assert!(scratch.ends_with(" 700"), "{scratch}");

    // Cargo sets this one for tests.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let known = [
        "PATH",
        "HOME",
        "LC_ALL",
        "TMPDIR",
        "LD_LIBRARY_PATH",
        "CASROOT",
        "MIMALLOC_ARENA_EAGER_COMMIT",
    ];
    let variables = log
        .lines()
        .filter_map(|line| line.strip_prefix("variable "));
    for name in variables {
        assert!(known.contains(&name) || name.starts_with("CSF_"), "{name}");
    }
}
