//! The power is cut while files come in and media are made: what was acknowledged before is there.
//!
//! Where loop devices cannot be mounted, `write_order` checks the same by the order of system calls.

use std::{
    collections::BTreeMap,
    fs, iter,
    path::Path,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use cadmill_domain::ContentHash;
use serde_json::Value;

use super::{api::Api, disk::Disk, eventually, kernel::Kernel, site::step, workers::Worker};
use crate::{milled::fresh_folder, program::cadmill};

const ROUNDS: usize = 12;
const CLIENTS: usize = 4;
/// How many files come in between two cuts; the second half while the copy is taken.
const UPLOADS_PER_ROUND: usize = 12;
/// How many further media are ready at each cut, at least.
const MEDIA_PER_ROUND: usize = 4;

/// What a client has been answered.
#[derive(Debug, Default)]
struct Acknowledged {
    /// The hash of each upload that was answered with 201, by its name.
    uploads: BTreeMap<String, ContentHash>,
    /// The media that were shown as ready, by the id of the asset.
    media: BTreeMap<String, Medium>,
    /// The fence of each medium that was begun, by file and kind.
    fences: BTreeMap<(String, String), u64>,
}

#[derive(Debug)]
struct Medium {
    file: String,
    kind: String,
}

/// What is not there any more after the cuts: examples by what was lost.
#[derive(Debug, Default)]
struct Losses {
    examples: BTreeMap<&'static str, Vec<String>>,
    /// How many uploads and media there should have been, summed over all cuts.
    uploads: usize,
    media: usize,
}

/// Lets clients upload up to a number of files, and ends them when it is dropped.
#[derive(Debug, Default)]
struct Uploads {
    allowed: AtomicUsize,
    begun: AtomicUsize,
    acknowledged: Mutex<BTreeMap<String, ContentHash>>,
}

struct StopOnDrop<'a>(&'a Uploads);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.allowed.store(usize::MAX, Ordering::SeqCst);
    }
}

#[test]
fn what_was_acknowledged_survives_a_power_cut() {
    let folder = fresh_folder("faults-power-cut");
    if let Err(reason) = Disk::is_possible(&folder.join("probe")) {
        eprintln!("no loop device can be mounted here; `write_order` stands for this: {reason}");
        return;
    }
    let kernel = Kernel::new(folder.join("kernel"));
    let disk = Disk::new(&folder.join("running"));
    let api = Api::of(disk.start(&serve(&disk.mount().join("data"), &kernel)));
    // On a copy nothing further is made, which could hide what was lost.
    let kernel_of_copies = Kernel::new(folder.join("kernel-of-copies"));
    kernel_of_copies.close_gate();
    let uploads = Uploads::default();
    let mut losses = Losses::default();
    thread::scope(|scope| {
        let _stop = StopOnDrop(&uploads);
        for _ in 0..CLIENTS {
            scope.spawn(|| uploads.run(&api));
        }
        let mut known = Acknowledged::default();
        for round in 1..=ROUNDS {
            uploads.allow(round * UPLOADS_PER_ROUND);
            let wanted = round * UPLOADS_PER_ROUND - UPLOADS_PER_ROUND / 2;
            let media = known.media.len() + MEDIA_PER_ROUND;
            eventually("files come in and media are made", || {
                known = Acknowledged::now(&uploads, &api);
                known.uploads.len() >= wanted && known.media.len() >= media
            });
            let copy = disk.cut(api.process(), &folder.join(format!("copy-{round}")));
            let server = copy.start(&serve(&copy.mount().join("data"), &kernel_of_copies));
            losses.look(&known, server, &copy.mount());
            fs::remove_dir_all(folder.join(format!("copy-{round}"))).unwrap();
        }
    });
    losses.assert_none();
    api.stop();
}

/// A server with everything in one folder, for which no token is needed.
pub(super) fn serve(data: &Path, kernel: &Kernel) -> Command {
    let mut command = cadmill();
    command.arg("serve");
    command.env("CADMILL_TESSELLATOR", kernel.program());
    command.env("CADMILL_DATA_DIR", data);
    command.env("CADMILL_LISTEN", "127.0.0.1:0");
    command.env("CADMILL_ACCESS", "open");
    command.env("CADMILL_MEDIA", "usd_master");
    command.env("CADMILL_SLOTS", "2");
    command.env("CADMILL_POLL", "200ms");
    command
}

