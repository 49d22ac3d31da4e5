//! Many files at once: copies of one, healthy ones beside one that kills its worker, and those of two
//! projects.

use cadmill_domain::ContentHash;

use super::{
    api::Api,
    check::{check_rows, settle, settle_and_check},
    eventually, eventually_at_least,
    kernel::tessellators_in,
    redis_client::locks,
    site::{Site, step},
};

const SCENES: &str = "media_asset where kind = 'gltf_geometry'";

#[test]
fn copies_of_one_file_take_one_slot() {
    let site = Site::new("copies");
    site.kernel.close_gate();
    let folder = site.folder.join("copies");
    std::fs::create_dir(&folder).unwrap();
    for number in 0..8 {
        std::fs::write(folder.join(format!("copy-{number}.step")), step("same")).unwrap();
    }
    site.import_folder(&folder);
    let worker = site.worker(&[("CADMILL_SLOTS", "3")]);
    eventually("one of them is tessellated", || {
        tessellators_in(&site.data()) == 1
    });
    // It comes last, and finds a slot.
    site.import(1);
    eventually_at_least("the other file is tessellated", 2, || {
        site.kernel.runs().len()
    });
    assert_eq!(tessellators_in(&site.data()), 2);
    assert_eq!(site.kernel.runs().len(), 2);
    site.kernel.open_gate();
    settle_and_check(&site, vec![worker]);
    assert_eq!(site.kernel.runs().len(), 2, "the bytes were milled once");
    assert_eq!(site.count(SCENES), 9);
}

#[test]
fn healthy_files_beside_one_that_kills_its_worker_are_made() {
    let site = Site::new("poison");
    site.kernel.close_gate();
    site.import(4);
    let poison = ContentHash::of(step("0").as_bytes()).to_string();
    // All four die with the first two workers.
    site.kernel.poison(&poison, 4);
    let variables = [("CADMILL_SLOTS", "4")];
    for deaths in 1..=2 {
        site.worker(&variables).is_killed();
        assert_eq!(site.kernel.runs().len(), 4 * deaths);
        site.kernel.poison(&poison, 4 * (deaths + 1));
        eventually("the leases of the dead run out", || {
            locks(&site.redis_url).is_empty()
        });
    }
    site.kernel.open_gate();
    site.kernel.poison(&poison, 0);
    // What was with it runs alone, and so does it.
    let is_over = || site.count("ledger where state = 'failed'") == 1 && site.count(SCENES) == 3;
    while !is_over() {
        let mut worker = site.worker(&variables);
        let mut is_killed = false;
        eventually("a worker dies, or all is made", || {
            is_killed = worker.has_ended();
            is_killed || is_over()
        });
        if !is_killed {
            worker.stop();
        }
    }
    let failed = site.sql(
        "select f.source_sha256 || ' ' || (l.failure ->> 'code') from ledger l \
         join cad_file f on f.id = l.cad_file_id where l.state = 'failed'",
    );
    assert_eq!(failed, format!("{poison} worker_crash"));
    let deaths = site
        .kernel
        .runs()
        .iter()
        .filter(|run| **run == poison)
        .count();
    assert_eq!(deaths, 3);
}

#[test]
fn projects_take_turns() {
    let site = Site::new("projects");
    let api = Api::start(&site, &[]);
    let upload = |project: &str, number: usize| {
        let (name, step) = (
            format!("{project}-{number}.step"),
            step(&format!("{project} {number}")),
        );
        let answer = api.upload_for(project, &name, &step);
        assert_eq!(answer.status, 201, "{answer:?}");
    };
    (0..10).for_each(|number| upload("many", number));
    upload("one", 0);
    let worker = site.worker(&[("CADMILL_SLOTS", "1")]);
    settle(&site);
    worker.stop();
    let order = site.sql(
        "select split_part(f.name, '-', 1) from pipeline_event e \
         join cad_file f on f.id = e.cad_file_id \
         where e.task = 'gltf_geometry' and e.event = 'step_start' order by e.id",
    );
    let turn = order.lines().position(|project| project == "one").unwrap();
    assert!(turn < 3, "it has waited for the other project: {order}");
    check_rows(&site);
    api.stop();
}
