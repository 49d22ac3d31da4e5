//! A worker on a machine whose clock is an hour ahead.

use std::{fs, path::PathBuf, process::Command};

use super::{check::settle_and_check, eventually, site::Site};

/// Times that are not those of the database's clock. No work is put off for more than 10 minutes.
const AHEAD: &str = "ledger where greatest(requested_at, claimed_at) > now() + interval '1 minute' \
                     or not_before > now() + interval '20 minutes'";

#[test]
fn a_clock_that_is_an_hour_ahead_puts_nothing_off() {
    let site = Site::new("hour-ahead");
    let library = hour_ahead(&site);
    let mut date = Command::new("date");
    let date = date.arg("+%s").env("LD_PRELOAD", &library).output();
    let date = String::from_utf8(date.unwrap().stdout).unwrap();
    let here = site.sql("select extract(epoch from now())::bigint");
    let seconds = |text: &str| text.trim().parse::<u64>().unwrap();
    assert!(
        seconds(&date) > seconds(&here) + 3_000,
        "the clock is not ahead"
    );

    let worker = site.worker(&[("LD_PRELOAD", library.to_str().unwrap())]);
    worker.says("Working with");
    // Work that fails and is tried again.
    let (program, away) = (site.kernel.program(), site.folder.join("away"));
    fs::rename(&program, &away).unwrap();
    site.import(2);
    eventually("both files wait for the tessellator", || {
        site.count("ledger where kind = 'gltf_geometry' and attempts > 0") == 2
    });
    assert_eq!(site.count(AHEAD), 0, "{}", site.sql("select * from ledger"));
    fs::rename(&away, &program).unwrap();
    settle_and_check(&site, vec![worker]);
    assert_eq!(site.count(AHEAD), 0, "{}", site.sql("select * from ledger"));
}

/// Compiles what sets the clock of a process ahead.
fn hour_ahead(site: &Site) -> PathBuf {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/faults/hour_ahead.c");
    let library = site.folder.join("hour_ahead.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"]);
    let compiled = compiler.arg(&library).args([source, "-ldl"]).output();
    let compiled = compiled.unwrap();
    let stderr = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "{stderr}");
    library
}
