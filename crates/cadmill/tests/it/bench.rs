//! A folder to work in, and the command that is run there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) struct Bench {
    folder: TempDir,
}

/// How the command ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    #[track_caller]
    pub(crate) fn with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// The objects of `--json`.
    #[track_caller]
    pub(crate) fn objects(&self) -> Vec<Value> {
        let lines = self.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Bench {
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

    /// A small STEP file that asks the stand-in to misbehave in this way.
    pub(crate) fn step(&self, name: &str, order: &str) -> PathBuf {
        self.write(name, &step(order))
    }

    /// The command, run in the folder, with nothing inherited that could change what it says.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cadmill"));
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env_clear()
            .env("CADMILL_LISTEN", "127.0.0.1:0")
            .env("CADMILL_TESSELLATOR", fake())
            .env("TMPDIR", self.path("scratch"))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let ended = self.command(arguments).output().unwrap().into();
        self.assert_scratch_is_empty();
        ended
    }

    #[track_caller]
    pub(crate) fn assert_scratch_is_empty(&self) {
        assert_eq!(self.names("scratch"), Vec::<String>::new());
    }

    /// Every file below a folder, relative to it, in order.
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

/// The stand-in for the tessellator, which cargo builds beside the tests.
pub(crate) fn fake() -> PathBuf {
    let command = Path::new(env!("CARGO_BIN_EXE_cadmill"));
    command.with_file_name("examples").join("fake-kernel")
}

/// One cube as far as the reader of STEP can tell, and an order to the stand-in.
pub(crate) fn step(order: &str) -> String {
    format!(
        "ISO-10303-21;\nHEADER;\n/* fake: {order} */\nFILE_DESCRIPTION((''),'2;1');\n\
         FILE_NAME('part','2024-01-01T00:00:00',(''),(''),'','','');\n\
         FILE_SCHEMA(('AUTOMOTIVE_DESIGN'));\nENDSEC;\nDATA;\n\
         #1=PRODUCT('cube','Cube','',());\n#2=ADVANCED_FACE('',(),#1,.T.);\nENDSEC;\n\
         END-ISO-10303-21;\n"
    )
}
