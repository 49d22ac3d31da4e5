//! Measures the ledger on one database, and prints a figure a line: `cargo xtask bench dedup` reads
//! them. What is named is a new PostgreSQL server's URL, or nothing for a SQLite file:
//!
//! ```sh
//! cargo run --release -p cadmill-store --example ledger_rates -- [URL]
//! cargo run --release -p cadmill-store --example ledger_rates -- looks [URL]
//! cargo run --release -p cadmill-store --example ledger_rates -- published [URL]
//! ```
//!
//! The second measures only what it costs to look for work, the third only what waits for the disk.

mod fill;
mod filled;
mod looks;
mod pages;

use std::{
    collections::{HashSet, VecDeque},
    env,
    error::Error,
    io::Write as _,
    path::Path,
    process,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use cadmill_domain::{
    Blob, CadFileId, CadFiles as _, MediaKind, NewCadFile, NewMediaAsset, TaskKind, Work,
    ledger::{
        Claim, MissingRequest, Priority, Published, Request, Requested, TaskOutput, WorkQuery,
        WorkQueue as _, WorkRequests as _, WorkerName,
    },
};
use cadmill_store::Store;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::filled::Filled;

/// That of the command `cadmill`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Files that lack a scene.
const FILES: usize = 100_000;
/// Requests for what is in the queue already.
const DUPLICATES: usize = 40_000;
/// Files that go through the whole chain before all others, five claims each.
const UPLOADS: usize = 1_000;
const CLAIMS: usize = 5 * UPLOADS;
/// Clients, and slots of workers, at once.
const CLIENTS: usize = 8;
/// How often a page is synced.
const SYNCS: usize = 200;
/// How much of the queue is looked at.
const QUEUE: usize = 8 * CLIENTS;
const SCENE: TaskKind = TaskKind::Make(MediaKind::GltfGeometry);

#[tokio::main]
async fn main() -> Outcome {
    let mut arguments = env::args().skip(1).peekable();
    let only_looks = arguments.next_if(|argument| argument == "looks").is_some();
    let only_published = arguments
        .next_if(|argument| argument == "published")
        .is_some();
    let url = arguments.next();
    let folder = env::temp_dir();
    let filled = Filled::open(url.as_deref(), FILES).await?;
    if only_looks {
        return looks::looks(&filled).await;
    }
    clicks(&filled).await?;
    let store = Arc::new(filled.store.clone());
    if !only_published {
        duplicates(&store, &filled.files).await?;
        pages::pages(&store).await?;
    }
    // On a SQLite file one process works, with a slot for each; on a server each is a process, but for
    // the comparison with syncs, which is about one with eight slots.
    let workers = if url.is_some() && !only_published {
        CLIENTS
    } else {
        1
    };
    uploads(&store, workers).await?;
    syncs(&folder)
}

/// How long it takes to sync a page that was appended, in the folder of the database.
fn syncs(folder: &Path) -> Outcome {
    let mut file = tempfile::tempfile_in(folder)?;
    let mut times = Vec::new();
    for _ in 0..SYNCS {
        file.write_all(&[0x5a; 4096])?;
        let begun = Instant::now();
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    times.sort();
    println!("sync_ms {}", times[SYNCS / 2].as_secs_f64() * 1e3);
    Ok(())
}

/// Everything is missing; then nothing is.
async fn clicks(filled: &Filled) -> Outcome {
    let all = MissingRequest::of(SCENE);
    let begun = Instant::now();
    let first = filled.store.request_missing(&all).await?;
    println!("first_click_s {}", begun.elapsed().as_secs_f64());
    let mark = filled.mark().await?;
    let begun = Instant::now();
    let second = filled.store.request_missing(&all).await?;
    println!("second_click_s {}", begun.elapsed().as_secs_f64());
    println!("second_click_rows {}", filled.written_since(mark).await?);
    let files = FILES as u64;
    expect(
        first.queued == files && second.in_flight == files,
        "each file is queued once",
    )
}

/// Clients ask for what is in the queue.
async fn duplicates(store: &Arc<Store>, files: &[CadFileId]) -> Outcome {
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let clients = (0..CLIENTS).map(|_| {
        let (store, next, files) = (store.clone(), next.clone(), files.to_vec());
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= DUPLICATES {
                    return Ok(());
                }
                // A prime stride, so that neighbours are of different pages.
                let work = Work {
                    cad_file_id: files[number * 7919 % files.len()],
                    kind: SCENE,
                };
                let became = store.request(work, Request::BULK).await?;
                expect(became == Some(Requested::InFlight), "it is in flight")?;
            }
        })
    });
    all(clients).await?;
    let rate = DUPLICATES as f64 / begun.elapsed().as_secs_f64();
    println!("duplicates_per_s {rate}");
    Ok(())
}

