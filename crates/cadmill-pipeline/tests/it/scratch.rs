//! Private folders, and what killed processes left of them.

use std::{fs, os::unix::fs::PermissionsExt as _};

use cadmill_domain::FailureCode;
use cadmill_pipeline::Scratch;

use crate::test_folder::names;

#[test]
fn it_is_private_and_goes_with_its_owner() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().join("made/on/the/way");
    let scratch = Scratch::open(&root).unwrap();
    let path = scratch.path();
    assert!(path.starts_with(&root));
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o700
    );
    fs::write(path.join("model.step"), "half").unwrap();
    drop(scratch);
    assert_eq!(names(&root), [".lock"]);
}

#[test]
fn many_that_open_at_once_leave_each_other_alone() {
    let root = tempfile::tempdir().unwrap();
    let open = || Scratch::open(root.path()).unwrap();
    let opened: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(open)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(opened.iter().all(|scratch| scratch.path().exists()));
    assert_eq!(names(root.path()).len(), 17);
}

#[test]
fn where_no_folder_can_be_made_is_told() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let failure = Scratch::open(&file).unwrap_err();
    assert_eq!(failure.code, FailureCode::Storage);
    assert!(failure.detail.contains("file"), "{failure}");
}
