//! Workers that hardly look by themselves: they have to be woken.

use super::{eventually_at_least, site::Site};

#[test]
fn over_redis_a_sleeping_worker_is_woken() {
    is_woken("redis");
}

#[test]
fn over_postgresql_a_sleeping_worker_is_woken() {
    is_woken("postgres");
}

/// Also, what it logs at the finest level shows no password.
fn is_woken(by: &str) {
    let site = Site::new(&format!("wake-by-{by}"));
    let variables = [
        ("CADMILL_WAKE", by),
        ("CADMILL_POLL", "30m"),
        ("CADMILL_LOG", "trace"),
    ];
    let worker = site.worker(&variables);
    for count in 1..=3 {
        let folder = site.write_steps(count);
        let mut import = site.command(&["import", folder.to_str().unwrap()]);
        import.envs(variables).output().unwrap();
        eventually_at_least("what was brought in is made", count as u64, || {
            site.count("media_asset where kind = 'usd_master'")
        });
    }
    let password = site.database_url.split([':', '@']).nth(2).unwrap();
    let said = worker.said();
    worker.stop();
    assert!(said.contains("TRACE"), "{said}");
    assert!(!said.contains(password), "the password is logged");
}
