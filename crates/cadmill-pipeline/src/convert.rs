//! One STEP file into its media: read once, tessellated once, everything else derived.

mod media;
mod record;
mod reuse;
mod source;
mod staging;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use cadmill_domain::{
    ContentHash, Failure, FailureCode, MaterialMaps, MediaKind, Recipe,
    tessellator::{
        Cancelled, Conditions, Phase, ProgressSink, Tessellation, TessellationRequest, Tessellator,
    },
};
use cadmill_step::{StepSummary, TreeCounts, inspect_path};
use tokio::task::{JoinError, JoinSet, spawn_blocking};

use self::{
    media::Staged,
    source::Stamp,
    staging::{Renamed, StagedFile},
};
pub use self::{
    media::Target,
    record::{CONVERTER, ConversionTimings, Medium, Origin, Record},
};

pub(crate) use self::media::StyledScene;

/// How many occurrences a file may have, parts and assemblies together. Each takes some 8 kB while
/// the USD master is written.
const MAX_OCCURRENCES: u64 = 250_000;

/// What is to be converted, into what, and within which limits.
#[derive(Debug, Clone)]
pub struct Conversion {
    /// The STEP file.
    pub source: PathBuf,
    /// Where the media go.
    pub target: Target,
    /// Which media are written.
    pub kinds: BTreeSet<MediaKind>,
    /// How finely.
    pub recipe: Recipe,
    /// The materials that are laid over the scene.
    pub materials: Arc<MaterialMaps>,
    /// Whether the USD layers are also written as files of their own, into `<stem>.usd/`.
    pub loose_layers: bool,
    /// Whether the file is tessellated although its canonical scene is there.
    pub afresh: bool,
    /// Wall-clock limit of one try of the tessellator.
    pub timeout: Duration,
    /// Limit of the tessellator's address space, in bytes.
    pub memory_bytes: u64,
    /// How many threads the kernel may use.
    pub threads: usize,
}

/// What came of a conversion.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Converted {
    /// What was written beside the media, too.
    pub record: Record,
    /// Whether the canonical scene of an earlier run was used.
    pub reused: bool,
}

/// What a conversion is doing.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Stage {
    /// Reading the STEP file without the kernel.
    Inspect,
    /// The tessellator is in this phase, done to this fraction.
    Tessellate(Phase, f64),
    /// Deriving the media.
    Media,
}

/// Is told what a conversion is doing.
pub trait ConversionProgress: Send + Sync {
    /// The conversion is in `stage` now.
    fn report(&self, stage: Stage);
}

struct Tessellating(Arc<dyn ConversionProgress>);

impl ProgressSink for Tessellating {
    fn report(&self, phase: Phase, fraction: f64) {
        self.0.report(Stage::Tessellate(phase, fraction));
    }
}

impl Conversion {
    /// Converts the file.
    ///
    /// The media appear under their names together, when all of them are whole; the record last.
    /// If the record and the GLB of an earlier run are there, whole and made of the same file by the
    /// same recipe, nothing is tessellated. A coarser scene, made after a fault of the kernel, is used
    /// again only by the same kernel within the same limits.
    ///
    /// # Errors
    /// One entry of the failure catalogue. What was in the output folder is then unchanged, unless
    /// the very renaming failed.
    pub async fn run(
        &self,
        tessellator: &dyn Tessellator,
        progress: Arc<dyn ConversionProgress>,
        cancelled: Cancelled,
    ) -> Result<Converted, Failure> {
        let mut timings = ConversionTimings::default();
        let clock = Instant::now();
        progress.report(Stage::Inspect);
        let (stamp, step) = self.inspect(cancelled.clone()).await?;
        refuse_what_cannot_be_laid_out(&step.counts)?;
        timings.inspect_s = clock.elapsed().as_secs_f64();

        let clock = Instant::now();
        let origin = Origin::new(step.hash, self.recipe);
        let found = self.find_earlier(&origin, step.names_other_files, tessellator);
        let found = found.await?;
        let reused = found.is_some();
        let tessellation = if let Some(tessellation) = found {
            tessellation
        } else {
            let made = self.tessellate(&step, tessellator, &progress, &cancelled);
            let made = made.await;
            // Even a failure is not that of the file whose hash was taken.
            stamp.still_holds(&self.source)?;
            made?
        };
        timings.tessellate_s = clock.elapsed().as_secs_f64();

        give_up_if(&cancelled).await?;
        let clock = Instant::now();
        progress.report(Stage::Media);
        let Tessellation { glb, report } = tessellation;
        let canonical_sha256 = ContentHash::of(&glb);
        let materials = Arc::clone(&self.materials);
        let styled = join(spawn_blocking(move || StyledScene::new(glb, materials)).await)?;
        let styled = Arc::new(styled);
        let staged = self.make_media(&styled).await?;
        give_up_if(&cancelled).await?;
        timings.media_s = clock.elapsed().as_secs_f64();

        let media = staged.iter().map(|medium| {
            let Staged {
                kind, path, file, ..
            } = medium;
            record::Medium::new(*kind, path, file.bytes, file.hash)
        });
        let record = Record {
            origin,
            recipe_name: self.recipe.to_string(),
            recipe: self.recipe,
            canonical_sha256,
            media: media.collect(),
            unmatched_materials: styled.overlay.unmatched.clone(),
            step,
            tessellation: report,
            timings,
        };
        let path = self.target.record();
        let record = join(spawn_blocking(move || commit(staged, &path, record)).await)?;
        Ok(Converted { record, reused })
    }

