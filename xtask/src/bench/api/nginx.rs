//! A private nginx that serves one folder, as Debian sets it up but for the places.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{packages, process};

/// How long it may take to be ready.
const START: Duration = Duration::from_secs(10);

/// A running nginx, which is stopped when this is dropped.
#[derive(Debug)]
pub(super) struct Nginx {
    child: Child,
    port: u16,
}

impl Nginx {
    /// Serves `root`; what it writes goes into `folder`, which is there.
    pub(super) fn start(root: &Path, folder: &Path) -> Result<Self> {
        let program = packages::nginx().context("nginx is not there")?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let settings = folder.join("nginx.conf");
        fs::write(&settings, configuration(root, folder, port))?;
        let mut command = Command::new(program);
        command.arg("-p").arg(folder).arg("-c").arg(&settings);
        command.arg("-e").arg(folder.join("error.log"));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().context("nginx cannot be started")?;
        let mut nginx = Self { child, port };
        nginx.wait_until_ready()?;
        Ok(nginx)
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let begin = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("nginx ended at once ({status})");
            }
            ensure!(begin.elapsed() < START, "nginx does not listen");
            thread::park_timeout(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killed, it would leave its workers.
        process::succeeds(Command::new("kill").arg(self.child.id().to_string()));
        drop(self.child.wait());
    }
}

fn configuration(root: &Path, folder: &Path, port: u16) -> String {
    // Started by root, its workers would be another user, who cannot enter our folders.
    let user = if packages::is_root() {
        "user root root;"
    } else {
        ""
    };
    let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let places = places.map(|name| {
        let place = folder.join(name);
        format!("    {name}_temp_path \"{}\";\n", place.display())
    });
    let (root, pid, places) = (root.display(), folder.join("pid"), places.concat());
    format!(
        "{user}\ndaemon off;\nworker_processes auto;\npid \"{}\";\nevents {{}}\nhttp {{\n    \
         access_log off;\n    sendfile on;\n    tcp_nopush on;\n{places}    server {{\n        \
         listen 127.0.0.1:{port};\n        root \"{root}\";\n    }}\n}}\n",
        pid.display()
    )
}
