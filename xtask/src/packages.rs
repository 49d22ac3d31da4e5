//! What the system must have: found out, and installed where that is missing.

use std::{
    env,
    io::{self, BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};
use cadmill_servers::{Postgres, Redis};
use clap::Args;

use crate::process;

/// Whether packages may be installed without asking.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Consent {
    /// Install missing packages without asking.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Something that the system must have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    /// What it is.
    what: &'static str,
    /// The Debian packages that bring it.
    debian: &'static [&'static str],
    is_there: fn(&Need) -> bool,
}

/// What building needs.
pub(crate) const BUILD: &[Need] = &[
    Need {
        what: "a C++ compiler",
        debian: &["g++"],
        is_there: |_| env::var_os("CXX").is_some() || process::on_path("c++").is_some(),
    },
    Need {
        what: "Open CASCADE with its headers",
        debian: &["libocct-data-exchange-dev"],
        is_there: |_| env::var_os("OCCT_ROOT").is_some() || has_open_cascade(),
    },
];

const CURL: Need = Need {
    what: "curl, by which the API is asked",
    debian: &["curl"],
    is_there: |_| process::on_path("curl").is_some(),
};

/// What validators and linters from Python's registry need.
pub(crate) const PYTHON: &[Need] = &[Need {
    what: "Python with its venv module",
    debian: &["python3", "python3-venv"],
    is_there: |_| process::succeeds(Command::new("python3").args(["-c", "import venv, ensurepip"])),
}];

/// What the validators of the field need besides.
pub(crate) const ORACLES: &[Need] = &[
    Need {
        what: "Node.js",
        debian: &["nodejs"],
        is_there: |_| process::on_path("node").is_some(),
    },
    Need {
        what: "npm",
        debian: &["npm"],
        is_there: |_| process::on_path("npm").is_some(),
    },
    CURL,
    Need {
        what: "the command of OpenSSL, by which the guide checks signatures",
        debian: &["openssl"],
        is_there: |_| process::on_path("openssl").is_some(),
    },
    Need {
        what: "strace, which shows what is opened, written and synced",
        debian: &["strace"],
        is_there: |_| !cfg!(target_os = "linux") || process::on_path("strace").is_some(),
    },
    Need {
        what: "mkfs.ext4, by which a disk is made whose power is cut",
        debian: &["e2fsprogs"],
        is_there: |_| {
            process::on_path("mkfs.ext4").is_some() || Path::new("/usr/sbin/mkfs.ext4").is_file()
        },
    },
    Need {
        what: "the libraries that Blender loads",
        debian: &[
            "libgl1",
            "libice6",
            "libsm6",
            "libxext6",
            "libxfixes3",
            "libxi6",
            "libxkbcommon0",
            "libxrender1",
        ],
        is_there: |need| !has_apt() || need.is_installed(),
    },
];

/// What starting servers needs: their programs alone.
///
/// Debian's packages also start a server each, as a service that Cadmill leaves alone, where the
/// system has services; in a container they do not. Preventing that would take a change of the
/// system's policy, which is not ours to make.
pub(crate) const SERVERS: &[Need] = &[
    Need {
        what: "PostgreSQL",
        debian: &["postgresql"],
        is_there: |_| Postgres::is_installed(),
    },
    Need {
        what: "Redis",
        debian: &["redis-server"],
        is_there: |_| Redis::is_installed(),
    },
];

/// What a server is put under load with, and compared to.
pub(crate) const LOAD: &[Need] = &[
    CURL,
    Need {
        what: "wrk",
        debian: &["wrk"],
        is_there: |_| process::on_path("wrk").is_some(),
    },
    Need {
        what: "nginx",
        debian: &["nginx-light"],
        is_there: |_| nginx().is_some(),
    },
];

/// What building images needs.
pub(crate) const IMAGES: &[Need] = &[
    Need {
        what: "buildah",
        debian: &["buildah"],
        is_there: |_| process::on_path("buildah").is_some(),
    },
    Need {
        what: "debootstrap",
        debian: &["debootstrap"],
        is_there: |_| process::on_path("debootstrap").is_some(),
    },
];

