//! A deployment of its own for each test: a database, a Redis, a data folder, STEP files.

use std::{
    cell::{Cell, RefCell},
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, PoisonError, RwLock, Weak},
};

use cadmill_servers::{Postgres, Redis};
use serde_json::Value;

use super::{kernel::Kernel, workers::Worker};
use crate::{
    inputs::input,
    milled::fresh_folder,
    program::{Ended, cadmill},
};

/// The PostgreSQL of the tests that run at the moment, but for those that disturb it.
static SHARED: Mutex<Weak<RwLock<Postgres>>> = Mutex::new(Weak::new());

/// A deployment.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) folder: PathBuf,
    pub(super) kernel: Kernel,
    pub(super) postgres: Arc<RwLock<Postgres>>,
    pub(super) redis: RefCell<Redis>,
    pub(super) database_url: String,
    pub(super) redis_url: String,
    workers: Cell<usize>,
}

impl Site {
    /// A deployment with empty tables, on a PostgreSQL that other tests use, too.
    pub(super) fn new(name: &str) -> Self {
        Self::on(name, shared_postgres())
    }

    /// The same on a PostgreSQL of its own.
    pub(super) fn alone(name: &str) -> Self {
        Self::on(name, Arc::new(RwLock::new(Postgres::start().unwrap())))
    }

    fn on(name: &str, postgres: Arc<RwLock<Postgres>>) -> Self {
        let site = Self::bare(name, postgres);
        site.run(&["migrate"]).succeeded();
        site
    }

    /// A deployment whose database has no tables.
    pub(super) fn bare(name: &str, postgres: Arc<RwLock<Postgres>>) -> Self {
        let folder = fresh_folder(&format!("faults-{name}"));
        let redis = Redis::start().unwrap();
        let database_url = postgres.read().unwrap().create_database().unwrap();
        Self {
            kernel: Kernel::new(folder.join("kernel")),
            redis_url: redis.url(),
            redis: RefCell::new(redis),
            database_url,
            postgres,
            workers: Cell::new(0),
            folder,
        }
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The command, set up for this deployment and impatient.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = cadmill();
        command.args(arguments).current_dir(&self.folder);
        command.env("CADMILL_TESSELLATOR", self.kernel.program());
        command.env("CADMILL_DATABASE_URL", &self.database_url);
        command.env("CADMILL_REDIS_URL", &self.redis_url);
        command.env("CADMILL_DATA_DIR", self.data());
        command.env("CADMILL_MEDIA", "usd_master");
        command.env("CADMILL_LEASE", "1s");
        command.env("CADMILL_POLL", "200ms");
        command.env("CADMILL_GRACE", "10s");
        command.env("CADMILL_SLOTS", "2");
        command.env("CADMILL_DATABASE_CONNECTIONS", "4");
        // What is lost is found by what each test is about.
        command.env("CADMILL_SCRUB_RATE", "off");
        command
    }

    /// Runs the command to its end.
    pub(super) fn run(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).output().unwrap().into()
    }

    /// Starts a worker with further variables.
    pub(super) fn worker(&self, variables: &[(&str, &str)]) -> Worker {
        let mut command = self.command(&["worker", "-v"]);
        command.envs(variables.iter().copied());
        self.start(command)
    }

    /// Starts what is no plain worker.
    pub(super) fn start(&self, command: Command) -> Worker {
        let number = self.workers.get() + 1;
        self.workers.set(number);
        Worker::start(command, self.folder.join(format!("worker-{number}.log")))
    }

    /// What the database answers.
    pub(super) fn sql(&self, sql: &str) -> String {
        let postgres = self.postgres.read().unwrap();
        postgres.query(&self.database_url, sql).unwrap()
    }

    /// A number that the database answers.
    pub(super) fn count(&self, sql: &str) -> u64 {
        let answer = self.sql(&format!("select count(*) from {sql}"));
        answer.parse().unwrap()
    }

    /// Writes `count` small STEP files, all of them different.
    pub(super) fn write_steps(&self, count: usize) -> PathBuf {
        let folder = self.folder.join("steps");
        fs::create_dir_all(&folder).unwrap();
        for number in 0..count {
            let path = folder.join(format!("part-{number}.step"));
            fs::write(path, step(&number.to_string())).unwrap();
        }
        folder
    }

    /// Brings in so many different STEP files.
    pub(super) fn import(&self, count: usize) {
        self.import_folder(&self.write_steps(count));
    }

    pub(super) fn import_folder(&self, folder: &Path) {
        self.run(&["import", folder.to_str().unwrap()]).succeeded();
    }

    /// How many were queued by asking for what is missing.
    pub(super) fn generate_missing(&self, what: &str) -> u64 {
        queued(self.run(&["generate-missing", what, "--json"]))
    }
}

/// How many were queued.
pub(super) fn queued(ended: Ended) -> u64 {
    let answer: Value = serde_json::from_str(&ended.succeeded().stdout).unwrap();
    answer["queued"].as_u64().unwrap()
}

/// A small STEP file with this comment.
pub(super) fn step(comment: &str) -> String {
    let sample = fs::read_to_string(&input("inch-cube").path).unwrap();
    sample.replacen("HEADER;", &format!("HEADER;\n/* {comment} */"), 1)
}

pub(super) fn shared_postgres() -> Arc<RwLock<Postgres>> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let postgres = Arc::new(RwLock::new(Postgres::start().unwrap()));
        *shared = Arc::downgrade(&postgres);
        postgres
    })
}
