//! Work that an admin stops over HTTP.

use serde_json::Value;

use super::{
    api::Api, check::stop_and_check, eventually, eventually_at_least, kernel::tessellators_in,
    redis_client::locks, site::Site,
};

#[test]
fn cancelling_ends_the_tessellator_and_frees_the_lock() {
    let site = Site::new("cancelled");
    let api = Api::start(&site, &[]);
    site.kernel.close_gate();
    site.import(1);
    let worker = site.worker(&[]);
    eventually_at_least("it tessellates", 1, || tessellators_in(&site.data()));
    let page = api.get("/api/admin/work");
    let [item] = &page.body["work"].as_array().unwrap()[..] else {
        panic!("one file runs: {page:?}");
    };
    assert_eq!(item["task"], "gltf_geometry");
    assert_eq!(item["running"], true);
    let lock = &item["lock"];
    assert_eq!(lock["who"], item["worker"], "{item}");
    assert!(
        lock["held_for_s"].is_u64() && lock["since"].is_string(),
        "{item}"
    );
    assert!(lock["time_left_s"].is_u64(), "{item}");

    let cancel = format!("/api/admin/work/{}/cancel", item["id"].as_str().unwrap());
    let answer = api.json("POST", &cancel, &Value::Null);
    assert_eq!(
        (answer.status, &answer.body["cancelled"]),
        (200, &true.into())
    );
    eventually("the tessellator is gone", || {
        tessellators_in(&site.data()) == 0
    });
    eventually("the lock is free", || locks(&site.redis_url).is_empty());
    let file = format!("/api/cad/{}", item["cad_file_id"].as_str().unwrap());
    let shown = api.get(&file).body;
    assert_eq!(shown["media"][0]["state"], "cancelled", "{shown}");
    assert_eq!(site.count("media_asset"), 0);
    site.kernel.open_gate();
    let wanted = format!("{file}/media/gltf_geometry");
    assert_eq!(api.json("POST", &wanted, &Value::Null).status, 202);
    eventually_at_least("what is asked for again is made", 1, || {
        site.count("media_asset where kind = 'usd_master'")
    });
    stop_and_check(&site, vec![worker]);
    api.stop();
}