impl Need {
    /// Whether all its packages are installed, as Debian's database has it.
    fn is_installed(&self) -> bool {
        self.debian.iter().all(|package| {
            let mut query = Command::new("dpkg-query");
            query.args(["-W", "-f", "${db:Status-Status}", package]);
            query
                .output()
                .is_ok_and(|output| output.stdout == b"installed")
        })
    }
}

/// Installs what is missing of `needs`, after it has shown how.
///
/// # Errors
/// Says what to do by hand where nothing can be installed from here.
pub(crate) fn ensure<'a>(
    needs: impl IntoIterator<Item = &'a Need>,
    consent: Consent,
) -> Result<()> {
    let missing: Vec<&Need> = needs
        .into_iter()
        .filter(|need| !(need.is_there)(need))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let whats: Vec<&str> = missing.iter().map(|need| need.what).collect();
    eprintln!("This machine lacks {}.", whats.join(", "));
    if !has_apt() {
        bail!(
            "only Debian's packages can be installed from here; install them by hand, then run \
             this again:\n  macOS:  brew install opencascade python@3.11 node postgresql@17 redis\n  \
             Fedora: sudo dnf install gcc-c++ opencascade-devel python3.11 nodejs-npm \
             postgresql-server redis\n\
             Where Open CASCADE lies elsewhere, name its folder by OCCT_ROOT."
        );
    }
    let packages: Vec<&str> = missing
        .iter()
        .flat_map(|need| need.debian)
        .copied()
        .collect();
    let mut commands = install_commands(&packages)?;
    eprintln!("These commands install it:");
    for command in &commands {
        eprintln!("  {}", process::shown(command));
    }
    consent.obtain()?;
    commands.iter_mut().try_for_each(process::run)
}

impl Consent {
    /// Goes on if it was given, or if the user gives it now; root without a terminal is a
    /// container or a CI machine, where nobody could be asked.
    fn obtain(self) -> Result<()> {
        if self.yes || (is_root() && !io::stdin().is_terminal()) {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            bail!("nobody can be asked here: run it again with --yes, or install it by hand");
        }
        eprint!("Go on? [y/N] ");
        io::stderr().flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        if !answer.trim().to_lowercase().starts_with('y') {
            bail!("nothing was installed");
        }
        Ok(())
    }
}

fn install_commands(packages: &[&str]) -> Result<Vec<Command>> {
    let apt = |arguments: &[&str]| {
        let mut command = if is_root() {
            Command::new("env")
        } else {
            let mut sudo = Command::new("sudo");
            sudo.arg("env");
            sudo
        };
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        command.args(arguments);
        command
    };
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(packages);
    if !is_root() && process::on_path("sudo").is_none() {
        bail!(
            "you are not root and there is no sudo: have `apt-get {}` run",
            install.join(" ")
        );
    }
    Ok(vec![apt(&["update"]), apt(&install)])
}

/// The program `nginx`, which users other than root do not have on their `PATH`.
pub(crate) fn nginx() -> Option<PathBuf> {
    let usual = Path::new("/usr/sbin/nginx");
    process::on_path("nginx").or_else(|| usual.is_file().then(|| usual.to_owned()))
}

/// Whether the headers of its STEP reader lie where systems put them.
fn has_open_cascade() -> bool {
    ["/usr", "/usr/local", "/opt/homebrew", "/opt/local"]
        .map(|root| Path::new(root).join("include/opencascade/STEPCAFControl_Reader.hxx"))
        .iter()
        .any(|header| header.is_file())
}

fn has_apt() -> bool {
    process::on_path("apt-get").is_some()
}

/// Whether this process may do everything.
#[cfg(unix)]
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    Path::new("/proc/self")
        .metadata()
        .is_ok_and(|process| process.uid() == 0)
}

/// Whether this process may do everything.
#[cfg(not(unix))]
pub(crate) fn is_root() -> bool {
    false
}
