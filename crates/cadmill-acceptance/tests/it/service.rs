//! `cadmill serve` on a data folder of its own, and short ways to ask it.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    faults::{eventually, workers::Worker},
    milled::fresh_folder,
    program::{Ended, cadmill},
};

/// STEP files that are always there.
pub(crate) const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/samples");

/// A server with workers, which dies with the test.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) folder: PathBuf,
    pub(crate) url: String,
    /// The first administrator's token.
    pub(crate) token: String,
    worker: Worker,
}

impl Service {
    /// Starts one in a fresh folder of this name, with further variables.
    pub(crate) fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        let folder = fresh_folder(name);
        let mut command = command(&folder, &["serve"]);
        command.env("CADMILL_LISTEN", "127.0.0.1:0");
        command.envs(variables.iter().copied());
        let worker = Worker::start(command, folder.join("serve.log"));
        worker.says("Working with");
        let said = worker.said();
        let token = said.split_once("shown only this once: ");
        let token = token.and_then(|(_, rest)| rest.lines().next());
        Self {
            url: worker.url(),
            token: token.unwrap_or_else(|| panic!("{said}")).to_owned(),
            worker,
            folder,
        }
    }

    /// The command, set up for this deployment.
    pub(crate) fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        command(&self.folder, arguments)
    }

    /// Runs the command to its end, which must be a good one.
    pub(crate) fn run(&self, arguments: &[impl AsRef<OsStr>]) -> Ended {
        Ended::from(self.command(arguments).output().unwrap()).succeeded()
    }

    /// What is answered to a GET that bears the first token.
    pub(crate) fn get(&self, path: &str) -> String {
        let request = ureq::get(format!("{}{path}", self.url));
        let request = request.header("Authorization", format!("Bearer {}", self.token));
        let mut answer = request.call().unwrap();
        answer.body_mut().read_to_string().unwrap()
    }

    /// The same as JSON.
    pub(crate) fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path)).unwrap()
    }

    /// Waits until nothing runs or waits.
    #[track_caller]
    pub(crate) fn settles(&self) {
        eventually("all work is done", || {
            self.json("/api/admin/work")["work"] == Value::Array(Vec::new())
        });
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> String {
        self.worker.said()
    }

    /// Tells it to stop, and checks that it ends well.
    #[track_caller]
    pub(crate) fn stop(self) {
        self.worker.stop();
    }
}

fn command(folder: &Path, arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = cadmill();
    command.args(arguments).current_dir(folder);
    command.env("CADMILL_DATA_DIR", folder.join("data"));
    command
}

/// A page of the book.
pub(crate) fn page(name: &str) -> String {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    fs::read_to_string(docs.join(name)).unwrap()
}
