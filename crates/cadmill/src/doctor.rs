//! `cadmill doctor`: whether everything is there that a conversion needs.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use anyhow::Result;
use cadmill_domain::{
    Cancelled, ContentHash, ExternalReferences, Failure, FailureCode, HealthCheck, NoProgress,
    Recipe, Tessellation, TessellationRequest, Tessellator as _, sentence,
};
use cadmill_pipeline::ProcessTessellator;
use cadmill_store::{Database, DurabilityRisk, OpenError, OwnershipError};

use crate::{
    checks,
    cli::DoctorArguments,
    config::Config,
    deployment,
    exit::Exit,
    machine,
    output::{self, counted},
    quantity, tessellator,
};

/// A cube with edges of 10 mm.
const CUBE: &str = include_str!("doctor/cube.step");
/// Its faces.
const CUBE_FACES: u64 = 6;
/// Its volume, in mm³.
const CUBE_VOLUME: f64 = 1000.0;
/// Below this a conversion will soon fail.
const LITTLE_SPACE: u64 = 200 << 20;
/// Below this the kernel cannot do much.
const LITTLE_MEMORY: u64 = 1 << 30;
/// How long the cube may take.
const TIMEOUT: Duration = Duration::from_mins(1);

/// One thing that was looked at.
struct Check {
    what: &'static str,
    /// What was found, or what is wrong and what to do.
    found: Result<String, (String, String)>,
    /// What works, but may cost something one day, and what to do.
    warnings: Vec<(String, String)>,
}

impl Check {
    const fn new(what: &'static str, found: Result<String, (String, String)>) -> Self {
        Self {
            what,
            found,
            warnings: Vec::new(),
        }
    }

    fn of_failure(what: &'static str, found: Result<String, Failure>) -> Self {
        let found = found.map_err(|failure| {
            let problem = failure.to_string();
            (problem, remedy(failure.code).to_owned())
        });
        Self::new(what, found)
    }
}

/// What to do if the cube fails, which is known to be sound.
const fn remedy(code: FailureCode) -> &'static str {
    use FailureCode::{KernelCrash, KernelEmpty, KernelError, OutputInvalid};
    match code {
        KernelCrash | KernelEmpty | KernelError | OutputInvalid => {
            "Install `cadmill-tessellate` again, in the version of `cadmill` and with its Open CASCADE."
        }
        _ => code.remedy(),
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Ok(found) => write!(f, "ok      {:<12} {found}", self.what)?,
            Err((problem, remedy)) => {
                writeln!(f, "failed  {:<12} {problem}", self.what)?;
                write!(f, "{:21}{remedy}", "")?;
            }
        }
        for (problem, remedy) in &self.warnings {
            write!(f, "\nwarning {:<12} {problem}", self.what)?;
            write!(f, "\n{:21}{remedy}", "")?;
        }
        Ok(())
    }
}

/// Looks at everything, and fails if something is wrong.
pub(crate) fn run(arguments: &DoctorArguments) -> Result<Exit> {
    let tessellator = tessellator::find();
    let config = Config::load(&arguments.deployment)?;
    let runtime = machine::runtime()?;
    let mut checks = vec![
        runtime.block_on(program(&tessellator)),
        runtime.block_on(conversion(&tessellator)),
        runtime.block_on(sandbox(&tessellator, config.require_sandbox)),
        memory(),
        disk("scratch", &std::env::temp_dir()),
        disk("output", &arguments.output),
    ];
    if config.data_dir.is_dir() {
        checks.push(disk("data", &config.data_dir));
    }
    checks.extend(runtime.block_on(pipeline(config)));
    for check in &checks {
        output::line(&check.to_string())?;
    }
    let failed = checks.iter().any(|check| check.found.is_err());
    Ok(if failed { Exit::Failed } else { Exit::Ok })
}

async fn program(tessellator: &ProcessTessellator) -> Check {
    let version = tessellator.version().await;
    let program = tessellator.program().display();
    let found = version.map(|version| format!("{version}, at {program}"));
    Check::of_failure("tessellator", found)
}

