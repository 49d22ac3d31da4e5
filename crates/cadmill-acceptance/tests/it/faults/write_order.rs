//! What is acknowledged was synced before: found in the order of a server's system calls.
//!
//! A disk may lose each write that was not synced. So when an answer is sent, the bytes that it
//! acknowledges must have been written and then synced, the folders that name them too, and so must the
//! part of the database's log that refers to them. This needs no loop device, unlike `power_cut`, and
//! finds what a disk happens to keep.

use std::{fs, path::Path};

use cadmill_domain::ContentHash;

use super::{
    api::Api,
    eventually,
    kernel::Kernel,
    power_cut::serve,
    site::step,
    syscalls::{Call, parse, traced},
    workers::Worker,
};
use crate::milled::fresh_folder;

const UPLOADS: usize = 6;

/// The calls of a server, up to one of them.
#[derive(Clone, Copy)]
struct Before<'a> {
    calls: &'a [Call],
    end: usize,
}

impl Before<'_> {
    fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| call.end < self.end)
    }

    /// Whether a file or folder was synced by a call that began after another had ended.
    fn is_synced(&self, file: &str, after: usize) -> bool {
        self.calls().any(|call| {
            let is_sync = call.is_sync() && call.file == file || call.name.starts_with("sync");
            is_sync && call.begin > after
        })
    }

    /// The call by which a file got this name last.
    fn naming(&self, path: &str) -> Option<&Call> {
        let names = self
            .calls()
            .filter(|call| call.naming().is_some_and(|(_, new)| new == path));
        names.last()
    }

    /// What is missing so that a power cut leaves the file with its bytes.
    fn missing(&self, path: &str) -> Option<String> {
        let Some(named) = self.naming(path) else {
            return Some(format!("{path} has no name"));
        };
        let mut names = vec![path];
        let mut earlier = named.naming();
        while let Some((old, _)) = earlier {
            names.push(old);
            earlier = self.naming(old).and_then(Call::naming);
        }
        let written = self
            .calls()
            .filter(|call| call.is_write() && names.contains(&call.file.as_str()));
        let Some(written) = written.last() else {
            return Some(format!("{path} is not written"));
        };
        if !names.iter().any(|name| self.is_synced(name, written.end)) {
            return Some(format!("the bytes of {path} are not synced"));
        }
        self.missing_name(path, named.end)
    }

    /// What is missing so that a power cut leaves the name, which was given then, and its folders.
    fn missing_name(&self, path: &str, given: usize) -> Option<String> {
        let (folder, _) = path.rsplit_once('/')?;
        if !self.is_synced(folder, given) {
            return Some(format!("the name {path} is not synced"));
        }
        let made = self
            .calls()
            .find(|call| call.made_folder() == Some(folder))?;
        self.missing_name(folder, made.end)
    }

    /// What is missing so that a power cut leaves a row with these bytes in the database's log.
    fn missing_row(&self, log: &str, bytes: &[u8]) -> Option<String> {
        let mut writes = self
            .calls()
            .filter(|call| call.is_write() && call.file == log && call.has(bytes))
            .peekable();
        let row = String::from_utf8_lossy(bytes);
        if writes.peek().is_none() {
            return Some(format!("no row with {row} is written"));
        }
        let is_synced = writes.any(|write| self.is_synced(log, write.end));
        (!is_synced).then(|| format!("the row with {row} is not synced"))
    }
}

/// Where a blob lies.
fn blob(data: &Path, hash: &str) -> String {
    let path = data.join("blobs/sha256").join(&hash[..2]).join(hash);
    path.to_str().unwrap().to_owned()
}

