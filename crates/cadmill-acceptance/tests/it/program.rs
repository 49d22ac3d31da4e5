//! The built programs, and how they are run.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The kinds of media, all of them.
pub(crate) const ALL_KINDS: &str = "glb,usd,web-glb,thumbnail";

/// What `cargo xtask test` names by the variable `name`.
pub(crate) fn given(name: &str) -> PathBuf {
    match env::var_os(name) {
        Some(path) => path.into(),
        None => panic!("{name} is not set: run these tests by `cargo xtask test`"),
    }
}

/// The command itself.
pub(crate) fn cadmill() -> Command {
    let mut command = Command::new(given("CADMILL_BIN"));
    command.env("CADMILL_TESSELLATOR", given("CADMILL_TESSELLATOR"));
    command
}

/// `cadmill convert`, with a folder of its own for everything temporary.
#[derive(Debug)]
pub(crate) struct Convert {
    command: Command,
    scratch: PathBuf,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Convert {
    /// Converts `inputs` into media of all kinds in `output`.
    pub(crate) fn new(inputs: &[impl AsRef<OsStr>], output: &Path) -> Self {
        Self::of_kinds(inputs, output, ALL_KINDS)
    }

    /// Converts `inputs` into media of some kinds in `output`.
    pub(crate) fn of_kinds(inputs: &[impl AsRef<OsStr>], output: &Path, kinds: &str) -> Self {
        let scratch = sibling(output, "scratch");
        fs::create_dir_all(&scratch).unwrap();
        let mut command = cadmill();
        command.arg("convert").args(inputs).arg("-o").arg(output);
        command.args(["--kinds", kinds]);
        command.env("TMPDIR", &scratch);
        Self { command, scratch }
    }

    /// Adds arguments.
    pub(crate) fn with(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    /// Lays the materials of the file `maps` over the scene.
    pub(crate) fn materials(mut self, maps: &Path) -> Self {
        self.command.arg("--materials").arg(maps);
        self
    }

    /// Starts `program` where the tessellator would be started.
    pub(crate) fn tessellator(mut self, program: &Path) -> Self {
        self.command.env("CADMILL_TESSELLATOR", program);
        self
    }

    /// The command itself, for runs that are not simply waited for.
    pub(crate) fn command(self) -> Command {
        self.command
    }

    /// Runs it, and checks that nothing temporary and no process is left.
    pub(crate) fn run(mut self) -> Ended {
        let ended = Ended::from(self.command.output().unwrap());
        assert_nothing_left(&self.scratch);
        ended
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ended {
    /// Checks that it ended well.
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// A path beside `path`, whose name begins like it.
pub(crate) fn sibling(path: &Path, what: &str) -> PathBuf {
    let mut name = path.file_name().unwrap().to_owned();
    name.push("-");
    name.push(what);
    path.with_file_name(name)
}

/// Checks that `scratch` is empty and that no process works in it.
pub(crate) fn assert_nothing_left(scratch: &Path) {
    let files: Vec<_> = fs::read_dir(scratch).unwrap().collect();
    assert!(files.is_empty(), "temporary files are left: {files:?}");
    let scratch = scratch.canonicalize().unwrap();
    let left: Vec<PathBuf> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|process| fs::read_link(process.ok()?.path().join("cwd")).ok())
        .filter(|folder| folder.starts_with(&scratch))
        .collect();
    assert!(left.is_empty(), "processes are left in {left:?}");
}
