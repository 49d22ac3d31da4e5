//! People who click twice in their browsers, and change materials.

use std::thread;

use serde_json::{Value, json};

use super::{
    api::Api, check::settle_and_check, eventually_at_least, kernel::tessellators_in, site::Site,
};

const FILES: usize = 10;
const CLIENTS: usize = 20;

/// How many were queued by as many clients who press the button at once.
#[track_caller]
fn press(api: &Api, button: &str) -> u64 {
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| api.press(button)))
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .sum()
    })
}

#[test]
fn each_button_queues_each_file_once_for_all_clients() {
    for button in ["canonical-scenes", "usd-masters"] {
        let site = Site::new(&format!("clients-{button}"));
        let api = Api::start(&site, &[]);
        site.import(FILES);
        // Files whose work nobody has asked for, as after a restored backup.
        site.sql("delete from ledger");
        assert_eq!(press(&api, button), FILES as u64);
        assert_eq!(press(&api, button), 0);
        settle_and_check(&site, vec![site.worker(&[])]);
        assert_eq!(press(&api, button), 0);
        assert_eq!(site.kernel.runs().len(), FILES);
        api.stop();
    }
}

#[test]
fn masters_that_clients_ask_for_while_scenes_are_made_are_made_once() {
    let site = Site::new("clients-masters");
    let api = Api::start(&site, &[]);
    site.kernel.close_gate();
    site.import(FILES);
    let workers = vec![site.worker(&[]), site.worker(&[])];
    eventually_at_least("all slots tessellate", 4, || tessellators_in(&site.data()));
    assert_eq!(press(&api, "usd-masters"), 0);
    site.kernel.open_gate();
    press(&api, "usd-masters");
    settle_and_check(&site, workers);
    let masters = "pipeline_event where event = 'step_start' and task = 'usd_master'";
    assert_eq!(site.count(masters), FILES as u64);
    assert_eq!(site.kernel.runs().len(), FILES);
    api.stop();
}

#[test]
fn other_materials_make_the_master_again_and_nothing_else() {
    let site = Site::new("clients-materials");
    let api = Api::start(&site, &[]);
    site.import(1);
    settle_and_check(&site, vec![site.worker(&[])]);
    let id = site.sql("select id from cad_file");
    let path = format!("/api/cad/{id}");
    let before = api.get(&path).body;
    let master = |file: &Value| {
        let media = file["media"].as_array().unwrap();
        let master = media.iter().find(|medium| medium["kind"] == "usd_master");
        let master = master.unwrap();
        (master["state"].clone(), master["stale"].clone())
    };
    assert_eq!(master(&before), (json!("ready"), json!(false)));

    let red = json!({"*": {"color": "#ff0000"}});
    let overrides = format!("{path}/manual-material-overrides");
    assert_eq!(api.json("PUT", &overrides, &red).status, 200);
    let after = api.get(&path).body;
    assert_ne!(after["updated_at"], before["updated_at"]);
    // The old one is there until a worker has made the new one.
    assert_eq!(master(&after), (json!("queued"), json!(true)));
    let old = api.bytes(&format!("{path}/media/usd_master/content"));

    settle_and_check(&site, vec![site.worker(&[])]);
    let made = api.get(&path).body;
    assert_eq!(master(&made), (json!("ready"), json!(false)));
    let new = api.bytes(&format!("{path}/media/usd_master/content"));
    assert_ne!(old, new);
    assert_eq!(site.kernel.runs().len(), 1, "nothing is tessellated");
    api.stop();
}
