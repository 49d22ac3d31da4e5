//! The lock and the signal on a Redis cluster, behind Sentinels, and over TLS.

use std::{env, fs, path::Path, process::Command, sync::Arc, time::Duration};

use cadmill_lock::{
    DedupLock as _, LockError, LockKey,
    contract::{self, Pair},
    redis::{RedisLock, RedisWorkNotifier},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::time::timeout;

use crate::{
    redis_faults::until,
    redis_server::{RedisServer, free_port},
};

const TTL: Duration = Duration::from_secs(30);
/// The URL of the server over TLS, told to the process that trusts its certificate.
const TLS_URL: &str = "CADMILL_TEST_TLS_URL";

/// The server at `url` serves as any other does.
async fn serves(url: &str) {
    let connect = async |who| Arc::new(RedisLock::connect(url, who).await.unwrap());
    contract::check(&Pair {
        ours: connect("ours").await,
        theirs: connect("theirs").await,
        ttl: Duration::from_millis(900),
    })
    .await;
    let signal = RedisWorkNotifier::connect(url, "work").await.unwrap();
    let mut waiter = signal.waiter();
    let elsewhere = RedisWorkNotifier::connect(url, "work").await.unwrap();
    elsewhere.notify().await.unwrap();
    let woken = timeout(Duration::from_secs(20), waiter.wait()).await;
    woken.expect("it is woken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_serves() {
    let nodes = [(); 3].map(|()| {
        RedisServer::start_with(|_, port| {
            let (port, bus) = (port.to_string(), free_port().to_string());
            [
                "--port",
                &port,
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus,
            ]
            .map(str::to_owned)
        })
    });
    let addresses = nodes.each_ref().map(RedisServer::address);
    let [first, second, third] = &addresses;
    let url = format!("redis-cluster://{first}?node={second}&node={third}");
    let error = RedisLock::connect(&url, "worker").await.unwrap_err();
    assert!(matches!(error, LockError::Unavailable(_)), "{error:?}");

    let mut create = Command::new("redis-cli");
    create.args(["--cluster", "create"]).args(&addresses);
    let created = create.arg("--cluster-yes").output().unwrap();
    assert!(created.status.success(), "{created:?}");
    for node in &nodes {
        until(async || node.command("CLUSTER INFO").contains("cluster_state:ok")).await;
    }
    serves(&url).await;

    // Keys are of all nodes: each has been asked to set some.
    let lock = RedisLock::connect(&url, "worker").await.unwrap();
    let keys = (0..60).map(LockKey::step_processing);
    for key in keys {
        let lease = lock.try_acquire(&key, TTL).await.unwrap().unwrap();
        assert!(lock.renew(&lease, TTL).await.unwrap());
    }
    for node in &nodes {
        let held: u32 = node.command("DBSIZE")[1..].parse().unwrap();
        assert!(held > 0, "a node without keys");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_sentinels_the_new_master_is_found() {
    let master = RedisServer::start();
    let port = master.port().to_string();
    let replica = RedisServer::start_with(|_, own| {
        let own = own.to_string();
        ["--port", &own, "--replicaof", "127.0.0.1", &port].map(str::to_owned)
    });
    let sentinel = RedisServer::start_with(|folder, own| {
        let file = folder.join("sentinel.conf");
        let monitor = format!("port {own}\nsentinel monitor main 127.0.0.1 {port} 1\n");
        fs::write(&file, monitor).unwrap();
        [file.display().to_string(), "--sentinel".to_owned()]
    });
    let address = sentinel.address();
    let url = format!("redis-sentinel://{address}?sentinelServiceName=main");
    serves(&url).await;

    let lock = RedisLock::connect(&url, "worker").await.unwrap();
    let key = LockKey::step_processing(7);
    let lease = lock.try_acquire(&key, TTL).await.unwrap().unwrap();
    // Both know that the replica has all, and Sentinel knows the replica.
    let is_followed = || {
        replica
            .command("INFO replication")
            .contains("master_link_status:up")
    };
    until(async || is_followed()).await;
    until(async || sentinel.command("SENTINEL FAILOVER main") == "+OK").await;
    until(async || replica.command("ROLE") == "*3" && is_master(&replica)).await;
    until(async || lock.renew(&lease, TTL).await.is_ok_and(|held| held)).await;
    assert!(
        replica
            .command("GET step_processing_lock:7")
            .contains("worker")
    );
    drop(master);
    // The client may have had to find the new master once more.
    until(async || lock.renew(&lease, TTL).await.is_ok_and(|held| held)).await;
    assert!(lock.release(&lease).await.unwrap());
}

fn is_master(server: &RedisServer) -> bool {
    server.command("INFO replication").contains("role:master")
}

/// The authorities are those of the process, so this test runs itself in others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_it_serves_whom_its_certificate_convinces() {
    if let Ok(url) = env::var(TLS_URL) {
        return serves(&url).await;
    }
    let authority = authority();
    let server = tls_server(&authority);
    let folder = tempfile::tempdir().unwrap();
    let ask = |authority: &CertifiedIssuer<'_, KeyPair>| {
        let file = folder.path().join("authority.pem");
        fs::write(&file, authority.pem()).unwrap();
        let mut ask = Command::new(env::current_exe().unwrap());
        let name = "redis_topologies::over_tls_it_serves_whom_its_certificate_convinces";
        ask.args(["--exact", name]).env("SSL_CERT_FILE", file);
        ask.env(TLS_URL, format!("rediss://localhost:{}", server.port()));
        let answer = ask.output().unwrap();
        String::from_utf8(answer.stdout).unwrap()
    };
    let answer = ask(&authority);
    assert!(answer.contains("1 passed"), "{answer}");
    let answer = ask(&self::authority());
    assert!(answer.contains("1 failed"), "{answer}");
    assert!(answer.contains("InvalidCertificate"), "{answer}");
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server that talks TLS alone, as `localhost`.
fn tls_server(authority: &CertifiedIssuer<'_, KeyPair>) -> RedisServer {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let write = |folder: &Path, name: &str, text: &str| {
        let file = folder.join(name);
        fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    RedisServer::start_with(|folder, port| {
        let certificate = write(folder, "server.pem", &certificate.pem());
        let key = write(folder, "server.key", &key.serialize_pem());
        [
            "--port".to_owned(),
            "0".to_owned(),
            "--tls-port".to_owned(),
            port.to_string(),
            "--tls-cert-file".to_owned(),
            certificate.clone(),
            "--tls-key-file".to_owned(),
            key,
            "--tls-ca-cert-file".to_owned(),
            certificate,
            "--tls-auth-clients".to_owned(),
            "no".to_owned(),
        ]
    })
}