#[test]
fn what_is_acknowledged_was_synced_before() {
    let folder = fresh_folder("faults-write-order").canonicalize().unwrap();
    let kernel = Kernel::new(folder.join("kernel"));
    let data = folder.join("data");
    let trace = folder.join("trace");
    let command = traced(&serve(&data, &kernel), &trace);
    let api = Api::of(Worker::start(command, folder.join("log")));
    let mut uploads = Vec::new();
    for number in 0..UPLOADS {
        let (name, step) = (format!("part-{number}.step"), step(&number.to_string()));
        let answer = api.upload(&name, &step);
        assert_eq!(answer.status, 201, "{answer:?}");
        uploads.push((name, ContentHash::of(step.as_bytes()).to_string()));
    }
    let mut assets = Vec::new();
    eventually("all media are shown as ready", || {
        let files = api.files();
        let media = files
            .iter()
            .flat_map(|file| file["media"].as_array().unwrap());
        assets = media
            .filter(|medium| medium["state"] == "ready")
            .map(|medium| medium["asset_id"].as_str().unwrap().to_owned())
            .collect();
        assets.len() == 2 * UPLOADS
    });
    let media: Vec<_> = assets
        .into_iter()
        .map(|asset| {
            let shown = api.get(&format!("/api/media/{asset}")).body;
            (asset, shown["sha256"].as_str().unwrap().to_owned())
        })
        .collect();
    api.stop();
    let mut log = String::new();
    eventually("the trace is whole", || {
        log = fs::read_to_string(&trace).unwrap_or_default();
        log.ends_with("+++ exited with 0 +++\n")
    });

    let calls = parse(&log);
    let wal = data.join("cadmill.db-wal").to_str().unwrap().to_owned();
    let mut missing = Vec::new();
    let mut created = calls
        .iter()
        .filter(|call| call.is_answer() && call.has(b"HTTP/1.1 201 "));
    for (name, hash) in &uploads {
        let answer = created.next().expect("each upload is answered");
        let before = Before {
            calls: &calls,
            end: answer.begin,
        };
        missing.extend(before.missing(&blob(&data, hash)));
        missing.extend(before.missing_row(&wal, name.as_bytes()));
    }
    for (asset, hash) in &media {
        let mut answers = calls.iter().filter(|call| call.is_answer());
        let shown = answers.find(|call| call.has(asset.as_bytes()));
        let before = Before {
            calls: &calls,
            end: shown.expect("it was shown").begin,
        };
        missing.extend(before.missing(&blob(&data, hash)));
        missing.extend(before.missing_row(&wal, hash.as_bytes()));
    }
    assert!(
        missing.is_empty(),
        "of {} uploads and {} media, {} things were not synced when they were acknowledged:\n{}",
        uploads.len(),
        media.len(),
        missing.len(),
        missing.join("\n")
    );
}

/// A log with a blob and a row that are synced before the answer, less the lines with `without`.
fn log_without(without: &str) -> Vec<Call> {
    let hex = |text: &str| {
        let bytes = text.bytes().map(|byte| format!("\\x{byte:02x}"));
        bytes.collect::<String>()
    };
    let lines = [
        format!("1 mkdir(\"{}\", 0777) = 0", hex("/d/ab")),
        format!("1 fsync(3<{}>) = 0", hex("/d")),
        format!("1 write(4<{}>, \"{}\", 4) = 4", hex("/d/new"), hex("STEP")),
        format!("2 fdatasync(4<{}> <unfinished ...>", hex("/d/new")),
        "1 +++ exited with 0 +++".to_owned(),
        "2 <... fdatasync resumed>) = 0".to_owned(),
        format!(
            "2 rename(\"{}\", \"{}\") = 0",
            hex("/d/new"),
            hex("/d/ab/cd")
        ),
        format!("2 fsync(5<{}>) = 0", hex("/d/ab")),
        format!(
            "2 pwrite64(6<{}>, \"{}\", 9, 0) = 9",
            hex("/d/wal"),
            hex("a row abcd")
        ),
        format!("2 fdatasync(6<{}>) = 0", hex("/d/wal")),
        format!(
            "2 sendto(7<{}>, \"{}\", 3, 0) = 3",
            hex("socket:[1]"),
            hex("201")
        ),
    ];
    let without = hex(without);
    let kept = lines.iter().filter(|line| {
        let is_sync = line.contains("sync") && line.contains(&format!("<{without}>"));
        !is_sync || without.is_empty()
    });
    parse(&kept.cloned().collect::<Vec<_>>().join("\n"))
}

#[test]
fn each_sync_that_is_left_out_is_found() {
    let missing = |without: &str| {
        let calls = log_without(without);
        let answer = calls.iter().find(|call| call.is_answer()).unwrap();
        let before = Before {
            calls: &calls,
            end: answer.begin,
        };
        let blob = before.missing("/d/ab/cd");
        blob.or_else(|| before.missing_row("/d/wal", b"abcd"))
    };
    assert_eq!(missing(""), None);
    for (without, expected) in [
        ("/d/new", "the bytes of /d/ab/cd are not synced"),
        ("/d/ab", "the name /d/ab/cd is not synced"),
        ("/d", "the name /d/ab is not synced"),
        ("/d/wal", "the row with abcd is not synced"),
    ] {
        assert_eq!(missing(without).as_deref(), Some(expected));
    }
}
