//! The tessellator as a child process, confined and never trusted.
//!
//! The geometry kernel dies on hostile files, so it never runs in the process of its user. The child
//! leads a process group of its own, is killed when its parent dies, is limited in address space,
//! processor time and wall-clock time, inherits only the variables it needs, and writes into a
//! private folder. How it ends is told in the words of the failure catalogue:
//!
//! | end | code |
//! |---|---|
//! | cannot be started, or a library of it is missing | `tessellator_missing` |
//! | a `failed` line | its code, however the child left afterwards |
//! | wall-clock limit, `SIGXCPU` | `kernel_timeout` |
//! | `SIGKILL` that is not ours (the kernel's out-of-memory killer) | `kernel_memory` |
//! | another signal, or an exit code, after words like `bad_alloc` at the end of its log | `kernel_memory` |
//! | another signal | `kernel_crash`, which names it |
//! | another exit code than 0 | `kernel_error` |
//! | exit code 0 without a `done` line, or a result that fails its check | `output_invalid` |
//!
//! A stack that cannot grow because the address space is used up also ends in `SIGSEGV`; that is a
//! `kernel_crash`, for nothing tells it apart. Kernel failures are tried once more, four times
//! coarser. Processes that the child starts die with its group, except when the parent is killed:
//! then only the child dies at once, so it must bind its own children in the same way.

mod child;
mod confine;
mod ending;
mod events;
mod output;
mod tail;

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use cadmill_domain::{
    Cancelled, Failure, FailureCode, ProgressSink, Recipe, Retried, Retry, Tessellation,
    TessellationRequest, Tessellator,
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::{figures, scratch};

use self::{
    child::{Child, Pipes},
    confine::Limits,
    ending::Ending,
    events::{Events, Verdict},
    tail::Tail,
};

/// How long the pipes may stay open after the child has ended: a process that left its group may
/// still hold them.
const DRAIN: Duration = Duration::from_secs(2);
/// How long the tessellator may take to say its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(20);
/// What it may use for that.
const VERSION_MEMORY: u64 = 4 << 30;

/// Runs `cadmill-tessellate`. Needs a multi-threaded or current-thread runtime with time and I/O.
#[derive(Debug, Clone)]
pub struct ProcessTessellator {
    program: PathBuf,
    scratch: PathBuf,
}

impl ProcessTessellator {
    /// Runs `program`: a path, or a name that is looked for on `PATH`. Its private folders are made
    /// in the folder for temporary files.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            scratch: std::env::temp_dir(),
        }
    }

    /// Makes the private folders in `scratch` instead.
    #[must_use]
    pub fn with_scratch(self, scratch: impl Into<PathBuf>) -> Self {
        let scratch = scratch.into();
        Self { scratch, ..self }
    }

    /// The program that is run.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// What the program says of itself, for example `cadmill-tessellate 0.1.0 (Open CASCADE 7.6.3)`.
    ///
    /// # Errors
    /// If it cannot be started, or does not answer in time.
    pub async fn version(&self) -> Result<String, Failure> {
        let folder = self.private_folder()?;
        let limits = Limits::new(VERSION_MEMORY, VERSION_TIMEOUT, 1);
        let mut command = self.command(&folder, limits)?;
        command.arg("--version");
        let mut run = Run::start(&self.program, command).await?;
        let mut answer = Tail::default();
        let mut log = Tail::default();
        let pipes = run.pipes;
        let reading = async { tokio::join!(answer.read(pipes.stdout), log.read(pipes.stderr)) };
        let ended = until_ended(&mut run.child, reading);
        let Ok(status) = tokio::time::timeout(VERSION_TIMEOUT, ended).await else {
            run.child.kill().await;
            return Err(Failure {
                code: FailureCode::TessellatorMissing,
                ..ending::out_of_time(VERSION_TIMEOUT, log.text())
            });
        };
        let ending = Ending {
            status: status.map_err(|error| ending::not_started(&self.program, &error))?,
            verdict: Some(Verdict::Done),
            log_tail: log.text(),
            limits,
            memory_bytes: VERSION_MEMORY,
        };
        // Whatever keeps it from telling its version, no file is to blame.
        ending.check().map_err(|failure| Failure {
            code: FailureCode::TessellatorMissing,
            ..failure
        })?;
        Ok(answer.text().unwrap_or_default())
    }

    /// One try by one recipe.
    async fn attempt(
        &self,
        request: &TessellationRequest,
        progress: Arc<dyn ProgressSink>,
        cancelled: Cancelled,
    ) -> Result<Tessellation, Failure> {
        let ended = self.run_child(request, progress, cancelled).await;
        figures::child_ended(ended.as_ref().err().map(|failure| failure.code));
        ended
    }

    async fn run_child(
        &self,
        request: &TessellationRequest,
        progress: Arc<dyn ProgressSink>,
        cancelled: Cancelled,
    ) -> Result<Tessellation, Failure> {
        let folder = self.private_folder()?;
        let limits = Limits::new(request.memory_bytes, request.timeout, request.threads);
        let mut command = self.command(&folder, limits)?;
        add_arguments(&mut command, &folder, request)?;
        let mut run = Run::start(&self.program, command).await?;
        let mut events = Events::new(progress);
        let mut log = Tail::default();
        let pipes = run.pipes;
        let reading = async { tokio::join!(events.read(pipes.stdout), log.read(pipes.stderr)) };
        let ended = tokio::time::timeout(request.timeout, until_ended(&mut run.child, reading));
        let ended = tokio::select! {
            biased;
            () = cancelled.wait() => None,
            ended = ended => Some(ended),
        };
        let Some(ended) = ended else {
            run.child.stop().await;
            return Err(Failure::new(
                FailureCode::Cancelled,
                "The tessellator was stopped.",
            ));
        };
        let Ok(status) = ended else {
            run.child.kill().await;
            return Err(ending::out_of_time(request.timeout, log.text()));
        };
        let log_tail = log.text();
        let ending = Ending {
            status: status.map_err(|error| ending::not_started(&self.program, &error))?,
            verdict: events.verdict(),
            log_tail: log_tail.clone(),
            limits,
            memory_bytes: request.memory_bytes,
        };
        ending.check()?;
        let request = request.clone();
        let checked = tokio::task::spawn_blocking(move || output::read(folder.path(), &request));
        let checked = checked.await.unwrap_or_else(|panicked| {
            let detail = format!("Its check failed: {panicked}.");
            Err(Failure::new(FailureCode::OutputInvalid, detail))
        });
        checked.map_err(|failure| Failure {
            log_tail,
            ..failure
        })
    }

    fn private_folder(&self) -> Result<TempDir, Failure> {
        scratch::private_folder(&self.scratch)
    }

    fn command(&self, folder: &TempDir, limits: Limits) -> Result<Command, Failure> {
        // A bare name is looked for on PATH; a path must hold from the private folder, too.
        let program = match self.program.parent() {
            Some(parent) if parent != Path::new("") => absolute(&self.program)?,
            _ => self.program.clone(),
        };
        let mut command = Command::new(program);
        confine::confine(&mut command, limits);
        command.current_dir(folder).env("TMPDIR", folder.path());
        Ok(command)
    }
}