    async fn inspect(&self, cancelled: Cancelled) -> Result<(Stamp, StepSummary), Failure> {
        let source = self.source.clone();
        let inspected = spawn_blocking(move || Ok((Stamp::of(&source)?, inspect_path(&source)?)));
        tokio::select! {
            biased;
            () = cancelled.wait() => {
                Err(Failure::new(FailureCode::Cancelled, "It was not begun."))
            }
            inspected = inspected => join(inspected),
        }
    }

    async fn find_earlier(
        &self,
        origin: &Origin,
        names_other_files: bool,
        tessellator: &dyn Tessellator,
    ) -> Result<Option<Tessellation>, Failure> {
        if self.afresh {
            return Ok(None);
        }
        let glb = self.target.medium(MediaKind::GltfGeometry);
        let record = self.target.record();
        let origin = origin.clone();
        let find = move || Ok(reuse::find(&glb, &record, &origin, names_other_files));
        let found = join(spawn_blocking(find).await)?;
        let retried = found
            .as_ref()
            .and_then(|found| found.report.retried.as_ref());
        let Some(retried) = retried else {
            return Ok(found);
        };
        // A coarser scene is used again only where the recipe would fail again.
        let kernel = tessellator.kernel().await?;
        let conditions = Conditions::new(kernel, self.memory_bytes, self.timeout);
        let fails_again = retried.conditions.as_ref() == Some(&conditions);
        Ok(found.filter(|_| fails_again))
    }

    async fn tessellate(
        &self,
        step: &StepSummary,
        tessellator: &dyn Tessellator,
        progress: &Arc<dyn ConversionProgress>,
        cancelled: &Cancelled,
    ) -> Result<Tessellation, Failure> {
        let request = TessellationRequest {
            source: self.source.clone(),
            source_hash: step.hash,
            source_faces: step.geometry.faces,
            external: step.external_references(),
            recipe: self.recipe,
            timeout: self.timeout,
            memory_bytes: self.memory_bytes,
            threads: self.threads,
        };
        let sink = Arc::new(Tessellating(Arc::clone(progress)));
        tessellator
            .tessellate(&request, sink, cancelled.clone())
            .await
    }

    /// Makes the media side by side; if one fails, what the others wrote is removed.
    async fn make_media(&self, styled: &Arc<StyledScene>) -> Result<Vec<Staged>, Failure> {
        let folder = &self.target.folder;
        fs::create_dir_all(folder).map_err(|error| {
            Failure::writing(&format!("the folder `{}`", folder.display()), &error)
        })?;
        let mut plan = JoinSet::new();
        for kind in self.kinds.iter().copied() {
            let styled = Arc::clone(styled);
            let target = self.target.clone();
            let with_layers = self.loose_layers;
            plan.spawn_blocking(move || media::make(kind, &styled, &target, with_layers));
        }
        let mut staged = Vec::with_capacity(self.kinds.len());
        let mut failed = None;
        // All of them are waited for: none may write when this has returned.
        while let Some(made) = plan.join_next().await {
            match join(made) {
                Ok(medium) => staged.push(medium),
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        staged.sort_by_key(|medium| medium.kind);
        failed.map_or(Ok(staged), Err)
    }
}

/// A small file can ask for any number of occurrences, by assemblies of assemblies.
pub(crate) fn refuse_what_cannot_be_laid_out(counts: &TreeCounts) -> Result<(), Failure> {
    let occurrences = counts
        .part_occurrences
        .saturating_add(counts.assembly_occurrences);
    let detail = if counts.cyclic > 0 {
        format!("It puts products into themselves, {} times.", counts.cyclic)
    } else if occurrences > MAX_OCCURRENCES {
        format!("It has {occurrences} occurrences; {MAX_OCCURRENCES} is the most.")
    } else {
        return Ok(());
    };
    Err(Failure::new(FailureCode::StepStructure, detail))
}

/// Gives everything its name, the record last, so that no record names what is not there.
fn commit(staged: Vec<Staged>, path: &Path, record: Record) -> Result<Record, Failure> {
    let unwritable = |error: &serde_json::Error| {
        Failure::new(
            FailureCode::Storage,
            format!("The record cannot be written: {error}."),
        )
    };
    let mut json = serde_json::to_vec_pretty(&record).map_err(|error| unwritable(&error))?;
    json.push(b'\n');
    let record_file = StagedFile::write(path, &json)?;
    let mut renamed = Renamed::default();
    for medium in staged {
        for file in medium.layers.into_iter().chain([medium.file]) {
            file.commit(&mut renamed)?;
        }
    }
    record_file.commit(&mut renamed)?;
    renamed.sync()?;
    Ok(record)
}

async fn give_up_if(cancelled: &Cancelled) -> Result<(), Failure> {
    tokio::select! {
        biased;
        () = cancelled.clone().wait() => {
            Err(Failure::new(FailureCode::Cancelled, "Nothing was written."))
        }
        () = std::future::ready(()) => Ok(()),
    }
}

/// A panic in pure code is a bug of ours; it must not take the other files with it.
pub(crate) fn join<T>(joined: Result<Result<T, Failure>, JoinError>) -> Result<T, Failure> {
    joined.unwrap_or_else(|error| {
        let detail = format!("The converter itself failed: {error}.");
        Err(Failure::new(FailureCode::OutputInvalid, detail))
    })
}
