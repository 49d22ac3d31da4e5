//! Processors, memory and disk of this machine.

use std::{fs, io, num::NonZero, path::Path};

use anyhow::{Context as _, Result};
use tokio::runtime::Runtime;

/// What is assumed if the memory of the machine cannot be read, in bytes.
const DEFAULT_MEMORY: u64 = 8 << 30;
/// The least address space in which a kernel is useful, in bytes.
const MIN_MEMORY_BYTES: u64 = 1 << 30;

/// Starts the asynchronous runtime.
pub(crate) fn runtime() -> Result<Runtime> {
    Runtime::new().context("the runtime cannot be started")
}

/// The number of processors.
pub(crate) fn cores() -> NonZero<usize> {
    std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN)
}

/// The name of this process, which consists of its host and its number.
pub(crate) fn process_name() -> String {
    let host = nix::unistd::gethostname().unwrap_or_default();
    format!("{}:{}", host.to_string_lossy(), std::process::id())
}

/// The memory that this process and its children may use, in bytes.
pub(crate) fn memory() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok();
    let machine = machine.as_deref().and_then(of_meminfo);
    // In a container the limit of its control group counts.
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let group = group.and_then(|limit| limit.trim().parse::<u64>().ok());
    match (machine, group) {
        (Some(machine), Some(group)) => group.min(machine),
        (machine, group) => machine.or(group).unwrap_or(DEFAULT_MEMORY),
    }
}

/// The share of one of `jobs` in three quarters of the memory, in bytes.
pub(crate) fn memory_per_job(jobs: NonZero<usize>) -> u64 {
    (memory() / 4 * 3 / jobs.get() as u64).max(MIN_MEMORY_BYTES)
}

/// The free space on the disk of `folder` for an ordinary user, in bytes.
pub(crate) fn free_space(folder: &Path) -> io::Result<u64> {
    let disk = nix::sys::statvfs::statvfs(folder)?;
    // The types differ between systems.
    #[expect(clippy::useless_conversion, reason = "narrower on some systems")]
    let (blocks, size) = (
        u64::from(disk.blocks_available()),
        u64::from(disk.fragment_size()),
    );
    Ok(blocks.saturating_mul(size))
}

fn of_meminfo(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_linux_is_read() {
        let text = "MemTotal:       16266732 kB\nMemFree:          123456 kB\n";
        assert_eq!(of_meminfo(text), Some(16_266_732 << 10));
        assert_eq!(of_meminfo("nothing"), None);
    }

    #[test]
    fn each_job_has_the_least_memory() {
        let many = NonZero::new(1_000_000).unwrap();
        assert_eq!(memory_per_job(many), MIN_MEMORY_BYTES);
        assert!(memory_per_job(NonZero::<usize>::MIN) <= memory().max(MIN_MEMORY_BYTES));
    }

    #[test]
    fn the_free_space_is_read() {
        assert!(free_space(Path::new("/")).unwrap() > 0);
        assert!(free_space(Path::new("/no/such/folder")).is_err());
    }
}