#[async_trait]
impl Tessellator for ProcessTessellator {
    async fn tessellate(
        &self,
        request: &TessellationRequest,
        progress: Arc<dyn ProgressSink>,
        cancelled: Cancelled,
    ) -> Result<Tessellation, Failure> {
        let first = match self
            .attempt(request, Arc::clone(&progress), cancelled.clone())
            .await
        {
            Err(failure) if failure.code.retry() == Retry::Coarser => failure,
            other => return other,
        };
        let recipe = request.recipe.coarser();
        tracing::info!(
            failure.code = %first.code, failure.detail = first.detail, recipe = %recipe,
            "The tessellator failed; trying once more with a coarser recipe."
        );
        // On one thread: a damaged file may share topology between its parts, and then meshing one
        // while another is transferred can be what failed.
        let coarser = TessellationRequest {
            recipe,
            threads: 1,
            ..request.clone()
        };
        match self.attempt(&coarser, progress, cancelled).await {
            Ok(tessellation) => Ok(retried(tessellation, first, recipe)),
            Err(second) if second.code == FailureCode::Cancelled => Err(second),
            Err(second) => Err(Failure {
                detail: format!("{} A coarser try ended with {}.", first.detail, second.code),
                log_tail: second.log_tail,
                ..first
            }),
        }
    }
}

fn retried(mut tessellation: Tessellation, first: Failure, recipe: Recipe) -> Tessellation {
    tessellation.report.retried = Some(Retried { first, recipe });
    tessellation
}

/// A child and what it says.
struct Run {
    child: Child,
    pipes: Pipes,
}

impl Run {
    async fn start(program: &Path, command: Command) -> Result<Self, Failure> {
        let started = Child::start(command).await;
        let (child, pipes) = started.map_err(|error| ending::not_started(program, &error))?;
        Ok(Self { child, pipes })
    }
}

/// Reads the pipes until the child has ended and they are closed.
async fn until_ended<T>(
    child: &mut Child,
    reading: impl Future<Output = T>,
) -> io::Result<ExitStatus> {
    let is_over = CancellationToken::new();
    let ended = async {
        let status = child.ended().await;
        is_over.cancel();
        status
    };
    let drained = async {
        is_over.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    let read = async {
        tokio::select! {
            _ = reading => {}
            () = drained => {}
        }
    };
    tokio::join!(ended, read).0
}

fn add_arguments(
    command: &mut Command,
    folder: &TempDir,
    request: &TessellationRequest,
) -> Result<(), Failure> {
    let recipe = serde_json::to_string(&request.recipe)
        .map_err(|error| Failure::new(FailureCode::KernelError, error.to_string()))?;
    command
        .arg("--input")
        .arg(absolute(&request.source)?)
        .arg("--output-dir")
        .arg(folder.path())
        .args(["--recipe", &recipe])
        .args(["--source-hash", &request.source_hash.to_string()])
        .args(["--source-faces", &request.source_faces.to_string()])
        .args(["--threads", &request.threads.max(1).to_string()]);
    Ok(())
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        let detail = format!("`{}` has no absolute path: {error}.", path.display());
        Failure::new(FailureCode::Unreadable, detail)
    })
}
