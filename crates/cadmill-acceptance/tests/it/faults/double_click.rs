//! People who click twice, and files that are the same.

use std::{
    fs,
    process::{Child, Stdio},
};

use super::{
    check::settle_and_check,
    eventually_at_least,
    kernel::tessellators_in,
    site::{Site, queued, step},
};

const FILES: usize = 10;
const CLICKS: usize = 10;

/// How many were queued by asking for what is missing, from many processes at once.
fn click(site: &Site, what: &str) -> u64 {
    let clicks: Vec<Child> = (0..CLICKS)
        .map(|_| {
            let mut click = site.command(&["generate-missing", what, "--json"]);
            click.stdout(Stdio::piped()).stderr(Stdio::piped());
            click.spawn().unwrap()
        })
        .collect();
    let ended = clicks
        .into_iter()
        .map(|click| click.wait_with_output().unwrap());
    ended.map(|output| queued(output.into())).sum()
}

#[test]
fn each_is_made_once_however_often_it_is_asked_for() {
    let site = Site::new("double-click");
    site.import(FILES);
    // Files whose work nobody has asked for, as after a restored backup.
    site.sql("delete from ledger");
    let workers = vec![site.worker(&[]), site.worker(&[])];
    assert_eq!(click(&site, "canonical-scenes"), FILES as u64);
    assert_eq!(click(&site, "usd-masters"), 0);
    settle_and_check(&site, workers);
    assert_eq!(site.kernel.runs().len(), FILES);
    assert_eq!(site.kernel.overlaps(), [""; 0]);
    assert_eq!(site.generate_missing("canonical-scenes"), 0);
    assert_eq!(site.generate_missing("usd-masters"), 0);
}

#[test]
fn masters_that_are_asked_for_while_their_scenes_are_made_are_made_once() {
    let site = Site::new("double-click-usd");
    site.kernel.close_gate();
    site.import(FILES);
    let workers = vec![site.worker(&[]), site.worker(&[])];
    eventually_at_least("all slots tessellate", 4, || tessellators_in(&site.data()));
    assert_eq!(click(&site, "usd-masters"), 0);
    site.kernel.open_gate();
    click(&site, "usd-masters");
    settle_and_check(&site, workers);
    let masters = "pipeline_event where event = 'step_start' and task = 'usd_master'";
    assert_eq!(site.count(masters), FILES as u64);
    assert_eq!(site.kernel.runs().len(), FILES);
}

#[test]
fn the_same_bytes_under_many_names_are_tessellated_once() {
    let site = Site::new("same-bytes");
    let folder = site.folder.join("steps");
    fs::create_dir(&folder).unwrap();
    for number in 0..20 {
        fs::write(folder.join(format!("name-{number}.step")), step("the same")).unwrap();
    }
    let slots = [("CADMILL_SLOTS", "4")];
    let workers = vec![site.worker(&slots), site.worker(&slots)];
    site.import_folder(&folder);
    settle_and_check(&site, workers);
    assert_eq!(site.kernel.runs().len(), 1);
    assert_eq!(site.count("cad_file"), 20);
    let blobs = "(select distinct sha256 from media_asset where kind = 'gltf_geometry') x";
    assert_eq!(site.count(blobs), 1);
}
