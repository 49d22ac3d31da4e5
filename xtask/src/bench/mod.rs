//! `cargo xtask bench convert`: our GLB and USD against two peers, in one run and in ratios; and
//! `dedup` and `api`, in modules of their own.

mod api;
mod dedup;
mod figures;
mod measure;
mod merge;
mod peers;
mod report;
mod slow_sync;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
    time::Instant,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use walkdir::WalkDir;

pub(crate) use self::{api::ApiBench, dedup::DedupBench};
use self::{
    peers::Peers,
    report::{FileFigures, FolderFigures, Report},
};
use crate::{run::build_release, workspace::Workspace};

/// The size that the merged assembly has at least.
const MERGED_BYTES: usize = 10_000_000;
/// Memory varies little, and looking at it slows a program down, so it has runs of its own.
const MEMORY_RUNS: usize = 3;
const WORKERS: usize = 2;

/// `cadmill convert` against `cascadio` and the old way.
#[derive(Debug, Args)]
pub(crate) struct ConvertBench {
    /// Medians are taken over this many runs.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Only files whose name contains this; the folder as a whole is left out.
    #[arg(long)]
    only: Option<String>,
    /// One run of everything, to see that it works.
    #[arg(long)]
    quick: bool,
    /// The folder with the files; the samples of our own if it is not there.
    #[arg(long)]
    folder: Option<PathBuf>,
}

impl ConvertBench {
    pub(crate) fn run(&self, workspace: &Workspace) -> Result<()> {
        build_release(workspace)?;
        let bench = workspace.target.join("bench");
        fs::create_dir_all(&bench)?;
        let peers = Peers::ensure(workspace, &bench)?;
        let inputs = Inputs::find(self.folder.clone(), workspace, &bench)?;
        let mut report = Report::new(self.runs());
        for file in inputs.chosen(self.only.as_deref()) {
            report.files.push(self.measure_file(&peers, file)?);
        }
        if self.only.is_none() {
            report.folder = Some(self.measure_folder(&peers, &inputs)?);
        }
        print!("{report}");
        Ok(())
    }

    fn runs(&self) -> usize {
        if self.quick { 1 } else { self.runs.into() }
    }

    fn measure_file(&self, peers: &Peers, file: &Path) -> Result<FileFigures> {
        let mut figures = FileFigures::of(file)?;
        eprintln!("{}", figures.name);
        for _ in 0..self.runs() {
            let ours = measure::seconds(&mut peers.cadmill(file, "1")?)?;
            let cascadio = measure::seconds(&mut peers.cascadio(file)?)?;
            figures.ours_s.push(ours);
            figures.cascadio_s.push(cascadio);
        }
        for _ in 0..self.runs().min(MEMORY_RUNS) {
            let ours = measure::peak_mib(&mut peers.cadmill(file, "1")?)?;
            let cascadio = measure::peak_mib(&mut peers.cascadio(file)?)?;
            figures.ours_mib.push(ours);
            figures.cascadio_mib.push(cascadio);
        }
        Ok(figures)
    }

    fn measure_folder(&self, peers: &Peers, inputs: &Inputs) -> Result<FolderFigures> {
        let mut figures = FolderFigures::default();
        eprintln!("{} as a whole", inputs.folder.display());
        for _ in 0..self.runs() {
            let jobs = WORKERS.to_string();
            let ours = measure::seconds(&mut peers.cadmill(&inputs.folder, &jobs)?)?;
            figures.ours_s.push(ours);
            figures
                .old_way_s
                .push(old_way_seconds(peers, &inputs.files)?);
        }
        Ok(figures)
    }
}

/// The seconds in which the workers of the old way make both media of all files.
fn old_way_seconds(peers: &Peers, files: &[PathBuf]) -> Result<f64> {
    let queue = Mutex::new(files.iter());
    let next = || queue.lock().expect("no worker panics").next();
    let begin = Instant::now();
    thread::scope(|scope| {
        let work = |worker| {
            while let Some(file) = next() {
                for mut command in peers.old_way(file, worker)? {
                    measure::seconds(&mut command)?;
                }
            }
            anyhow::Ok(())
        };
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| scope.spawn(move || work(worker)))
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().expect("no worker panics"))
    })?;
    Ok(begin.elapsed().as_secs_f64())
}

/// The files to measure with.
struct Inputs {
    folder: PathBuf,
    /// What lies in that folder.
    files: Vec<PathBuf>,
    /// The assembly that is made of them.
    merged: PathBuf,
}

impl Inputs {
    fn find(folder: Option<PathBuf>, workspace: &Workspace, bench: &Path) -> Result<Self> {
        let shared = workspace.root.join("../shared/step");
        let folder = match folder {
            Some(folder) => folder,
            None if shared.is_dir() => shared.canonicalize()?,
            None => workspace.samples(),
        };
        let files = step_files(&folder);
        if files.is_empty() {
            bail!("there is no STEP file in {}", folder.display());
        }
        let merged = bench.join("merged.step");
        fs::write(&merged, merge::merge(&files, MERGED_BYTES)?)
            .with_context(|| format!("{} cannot be written", merged.display()))?;
        Ok(Self {
            folder,
            files,
            merged,
        })
    }

    fn chosen(&self, only: Option<&str>) -> impl Iterator<Item = &PathBuf> {
        self.files
            .iter()
            .chain([&self.merged])
            .filter(move |file| only.is_none_or(|part| file.to_string_lossy().contains(part)))
    }
}

/// The STEP files in `folder`, in the order of their names.
fn step_files(folder: &Path) -> Vec<PathBuf> {
    WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter()
        .filter_map(Result::ok)
        .map(walkdir::DirEntry::into_path)
        .filter(|path| {
            let extension = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
            extension.is_some_and(|e| e == "step" || e == "stp")
        })
        .collect()
}

/// An empty folder, so that nobody finds what an earlier run has left.
fn fresh(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok(folder.to_owned())
}
