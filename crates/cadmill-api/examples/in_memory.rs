//! The service over in-memory ports, to be looked at and tested from outside: nothing is made, nothing
//! is kept. `cargo run -p cadmill-api --example in_memory -- 127.0.0.1:8080 [open]`; unless it is open, it
//! prints an admin's token.

use std::{num::NonZeroU32, sync::Arc};

use cadmill_api::{Access, Api, Settings, serve};
use cadmill_domain::{
    Blobs as _, CadFiles as _, MediaKind, MediaPlan, NewCadFile, NewMediaAsset, Recipe,
    SystemClock, TaskKind, Work,
    access_token::{AccessTokens as _, NewAccessToken, Role, TokenSecret},
    fakes::{MemoryBlobs, MemoryStore},
    ledger::{Request, TaskOutput, WorkQueue as _, WorkerName},
};
use cadmill_lock::MemoryLock;
use cadmill_scene::{Overlay, glb, sample::gearbox_like};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let access = match arguments.next().as_deref() {
        Some("open") => Access::Open,
        _ => Access::Tokens,
    };
    let clock = Arc::new(SystemClock);
    let plan = MediaPlan::new(Recipe::STANDARD, MediaKind::ALL);
    let store = MemoryStore::new(plan, clock.clone());
    let blobs = MemoryBlobs::default();
    add_sample(&store, &blobs).await?;
    let secret = TokenSecret::from_random(rand::random());
    store
        .create(NewAccessToken::of(&secret, "admin", Role::Admin, None))
        .await?;
    println!("{}", secret.expose());
    let api = Api {
        files: Arc::new(store.clone()),
        assets: Arc::new(store.clone()),
        requests: Arc::new(store.clone()),
        view: Arc::new(store.clone()),
        log: Arc::new(store.clone()),
        blobs: Arc::new(blobs),
        refs: Arc::new(store.clone()),
        lock: Arc::new(MemoryLock::new("example")),
        tokens: Arc::new(store.clone()),
        webhooks: Arc::new(store),
        random: rand::random,
        clock,
        checks: Vec::new(),
        render_metrics: Arc::new(String::new),
        join_trace: |_, _| {},
        stop: tokio_util::sync::CancellationToken::new(),
    };
    let settings = Settings {
        access,
        failed_logins_per_minute: NonZeroU32::MAX,
        ..Settings::default()
    };
    let listener = TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    serve(listener, api.router(&settings), std::future::pending()).await?;
    Ok(())
}

/// A file whose canonical scene is there.
async fn add_sample(
    store: &MemoryStore,
    blobs: &MemoryBlobs,
) -> Result<(), Box<dyn std::error::Error>> {
    let source = blobs.put(b"ISO-10303-21;".to_vec()).await?;
    let name = "gearbox.step".to_owned();
    let file = store
        .add(
            NewCadFile {
                name,
                source: source.into(),
            },
            Some(Request::ASKED),
        )
        .await?;
    let scene = gearbox_like();
    let blob = blobs
        .put(glb::write(&scene, &Overlay::none(&scene))?)
        .await?;
    let report = cadmill_domain::fakes::tessellation_report().into();
    let products = [
        (
            TaskKind::ProcessStep,
            TaskOutput::Step(cadmill_domain::fakes::step_facts(b"STEP").into()),
        ),
        (
            TaskKind::Make(MediaKind::GltfGeometry),
            TaskOutput::Asset(NewMediaAsset {
                blob: blob.into(),
                report,
            }),
        ),
    ];
    for (kind, product) in products {
        let work = Work {
            cad_file_id: file.id,
            kind,
        };
        let worker = WorkerName::new("example");
        let claim = store
            .claim(work, &worker)
            .await?
            .ok_or("the sample is not queued")?;
        store.publish(&claim, product).await?;
    }
    println!("{}", file.id);
    Ok(())
}
