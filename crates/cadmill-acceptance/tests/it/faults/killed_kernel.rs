//! A tessellator that is killed from outside, and a blob store that is away when it has ended.

use cadmill_servers::{Proxy, Traffic};

use super::{
    check::{check_rows, settle, settle_and_check},
    cluster::in_a_bucket,
    eventually, eventually_at_least,
    kernel::{kill_tessellators_in, tessellators_in},
    site::Site,
};

#[test]
fn a_kernel_that_is_killed_leaves_no_coarser_scene() {
    let site = Site::new("killed-kernel");
    site.kernel.close_gate();
    site.import(1);
    let worker = site.worker(&[]);
    // It counts itself after it has begun.
    eventually_at_least("it tessellates", 1, || site.kernel.runs().len());
    kill_tessellators_in(&site.data());
    eventually_at_least("it tessellates again", 2, || site.kernel.runs().len());
    site.kernel.open_gate();
    // What is there is what was wanted, which a coarser scene is not.
    settle_and_check(&site, vec![worker]);
    let failed = "pipeline_event where event = 'step_failed' \
                  and result ->> 'code' = 'kernel_killed'";
    assert_eq!(site.count(failed), 1);
    assert_eq!(site.count("ledger where crashes > 0"), 0);
}

#[test]
fn a_scene_that_could_not_be_stored_is_not_tessellated_again() {
    let site = Site::new("unsent");
    let direct = in_a_bucket("unsent");
    let mut variables = direct.clone();
    let endpoint = variables
        .iter_mut()
        .find(|(name, _)| *name == "AWS_ENDPOINT");
    let endpoint = &mut endpoint.unwrap().1;
    let proxy = Proxy::start(endpoint).unwrap();
    *endpoint = proxy.url().to_owned();
    let variables: Vec<_> = variables.iter().map(|(k, v)| (*k, v.as_str())).collect();

    site.kernel.close_gate();
    let steps = site.write_steps(1);
    let mut import = site.command(&["import", steps.to_str().unwrap()]);
    assert!(import.envs(direct).status().unwrap().success());
    let worker = site.worker(&variables);
    eventually("it tessellates", || tessellators_in(&site.data()) == 1);
    proxy.set(Traffic::Refuse);
    site.kernel.open_gate();
    let failed = "pipeline_event where event = 'step_failed' and task = 'gltf_geometry'";
    eventually_at_least("the scene cannot be stored", 1, || site.count(failed));
    proxy.set(Traffic::Forward);
    settle(&site);
    worker.stop();
    check_rows(&site);
    assert_eq!(site.kernel.runs().len(), 1);
}
