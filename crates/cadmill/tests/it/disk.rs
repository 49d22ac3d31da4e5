//! A disk that takes no more.

use std::process::Command;

use crate::bench::{Bench, Ended};

/// Runs a shell script that gets the command and its arguments as its own.
fn run(bench: &Bench, script: &str) -> Ended {
    let convert = bench.command(&["convert", "a.step", "-o", "out", "--kinds", "glb,usd"]);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", script, "sh"])
        .arg(convert.get_program())
        .args(convert.get_args())
        .current_dir(bench.path("."))
        .env("CADMILL_TESSELLATOR", crate::bench::fake())
        .env("TMPDIR", bench.path("scratch"));
    shell.output().unwrap().into()
}

#[test]
fn a_write_that_fails_leaves_no_file() {
    let bench = Bench::new();
    bench.step("a.step", "");
    // Files may have 4 KiB: the GLB has less, the USD master more.
    let ended = run(&bench, "trap '' XFSZ; ulimit -f 8; exec \"$@\"").with(1);
    assert!(ended.stdout.contains("storage"), "{}", ended.stdout);
    assert!(ended.stdout.contains("a.usdz"), "{}", ended.stdout);
    assert_eq!(bench.names("out"), Vec::<String>::new());
    bench.assert_scratch_is_empty();
}

/// A full disk of its own needs a mount namespace, which containers may refuse; the test above
/// then has to do.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_leaves_no_file() {
    let namespace = ["--map-root-user", "--mount"];
    let allowed = Command::new("unshare").args(namespace).arg("true").status();
    if !allowed.is_ok_and(|status| status.success()) {
        eprintln!("mount namespaces are refused here");
        return;
    }
    let bench = Bench::new();
    bench.step("a.step", "");
    std::fs::create_dir(bench.path("out")).unwrap();
    let script = "exec unshare --map-root-user --mount sh -c '
        mount -t tmpfs -o size=8k none out || exit 99
        \"$@\"; code=$?
        ls -A out | sed s/^/left:/
        exit $code' sh \"$@\"";
    let ended = run(&bench, script).with(1);
    assert!(ended.stdout.contains("disk_full"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("The disk is full."),
        "{}",
        ended.stdout
    );
    assert!(!ended.stdout.contains("left:"), "{}", ended.stdout);
}