/// Workers take files that somebody waits for through the whole chain.
async fn uploads(store: &Arc<Store>, workers: usize) -> Outcome {
    let urgent = Request {
        priority: Priority::Upload,
        ..Request::ASKED
    };
    let begun = Instant::now();
    for number in 0..UPLOADS {
        let file = NewCadFile {
            name: format!("upload {number}.step"),
            source: Blob::of(format!("upload {number}").as_bytes()).into(),
        };
        store.add(file, Some(urgent)).await?;
    }
    let rate = UPLOADS as f64 / begun.elapsed().as_secs_f64();
    println!("files_added_per_s {rate}");
    let published = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let workers = (0..workers).map(|number| {
        let worker = Worker {
            store: store.clone(),
            number,
            slots: CLIENTS / workers,
            published: published.clone(),
        };
        tokio::spawn(worker.run())
    });
    all(workers).await?;
    let rate = published.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    println!("claims_and_publishes_per_s {rate}");
    Ok(())
}

/// Takes work as long as there is any, as a worker does whose work takes no time.
struct Worker {
    store: Arc<Store>,
    number: usize,
    slots: usize,
    /// How much all workers have published.
    published: Arc<AtomicUsize>,
}

impl Worker {
    async fn run(self) -> Outcome {
        let name = WorkerName::new(format!("mill-{}", self.number));
        let slots = Arc::new(Semaphore::new(self.slots));
        let publishing = Arc::new(Semaphore::new(self.slots));
        let (mut queue, mut begun) = (VecDeque::new(), HashSet::new());
        while self.published.load(Ordering::Relaxed) < CLAIMS {
            let slot = slots.clone().acquire_owned().await?;
            if queue.is_empty() {
                queue = self.look().await?;
                queue.retain(|work| begun.insert(*work));
            }
            let Some(work) = queue.pop_front() else {
                // What follows from what is being published is not there yet.
                tokio::task::yield_now().await;
                continue;
            };
            let (store, published) = (self.store.clone(), self.published.clone());
            let (name, publishing) = (name.clone(), publishing.clone());
            tokio::spawn(async move {
                if let Err(error) = take(&store, work, &name, &published, slot, publishing).await {
                    // All figures would be wrong.
                    eprintln!("{work}: {error}");
                    process::exit(1);
                }
            });
        }
        Ok(())
    }

    /// The front of the queue. All workers see the same one, so each begins elsewhere.
    async fn look(&self) -> Outcome<VecDeque<Work>> {
        let queue = self.store.next(&WorkQuery::first(QUEUE)).await?.into_iter();
        let mut queue: VecDeque<_> = queue.map(|queued| queued.work).collect();
        let share = QUEUE * self.slots / CLIENTS;
        let places = queue.len().max(1);
        queue.rotate_left(self.number * share % places);
        queue.truncate(share);
        Ok(queue)
    }
}

/// Claims and publishes. The slot is free as soon as there is a result, but of each slot only one
/// result is published at a time.
async fn take(
    store: &Store,
    work: Work,
    name: &WorkerName,
    published: &AtomicUsize,
    slot: OwnedSemaphorePermit,
    publishing: Arc<Semaphore>,
) -> Outcome {
    let Some(claim) = store.claim(work, name).await? else {
        return Ok(());
    };
    let publishes = publishing.acquire_owned().await?;
    drop(slot);
    let done = store.publish(&claim, product(&claim)).await?;
    drop(publishes);
    published.fetch_add(1, Ordering::Relaxed);
    expect(
        matches!(done, Published::Done { .. }),
        "a new claim is held",
    )
}

fn product(claim: &Claim) -> TaskOutput {
    if claim.work.kind == TaskKind::ProcessStep {
        return TaskOutput::Step(cadmill_domain::fakes::step_facts(b"STEP").into());
    }
    let blob = Blob::of(claim.input.to_string().as_bytes()).into();
    let report = cadmill_domain::fakes::tessellation_report().into();
    TaskOutput::Asset(NewMediaAsset { blob, report })
}

async fn all(tasks: impl Iterator<Item = tokio::task::JoinHandle<Outcome>>) -> Outcome {
    for task in tasks.collect::<Vec<_>>() {
        task.await??;
    }
    Ok(())
}

fn expect(holds: bool, what: &str) -> Outcome {
    if holds { Ok(()) } else { Err(what.into()) }
}
