//! Where the programs of the servers are, and how they are started.

use std::{
    env,
    ffi::OsStr,
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::sys::signal::Signal;

use crate::error::ServerError;

/// Where systems keep the programs of a version of PostgreSQL that are not on `PATH`: a folder, and
/// how the folders of the versions in it begin. Debian's and Homebrew's.
const VERSIONS: [(&str, &str); 3] = [
    ("/usr/lib/postgresql", ""),
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
];

/// The programs of one version of PostgreSQL.
#[derive(Debug)]
pub(crate) struct PostgresPrograms {
    pub(crate) initdb: PathBuf,
    pub(crate) postgres: PathBuf,
    pub(crate) psql: PathBuf,
}

impl PostgresPrograms {
    /// Those that `PATH` leads to, else the newest.
    pub(crate) fn find() -> Result<Self, ServerError> {
        let path = env::var_os("PATH").unwrap_or_default();
        Self::among(&path, &VERSIONS).ok_or(ServerError::Missing {
            program: "initdb",
            package: "postgresql",
        })
    }

    fn among(path: &OsStr, versions: &[(&str, &str)]) -> Option<Self> {
        // Debian's `psql` on `PATH` is a wrapper that looks for clusters of its own; beside the
        // file that `initdb` on `PATH` links to lies the real one.
        let linked = on(path, "initdb")
            .and_then(|initdb| initdb.canonicalize().ok())
            .and_then(|initdb| Some(initdb.parent()?.to_owned()));
        linked
            .into_iter()
            .chain(newest_first(versions))
            .find_map(|folder| Self::within(&folder))
    }

    fn within(folder: &Path) -> Option<Self> {
        let program = |name| Some(folder.join(name)).filter(|file| file.is_file());
        Some(Self {
            initdb: program("initdb")?,
            postgres: program("postgres")?,
            psql: program("psql")?,
        })
    }
}

/// The folders with the programs of each version.
fn newest_first(versions: &[(&str, &str)]) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for (folder, prefix) in versions {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let version = name.to_str().and_then(|name| name.strip_prefix(prefix));
            if let Some(version) = version.and_then(|version| version.parse().ok()) {
                found.push((version, entry.path().join("bin")));
            }
        }
    }
    found.sort();
    found.into_iter().rev().map(|(_, bin)| bin).collect()
}

/// The Redis server.
pub(crate) fn redis() -> Result<PathBuf, ServerError> {
    let path = env::var_os("PATH").unwrap_or_default();
    on(&path, "redis-server").ok_or(ServerError::Missing {
        program: "redis-server",
        package: "redis-server",
    })
}

/// The first file called `name` in a folder of `path`.
fn on(path: &OsStr, name: &str) -> Option<PathBuf> {
    env::split_paths(path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// `program` in a process group of its own, so that a Ctrl-C for this process is none for it, and
/// with no variables but `PATH`, so that no setting of the user's own servers is taken for ours.
///
/// If the thread that starts it ends, it gets the signal `death`.
pub(crate) fn command(program: &Path, death: Signal) -> Command {
    let path = env::var_os("PATH").unwrap_or_default();
    // The command line's program asks for the signal after the user was changed, which would undo
    // it. Elsewhere than on Linux there is neither.
    let setpriv = on(&path, "setpriv").filter(|_| cfg!(target_os = "linux"));
    let mut command = if let Some(setpriv) = setpriv {
        let mut command = Command::new(setpriv);
        command.args(["--pdeathsig", death.as_str(), "--"]);
        command.arg(program);
        command
    } else {
        Command::new(program)
    };
    command
        .env_clear()
        .env("PATH", path)
        // What it logs is read, in English.
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .process_group(0);
    command
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::unix::fs::symlink};

    use super::*;

    fn install(root: &Path, version: &str) -> PathBuf {
        let bin = root.join(version).join("bin");
        fs::create_dir_all(&bin).unwrap();
        for name in ["initdb", "postgres", "psql"] {
            File::create(bin.join(name)).unwrap();
        }
        bin
    }

    #[test]
    fn the_path_wins_and_then_the_newest_version() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let versions = [(root.to_str().unwrap(), "")];
        let initdb = |path: &Path| {
            PostgresPrograms::among(path.as_os_str(), &versions).map(|found| found.initdb)
        };
        let path = root.join("path");
        fs::create_dir(&path).unwrap();
        assert_eq!(initdb(&path), None);

        let nine = install(&root, "9");
        let fifteen = install(&root, "15");
        fs::create_dir_all(root.join("17/bin")).unwrap();
        assert_eq!(initdb(&path), Some(fifteen.join("initdb")));

        symlink(nine.join("initdb"), path.join("initdb")).unwrap();
        assert_eq!(initdb(&path), Some(nine.join("initdb")));
    }

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        let error = ServerError::Missing {
            program: "initdb",
            package: "postgresql",
        };
        assert_eq!(
            error.to_string(),
            "`initdb` is not on this machine; it comes with Debian's package `postgresql`, which \
             `cargo xtask test` installs"
        );
    }
}
