//! Fills a new data folder with files that were read and lack a scene, and with one large medium, for
//! `cargo xtask bench api`:
//!
//! ```sh
//! cargo run --release -p cadmill-store --example full_folder -- FOLDER FILES MEDIUM_BYTES
//! ```
//!
//! It prints the id of the medium and the file that keeps its bytes, each behind its name on a line.
//! The files are numbered from 1: the last twelve hexadecimal digits of their ids.

#[path = "../ledger_rates/fill.rs"]
mod fill;

use std::{env, error::Error, path::Path, sync::Arc};

use cadmill_domain::{
    CadFiles as _, MediaAssetId, MediaKind, MediaPlan, NewCadFile, NewMediaAsset, Recipe,
    SystemClock, TaskKind, Work,
    blobs::keep_bytes,
    ledger::{
        Claim, Published, Request, TaskOutput, WorkQueue as _, WorkRequests as _, WorkerName,
    },
};
use cadmill_store::{Database, LocalWorkNotifier, ObjectBlobs, Store};
use sea_orm::ConnectionTrait as _;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [folder, files, bytes] = arguments.as_slice() else {
        return Err("needed are a folder, how many files, and the bytes of the medium".into());
    };
    let folder = Path::new(folder);
    let path = folder.join("cadmill.db");
    let database = Database::open_sqlite(&path).await?;
    database.migrate().await?;
    // Nothing that a server would begin to make follows from the medium.
    let plan = MediaPlan::new(Recipe::STANDARD, [MediaKind::UsdMaster]);
    let beside = sea_orm::Database::connect(format!("sqlite://{}", path.display())).await?;
    for sql in fill::statements(false, &plan, files.parse()?) {
        beside.execute_unprepared(&sql).await?;
    }
    let notifier = Arc::new(LocalWorkNotifier::default());
    let store = Store::new(database, plan, Arc::new(SystemClock), notifier);
    let blobs = ObjectBlobs::in_folder(&folder.join("blobs"))?;
    medium(&store, &blobs, folder, bytes.parse()?).await
}

/// Takes one file through the chain to a USD master of so many bytes.
async fn medium(store: &Store, blobs: &ObjectBlobs, folder: &Path, bytes: usize) -> Outcome {
    let source = keep_bytes(blobs, store, b"a large assembly".to_vec().into()).await?;
    let name = "large assembly.step".to_owned();
    let file = NewCadFile { name, source };
    let file = store.add(file, Some(Request::ASKED)).await?;
    let work = |kind| Work {
        cad_file_id: file.id,
        kind,
    };
    let step = work(TaskKind::ProcessStep);
    publish(
        store,
        step,
        TaskOutput::Step(cadmill_domain::fakes::step_facts(b"STEP").into()),
    )
    .await?;
    let scene = keep_bytes(blobs, store, b"its scene".to_vec().into()).await?;
    let scene = asset(scene);
    publish(store, work(TaskKind::Make(MediaKind::GltfGeometry)), scene).await?;
    let blob = keep_bytes(blobs, store, noise(bytes).into()).await?;
    let master = work(TaskKind::Make(MediaKind::UsdMaster));
    let medium = publish(store, master, asset(blob)).await?;
    let medium = medium.ok_or("a master is an asset")?;
    let hash = blob.blob().sha256.to_string();
    let kept = folder.join("blobs/sha256").join(&hash[..2]).join(&hash);
    println!("medium {medium}\nkept {}", kept.display());
    Ok(())
}

fn asset(blob: cadmill_domain::blobs::KeptBlob) -> TaskOutput {
    let report = cadmill_domain::ConversionReport::default().into();
    TaskOutput::Asset(NewMediaAsset { blob, report })
}

async fn publish(store: &Store, work: Work, product: TaskOutput) -> Outcome<Option<MediaAssetId>> {
    store.request(work, Request::ASKED).await?;
    let worker = WorkerName::new("filler");
    let claim: Claim = store.claim(work, &worker).await?.ok_or("it is queued")?;
    match store.publish(&claim, product).await? {
        Published::Done { asset, .. } => Ok(asset),
        Published::Refused => Err("a fresh claim holds".into()),
    }
}

/// Bytes that do not repeat, as those of a packed master do not.
fn noise(bytes: usize) -> Vec<u8> {
    let words = (0..bytes.div_ceil(4) as u32).map(|number| number.wrapping_mul(2_654_435_761));
    let mut noise: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
    noise.truncate(bytes);
    noise
}
