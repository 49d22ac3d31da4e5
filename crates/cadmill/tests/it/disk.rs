//! A full disk.

use std::process::Command;

use crate::test_dir::{CommandOutput, TestDir, fake_tessellator};

/// Runs a shell script whose arguments are the command and its arguments.
fn run(dir: &TestDir, script: &str) -> CommandOutput {
    let convert = dir.command(&["convert", "a.step", "-o", "out", "--kinds", "glb,usd"]);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", script, "sh"])
        .arg(convert.get_program())
        .args(convert.get_args())
        .current_dir(dir.path("."))
        .env("CADMILL_TESSELLATOR", fake_tessellator())
        .env("TMPDIR", dir.path("scratch"));
    shell.output().unwrap().into()
}

#[test]
fn a_failed_write_leaves_no_file() {
    let dir = TestDir::new();
    dir.step("a.step", "");
    // Files may have 4 KiB. The GLB is smaller, the USD master larger.
    let ended = run(&dir, "trap '' XFSZ; ulimit -f 8; exec \"$@\"").expect_exit(1);
    assert!(ended.stdout.contains("storage"), "{}", ended.stdout);
    assert!(ended.stdout.contains("a.usdz"), "{}", ended.stdout);
    assert_eq!(dir.names("out"), Vec::<String>::new());
    dir.assert_scratch_is_empty();
}

/// A disk of this size needs a mount namespace. In containers that refuse one, only the test above
/// runs.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_reported_and_leaves_no_file() {
    let namespace = ["--map-root-user", "--mount"];
    let allowed = Command::new("unshare").args(namespace).arg("true").status();
    if !allowed.is_ok_and(|status| status.success()) {
        eprintln!("mount namespaces are not available");
        return;
    }
    let dir = TestDir::new();
    dir.step("a.step", "");
    std::fs::create_dir(dir.path("out")).unwrap();
    let script = "exec unshare --map-root-user --mount sh -c '
        mount -t tmpfs -o size=8k none out || exit 99
        \"$@\"; code=$?
        ls -A out | sed s/^/left:/
        exit $code' sh \"$@\"";
    let ended = run(&dir, script).expect_exit(1);
    assert!(ended.stdout.contains("disk_full"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("The disk is full."),
        "{}",
        ended.stdout
    );
    assert!(!ended.stdout.contains("left:"), "{}", ended.stdout);
}