/// Converts the cube through the kernel and compares its volume.
async fn conversion(tessellator: &ProcessTessellator) -> Check {
    let found = tessellate_cube(tessellator).await.and_then(|made| {
        let volume = made.report.volume_mm3;
        if (volume - CUBE_VOLUME).abs() > 1e-3 * CUBE_VOLUME {
            let detail = format!("A cube of {CUBE_VOLUME} mm³ came out with {volume} mm³.");
            return Err(Failure::new(FailureCode::OutputInvalid, detail));
        }
        let triangles = counted(made.report.triangles, "triangle");
        Ok(format!(
            "a cube of {CUBE_VOLUME} mm³ comes out right, in {triangles}"
        ))
    });
    Check::of_failure("conversion", found)
}

/// Has the tessellator confine itself and try what it must not do.
async fn sandbox(tessellator: &ProcessTessellator, is_required: bool) -> Check {
    const WHAT: &str = "sandbox";
    let report = match tessellator.sandbox().await {
        Ok(report) => report,
        Err(failure) => return Check::of_failure(WHAT, Err(failure)),
    };
    if report.is_whole() {
        let tried = counted(report.refused.len() as u64, "forbidden thing");
        return Check::new(WHAT, Ok(format!("whole: {tried} tried, all refused")));
    }
    let lacks = format!("It lacks {}.", report.lacks());
    if is_required {
        let remedy = FailureCode::SandboxMissing.remedy().to_owned();
        return Check::new(WHAT, Err((lacks, remedy)));
    }
    let remedy = "Files are converted all the same. Set `require_sandbox` to refuse them; \
                  docs/operations.md says what each system offers.";
    let mut check = Check::new(WHAT, Ok("not whole".to_owned()));
    check.warnings.push((lacks, remedy.to_owned()));
    check
}

async fn tessellate_cube(tessellator: &ProcessTessellator) -> Result<Tessellation, Failure> {
    let unwritable = |error: &std::io::Error| Failure::writing("a scratch file", error);
    let folder = tempfile::tempdir().map_err(|error| unwritable(&error))?;
    let source = folder.path().join("cube.step");
    std::fs::write(&source, CUBE).map_err(|error| unwritable(&error))?;
    let request = TessellationRequest {
        source,
        source_hash: ContentHash::of(CUBE.as_bytes()),
        source_faces: CUBE_FACES,
        external: ExternalReferences::default(),
        recipe: Recipe::STANDARD,
        timeout: TIMEOUT,
        memory_bytes: machine::memory_per_job(machine::cores()),
        threads: 1,
    };
    let progress = Arc::new(NoProgress);
    tessellator
        .tessellate(&request, progress, Cancelled::never())
        .await
}

fn memory() -> Check {
    let (all, jobs) = (machine::memory(), machine::cores());
    let each = quantity::in_words(machine::memory_per_job(jobs));
    let found = format!(
        "{}; {each} for each of {} at once",
        quantity::in_words(all),
        counted(jobs.get() as u64, "file")
    );
    let found = if all < LITTLE_MEMORY {
        Err((
            found,
            "Give this machine or container at least 1 GiB.".to_owned(),
        ))
    } else {
        Ok(found)
    };
    Check::new("memory", found)
}

