//! Runs the tessellator, and parses its output.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use cadmill_domain::{ContentHash, FailureCode, Recipe, tessellator::TessellationReport};
use cadmill_scene::{Scene, glb};
use serde::Deserialize;
use tempfile::TempDir;

pub(crate) const TESSELLATOR: &str = env!("CARGO_BIN_EXE_cadmill-tessellate");

/// A run in preparation.
pub(crate) struct Run {
    input: PathBuf,
    folder: TempDir,
    output: PathBuf,
    recipe: Recipe,
    source_faces: u64,
    source_hash: Option<ContentHash>,
    threads: usize,
    require_sandbox: bool,
}

/// A finished run.
pub(crate) struct Finished {
    pub(crate) exit: Option<i32>,
    pub(crate) end: End,
    pub(crate) detail: String,
    pub(crate) stderr: String,
    /// The phase and fraction of each progress line.
    pub(crate) progress: Vec<(String, f64)>,
    folder: TempDir,
}

/// The result in the last line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    Failed(FailureCode),
    /// The process ended without a result.
    Silent,
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Progress { phase: String, fraction: f64 },
    Done,
    Failed { code: FailureCode, detail: String },
}

impl Run {
    pub(crate) fn of(input: &Path) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        Self {
            input: input.to_owned(),
            output: folder.path().to_owned(),
            folder,
            recipe: Recipe::STANDARD,
            source_faces: 0,
            source_hash: None,
            threads: 2,
            require_sandbox: false,
        }
    }

    pub(crate) fn of_text(text: impl AsRef<[u8]>) -> Self {
        let mut run = Self::of(Path::new(""));
        run.input = run.folder.path().join("input.step");
        fs::write(&run.input, text).expect("the input is written");
        run
    }

    pub(crate) fn recipe(mut self, recipe: Recipe) -> Self {
        self.recipe = recipe;
        self
    }

    pub(crate) fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    pub(crate) fn source_faces(mut self, faces: u64) -> Self {
        self.source_faces = faces;
        self
    }

    pub(crate) fn require_sandbox(mut self) -> Self {
        self.require_sandbox = true;
        self
    }

    /// Sets the source hash to that of `bytes`, so that results of different files can be compared.
    pub(crate) fn source_hash_of(mut self, bytes: &str) -> Self {
        self.source_hash = Some(ContentHash::of(bytes.as_bytes()));
        self
    }

    /// Returns the folder of the input and the output.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn into_missing_folder(mut self) -> Self {
        self.output = self.folder.path().join("missing");
        self
    }

    pub(crate) fn finish(self) -> Finished {
        self.finish_after(|_| {})
    }

    /// Calls `interfere` with the process id after the first line of output.
    pub(crate) fn finish_after(self, interfere: impl FnOnce(u32)) -> Finished {
        self.finish_as(Command::new(TESSELLATOR), interfere)
    }

    /// Passes the command to another program as its last arguments.
    pub(crate) fn finish_under(self, mut program: Command) -> Finished {
        program.arg(TESSELLATOR);
        self.finish_as(program, |_| {})
    }

    fn finish_as(self, mut program: Command, interfere: impl FnOnce(u32)) -> Finished {
        let bytes = fs::read(&self.input).expect("the input is there");
        let source_hash = self.source_hash.unwrap_or_else(|| ContentHash::of(&bytes));
        let input = fs::File::open(&self.input).expect("the input can be opened");
        let mut child = program
            // As the parent does; the kernel looks for other files in the working folder.
            .current_dir(self.folder.path())
            .arg("--output-dir")
            .arg(&self.output)
            .arg("--recipe")
            .arg(serde_json::to_string(&self.recipe).expect("a recipe is JSON"))
            .args(["--source-hash", &source_hash.to_string()])
            .args(["--source-faces", &self.source_faces.to_string()])
            .args(["--threads", &self.threads.to_string()])
            .args(self.require_sandbox.then_some("--require-sandbox"))
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the tessellator starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut said = String::new();
        stdout.read_line(&mut said).expect("UTF-8");
        interfere(child.id());
        stdout.read_to_string(&mut said).expect("UTF-8");
        let output = child.wait_with_output().expect("it ends");
        let mut finished = Finished {
            exit: output.status.code(),
            end: End::Silent,
            detail: String::new(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            progress: Vec::new(),
            folder: self.folder,
        };
        for line in said.lines() {
            match serde_json::from_str(line).expect("a line of the protocol") {
                Event::Progress { phase, fraction } => finished.progress.push((phase, fraction)),
                Event::Done => finished.end = End::Done,
                Event::Failed { code, detail } => {
                    finished.end = End::Failed(code);
                    finished.detail = detail;
                }
            }
        }
        finished
    }
}

impl Finished {
    pub(crate) fn glb(&self) -> Vec<u8> {
        assert_eq!(self.end, End::Done, "{}{}", self.detail, self.stderr);
        fs::read(self.folder.path().join("scene.glb")).expect("the GLB is there")
    }

    pub(crate) fn scene(&self) -> Scene {
        glb::read(&self.glb()).expect("a canonical GLB")
    }

    pub(crate) fn report(&self) -> TessellationReport {
        assert_eq!(self.end, End::Done, "{}{}", self.detail, self.stderr);
        let json = fs::read(self.folder.path().join("report.json")).expect("the report is there");
        serde_json::from_slice(&json).expect("a report")
    }
}
