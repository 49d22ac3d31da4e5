//! The disk of the blobs is unmounted while everything runs: nothing is stored below its mount point,
//! nothing is called lost, and work goes on when the disk is back.

use std::{fs, path::PathBuf};

use super::{
    api::{Answer, Api},
    check::{check, files_in, settle},
    eventually,
    site::{Site, step},
};

use crate::service::SAMPLES;

const ASSETS: &str = "select kind, sha256, bytes from media_asset order by kind, sha256";

#[test]
fn nothing_is_stored_and_nothing_is_lost_while_the_disk_is_not_mounted() {
    let site = Site::new("unmounted");
    let api = Api::start(&site, &[]);
    site.import(1);
    let worker = site.worker(&[("CADMILL_SCRUB_RATE", "1GiB")]);
    settle(&site);
    let assets = site.sql(ASSETS);
    let file = site.sql("select id from cad_file");
    let scene = format!("/api/cad/{file}/media/gltf_geometry/content");
    let bytes = api.bytes(&scene);
    let (disk, mount_point) = (site.folder.join("disk"), site.data().join("blobs"));
    fs::rename(&mount_point, &disk).unwrap();
    fs::create_dir(&mount_point).unwrap();

    let away = |answer: Answer| {
        let code = answer.body["code"].as_str();
        assert_eq!(
            (answer.status, code),
            (503, Some("storage_away")),
            "{answer:?}"
        );
    };
    away(api.upload("new.step", &step("new")));
    away(api.upload("twin.step", &step("0")));
    away(api.get(&scene));
    let paint = site.folder.join("paint.json");
    fs::write(&paint, r##"{"*": {"color": "#336699"}}"##).unwrap();
    site.run(&["materials", "set", &file, paint.to_str().unwrap()])
        .succeeded();
    let waits = "ledger where kind = 'usd_master' and failure ->> 'code' = 'storage'";
    eventually("a master waits for the disk", || site.count(waits) == 1);
    let sample = format!("{SAMPLES}/gearbox.step");
    for command in [
        &["verify", "--repair"][..],
        &["gc", "--yes"],
        &["import", &sample],
        &["worker"],
        &["doctor"],
    ] {
        let refused = site.run(command);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let said = format!("{}{}", refused.stdout, refused.stderr);
        assert!(said.contains("cadmill adopt"), "{command:?}: {said}");
    }
    assert_eq!(site.sql(ASSETS), assets, "no medium is called lost");
    assert_eq!(
        site.count("ledger where failure ->> 'code' = 'source_lost'"),
        0
    );
    assert_eq!(files_in(&mount_point), [""; 0].map(PathBuf::from));

    fs::remove_dir_all(&mount_point).unwrap();
    fs::rename(&disk, &mount_point).unwrap();
    assert_eq!(api.bytes(&scene), bytes);
    assert_eq!(api.upload("new.step", &step("new")).status, 201);
    settle(&site);
    assert_eq!(site.count("ledger where crashes > 0"), 0);
    worker.stop();
    api.stop();
    check(&site, &mount_point);
}