impl Uploads {
    fn allow(&self, count: usize) {
        self.allowed.store(count, Ordering::SeqCst);
    }

    /// Uploads different files as long as they are allowed.
    fn run(&self, api: &Api) {
        loop {
            let number = self.begun.fetch_add(1, Ordering::SeqCst);
            eventually("the next upload is allowed", || {
                self.allowed.load(Ordering::SeqCst) > number
            });
            if self.allowed.load(Ordering::SeqCst) == usize::MAX {
                return;
            }
            let (name, step) = (format!("part-{number}.step"), step(&number.to_string()));
            let answer = api.upload(&name, &step);
            assert_eq!(answer.status, 201, "{answer:?}");
            let hash = ContentHash::of(step.as_bytes());
            self.acknowledged.lock().unwrap().insert(name, hash);
        }
    }
}

impl Acknowledged {
    /// What has been answered so far.
    fn now(uploads: &Uploads, api: &Api) -> Self {
        let mut known = Self {
            uploads: uploads.acknowledged.lock().unwrap().clone(),
            ..Self::default()
        };
        for (file, medium) in media(&api.files()) {
            let kind = medium["kind"].as_str().unwrap().to_owned();
            let fence = medium["fence"].as_u64().unwrap();
            known.fences.insert((file.clone(), kind.clone()), fence);
            if medium["state"] == "ready" {
                let asset = medium["asset_id"].as_str().unwrap().to_owned();
                known.media.insert(asset, Medium { file, kind });
            }
        }
        known
    }
}

/// The media of all files, each with the name of its file.
fn media(files: &[Value]) -> impl Iterator<Item = (String, &Value)> {
    files.iter().flat_map(|file| {
        let name = file["name"].as_str().unwrap();
        let media = file["media"].as_array().unwrap();
        iter::repeat(name.to_owned()).zip(media)
    })
}

impl Losses {
    /// Compares what was acknowledged with what a server finds on a disk.
    fn look(&mut self, known: &Acknowledged, mut server: Worker, mount: &Path) {
        if !server.starts() {
            self.add("the server does not start", server.said());
            return;
        }
        self.uploads += known.uploads.len();
        self.media += known.media.len();
        let blobs = server.root(&mount.join("data/blobs/sha256"));
        let api = Api::of(server);
        let files = api.files();
        for (name, hash) in &known.uploads {
            let is_listed = files.iter().any(|file| {
                file["name"] == name.as_str() && file["step_file_hash"] == hash.to_string()
            });
            if !is_listed {
                self.add("an upload is in no list", name);
            }
            let blob = hash.to_string();
            let bytes = fs::read(blobs.join(&blob[..2]).join(&blob));
            if !bytes.is_ok_and(|bytes| ContentHash::of(&bytes) == *hash) {
                self.add("a source is missing, empty or damaged", name);
            }
        }
        for (asset, Medium { file, kind }) in &known.media {
            let is_ready = media(&files).any(|(name, medium)| {
                name == *file && medium["asset_id"] == asset.as_str() && medium["state"] == "ready"
            });
            if !is_ready {
                self.add(
                    "a medium is not ready any more",
                    format!("{kind} of {file}"),
                );
            }
            if !api.is_whole(&format!("/api/media/{asset}/content")) {
                let what = "a medium's bytes are missing, empty or damaged";
                self.add(what, format!("{kind} of {file}"));
            }
        }
        let now: BTreeMap<_, _> = media(&files)
            .map(|(file, medium)| {
                let kind = medium["kind"].as_str().unwrap().to_owned();
                ((file, kind), medium["fence"].as_u64().unwrap())
            })
            .collect();
        for (of, fence) in &known.fences {
            if now.get(of).is_none_or(|now| now < fence) {
                self.add("a fence went back", format!("{of:?}: {fence}"));
            }
        }
    }

    fn add(&mut self, what: &'static str, which: impl Into<String>) {
        self.examples.entry(what).or_default().push(which.into());
    }

    #[track_caller]
    fn assert_none(&self) {
        let lost = self.examples.iter().map(|(what, which)| {
            let first = which.iter().take(3).cloned().collect::<Vec<_>>();
            format!(
                "\n{} times {what}, such as: {}",
                which.len(),
                first.join(", ")
            )
        });
        let lost: String = lost.collect();
        assert!(
            lost.is_empty(),
            "after {ROUNDS} power cuts, with {} uploads and {} media acknowledged before them:{lost}",
            self.uploads,
            self.media,
        );
    }
}