/// What the pipeline keeps everything in, if there is a deployment.
async fn pipeline(config: Config) -> Vec<Check> {
    if config.database_url.is_none() && !config.data_dir.is_dir() {
        let folder = config.data_dir.display();
        let found = format!("none in {folder} yet; `cadmill serve` makes one");
        return vec![Check::new("pipeline", Ok(found))];
    }
    let store = deployment::open_store(&config).await;
    let database = store.as_ref().ok().map(|(_, database)| database.clone());
    let lock = deployment::open_lock(&config, &machine::process_name()).await;
    let blobs = deployment::open_blobs(&config);
    let refused = match (&store, &blobs) {
        (Ok((store, _)), Ok(blobs)) => store.check_blobs(blobs).await.err(),
        _ => None,
    };
    // Nothing is written into blobs that are refused: they may be where a disk should be mounted.
    let blobs = match refused.filter(OwnershipError::is_refusal) {
        Some(refused) => Err(refused.into()),
        None => blobs,
    };
    let opened: [(_, _, Result<Arc<dyn HealthCheck>>); 3] = [
        (
            "database",
            match config.database_url {
                Some(_) => "Check `database_url`, and that PostgreSQL runs there and lets us in.",
                None => "Check what lies in the data folder, and its permissions.",
            },
            store.map(|(store, _)| Arc::new(store) as _),
        ),
        (
            "lock",
            "Check `redis_url`, and that Redis runs there and lets us in.",
            lock.map(checks::of_lock),
        ),
        (
            "blobs",
            match config.blob_url {
                Some(_) => {
                    "Check `blob_url`, that the bucket is there, and that the keys in `AWS_…` may write."
                }
                None => {
                    "Check `blobs` in the data folder: that it is a folder, and its permissions."
                }
            },
            blobs.map(|blobs| Arc::new(blobs) as _),
        ),
    ];
    let mut checked = Vec::new();
    for (what, remedy, opened) in opened {
        let found = match opened {
            Ok(check) => check.check().await.map_err(|failure| {
                let is_known = matches!(
                    failure.code,
                    FailureCode::DatabaseDamaged | FailureCode::DiskFull
                );
                let remedy = if is_known {
                    failure.code.remedy()
                } else {
                    remedy
                };
                (failure.to_string(), remedy)
            }),
            Err(error) => {
                let is_outdated = matches!(
                    error.downcast_ref(),
                    Some(OpenError::Behind(_) | OpenError::Newer(_))
                );
                let remedy = if is_outdated {
                    "Then run `cadmill doctor` again."
                } else if error.is::<OwnershipError>() {
                    "docs/operations.md says more under \"Whose the blobs are\"."
                } else {
                    remedy
                };
                Err((format!("{error:#}."), remedy))
            }
        };
        let found = found.map(|()| "works".to_owned());
        let found = found.map_err(|(problem, remedy)| (problem, remedy.to_owned()));
        checked.push(Check::new(what, found));
    }
    if let Some(database) = database
        && let Some(check) = checked.first_mut()
    {
        check.warnings.extend(long_timeouts(&config));
        durability(check, &database).await;
    }
    checked
}

/// The time-outs by which a process that is frozen or gone holds others up for longer than a lease.
fn long_timeouts(config: &Config) -> Option<(String, String)> {
    config.database_url.as_ref()?;
    let timeouts = config.database_timeouts().into_iter();
    let long = timeouts.filter(|(_, timeout)| *timeout >= config.lease);
    let long: Vec<_> = long.map(|(key, _)| format!("`{key}`")).collect();
    if long.is_empty() {
        return None;
    }
    let problem = format!(
        "Not shorter than `lease`: {}; a process that freezes holds others up for so long.",
        long.join(", ")
    );
    let remedy = "Set them below `lease`, or raise `lease`.".to_owned();
    Some((problem, remedy))
}

/// Whether what is committed is kept, and whether all of it can still be read.
async fn durability(check: &mut Check, database: &Database) {
    if check.found.is_err() {
        return;
    }
    if let Err(error) = database.verify().await {
        let remedy = FailureCode::DatabaseDamaged.remedy().to_owned();
        check.found = Err((sentence(&error), remedy));
        return;
    }
    match database.risks().await {
        Ok(risks) => {
            let risks = risks.into_iter().map(DurabilityRisk::description);
            let risks = risks.map(|(problem, remedy)| (problem, remedy.to_owned()));
            check.warnings.extend(risks);
        }
        Err(error) => {
            let remedy = FailureCode::Database.remedy().to_owned();
            check.found = Err((sentence(&error), remedy));
        }
    }
}

/// Whether files can be made in `folder`, and how much room they have.
fn disk(what: &'static str, folder: &Path) -> Check {
    let name = folder.display();
    let found = tempfile::tempfile_in(folder).and_then(|_| machine::free_space(folder));
    let found = match found {
        Err(error) => Err((
            format!("Nothing can be written into `{name}`: {error}."),
            "Check that the folder exists and its permissions, or name another (`TMPDIR`, `-o`, \
             `--data-dir`)."
                .to_owned(),
        )),
        Ok(free) if free < LITTLE_SPACE => Err((
            format!("`{name}` has only {} left.", quantity::in_words(free)),
            "Free some space.".to_owned(),
        )),
        Ok(free) => Ok(format!("{} free in {name}", quantity::in_words(free))),
    };
    Check::new(what, found)
}
