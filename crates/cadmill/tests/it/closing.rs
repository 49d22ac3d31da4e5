//! Commands close the database of an embedded deployment.

use crate::test_dir::TestDir;

#[test]
fn each_command_closes_the_database() {
    let dir = TestDir::new();
    dir.step("in/a.step", "");
    dir.write("map.json", "{}");
    let commands: [&[&str]; 14] = [
        &["migrate"],
        &["import", "in"],
        &["import", "in", "--wait"],
        &["status"],
        &["status", "a.step"],
        &["generate-missing", "usd-masters"],
        &["retry"],
        &["materials", "set", "a.step", "map.json"],
        &["materials", "show", "a.step"],
        &["token", "create", "--name", "reader"],
        &["token", "list"],
        &["verify"],
        &["gc"],
        &["adopt"],
    ];
    for command in commands {
        dir.run(command).expect_exit(0);
        assert!(is_closed(&dir), "{command:?}");
    }
    // Its cube fails with the fake tessellator.
    dir.run(&["doctor"]).expect_exit(1);
    assert!(is_closed(&dir));
    dir.run(&["status", "unknown.step"]).expect_exit(1);
    assert!(is_closed(&dir));
}

/// Whether the write-ahead log is gone. The next `cadmill serve` checks the database otherwise.
fn is_closed(dir: &TestDir) -> bool {
    !dir.path("cadmill-data/cadmill.db-wal").exists()
}
