//! A temporary folder, and the command that runs in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A temporary folder in which the command runs.
pub(crate) struct TestDir {
    folder: TempDir,
}

/// Exit code and output of a command.
pub(crate) struct CommandOutput {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl CommandOutput {
    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn expect_exit(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// The JSON objects that `--json` prints.
    #[track_caller]
    pub(crate) fn objects(&self) -> Vec<Value> {
        let lines = self.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl From<Output> for CommandOutput {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl TestDir {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("scratch")).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes a small STEP file with an order for the fake tessellator.
    pub(crate) fn step(&self, name: &str, order: &str) -> PathBuf {
        self.write(name, &step(order))
    }

    /// The command in this folder, with no inherited variables.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cadmill"));
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env_clear()
            .env("CADMILL_LISTEN", "127.0.0.1:0")
            .env("CADMILL_TESSELLATOR", fake_tessellator())
            .env("TMPDIR", self.path("scratch"))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> CommandOutput {
        let ended = self.command(arguments).output().unwrap().into();
        self.assert_scratch_is_empty();
        ended
    }

    #[track_caller]
    pub(crate) fn assert_scratch_is_empty(&self) {
        assert_eq!(self.names("scratch"), Vec::<String>::new());
    }

    /// The files below a folder, relative to it, sorted.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let root = self.path(folder);
        let walk = walkdir::WalkDir::new(&root).sort_by_file_name();
        let files = walk.into_iter().map(Result::unwrap);
        files
            .filter(|entry| entry.path() != root && !entry.file_type().is_dir())
            .map(|entry| {
                entry
                    .path()
                    .strip_prefix(&root)
                    .unwrap()
                    .display()
                    .to_string()
            })
            .collect()
    }
}

/// The fake tessellator, which cargo builds together with the tests.
pub(crate) fn fake_tessellator() -> PathBuf {
    let command = Path::new(env!("CARGO_BIN_EXE_cadmill"));
    command.with_file_name("examples").join("fake-kernel")
}

/// A STEP file that the STEP reader accepts as a cube, with an order for the fake tessellator.
pub(crate) fn step(order: &str) -> String {
    format!(
        "ISO-10303-21;\nHEADER;\n/* fake: {order} */\nFILE_DESCRIPTION((''),'2;1');\n\
         FILE_NAME('part','2024-01-01T00:00:00',(''),(''),'','','');\n\
         FILE_SCHEMA(('AUTOMOTIVE_DESIGN'));\nENDSEC;\nDATA;\n\
         #1=PRODUCT('cube','Cube','',());\n#2=ADVANCED_FACE('',(),#1,.T.);\nENDSEC;\n\
         END-ISO-10303-21;\n"
    )
}
