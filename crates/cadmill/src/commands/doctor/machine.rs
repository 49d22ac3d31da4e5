//! Checks the memory and the disks of this machine.

use std::{env, path::Path};

use super::finding::Finding;
use crate::{quantity::format_bytes, terminal::text::counted, wiring::machine};

/// With less free space a conversion soon fails, in bytes.
const MIN_SPACE: u64 = 200 << 20;
/// With less memory the kernel is of little use, in bytes.
const MIN_MEMORY: u64 = 1 << 30;

/// Checks the memory.
pub(super) fn check_memory() -> Finding {
    let (all, jobs) = (machine::memory(), machine::cores());
    let found = format!(
        "{}; {} for each of {} at once",
        format_bytes(all),
        format_bytes(machine::memory_per_job(jobs)),
        counted(jobs.get() as u64, "file")
    );
    let result = if all < MIN_MEMORY {
        let remedy = "Give this machine or container at least 1 GiB.";
        Err((found, remedy.to_owned()))
    } else {
        Ok(found)
    };
    Finding::new("memory", result)
}

/// Checks the disk of temporary folders.
pub(super) fn check_scratch() -> Finding {
    check_disk("scratch", &env::temp_dir())
}

/// Checks that files can be created in `folder`, and how much space its disk has.
pub(super) fn check_disk(subject: &'static str, folder: &Path) -> Finding {
    let name = folder.display();
    let space = tempfile::tempfile_in(folder).and_then(|_| machine::free_space(folder));
    let result = match space {
        Err(error) => Err((
            format!("Nothing can be written into `{name}`: {error}."),
            "Check that the folder exists and its permissions, or name another (`TMPDIR`, `-o`, \
             `--data-dir`)."
                .to_owned(),
        )),
        Ok(free) if free < MIN_SPACE => Err((
            format!("`{name}` has only {} left.", format_bytes(free)),
            "Free some space.".to_owned(),
        )),
        Ok(free) => Ok(format!("{} free in {name}", format_bytes(free))),
    };
    Finding::new(subject, result)
}
