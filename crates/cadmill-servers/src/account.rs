//! Whom PostgreSQL runs as: it refuses to run as root.

use std::{
    io,
    os::unix::{fs::chown, process::CommandExt as _},
    path::Path,
    process::Command,
};

use nix::unistd::{User, geteuid};

use crate::error::ServerError;

/// Who could run it: the user of Debian's package, else the one that every system has.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// Another user than that of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// Whom root must hand over to; nobody if this process is not root's.
    pub(crate) fn instead_of_root() -> Result<Option<Self>, ServerError> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        for name in CANDIDATES {
            let user = User::from_name(name).map_err(io::Error::from);
            if let Some(user) = user.map_err(no_user)? {
                return Ok(Some(Self {
                    uid: user.uid.as_raw(),
                    gid: user.gid.as_raw(),
                }));
            }
        }
        Err(no_user(io::ErrorKind::NotFound.into()))
    }

    /// Makes it the owner of the folder or file at `path`.
    pub(crate) fn own(self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
    }

    /// Makes `command` run as it.
    pub(crate) fn run(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}

fn no_user(source: io::Error) -> ServerError {
    ServerError::System {
        what: "user but root",
        source,
    }
}
