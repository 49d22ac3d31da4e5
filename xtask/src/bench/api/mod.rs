//! `cargo xtask bench api`: the service under load from other processes, with 100 000 files, and its
//! downloads against those of nginx.

mod load;
mod nginx;
mod site;

use std::{fmt, fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use clap::Args;

use self::{load::Load, nginx::Nginx, site::Site};
use super::{Inputs, figures::Figures, fresh, merge};
use crate::{
    packages::{self, Consent},
    process::{self, cargo},
    run::build_release,
    workspace::Workspace,
};

/// Files that were read and lack a scene.
const FILES: usize = 100_000;
/// What is downloaded.
const MEDIUM_BYTES: usize = 50_000_000;
/// What is tessellated meanwhile, twice: more than a round of questions lasts.
const ASSEMBLY_BYTES: usize = 40_000_000;
const CLIENTS: u32 = 4;
const SECONDS: u32 = 5;
/// How often the second click is repeated, and ours and nginx's download alternate, in a run.
const ROUNDS: usize = 3;

/// The API under load, and its downloads against nginx.
#[derive(Debug, Args)]
pub(crate) struct ApiBench {
    #[command(flatten)]
    consent: Consent,
    /// Medians are taken over this many runs.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
}

impl ApiBench {
    pub(crate) fn run(&self, workspace: &Workspace) -> Result<()> {
        packages::ensure(packages::BUILD.iter().chain(packages::LOAD), self.consent)?;
        build_release(workspace)?;
        let example = ["-p", "cadmill-store", "--example", "full_folder"];
        process::run(cargo(workspace).args(["build", "--release"]).args(example))?;
        let place = Place::prepare(workspace)?;
        let mut report = Report(Figures::default());
        for run in 1..=self.runs {
            eprintln!("run {run} of {}", self.runs);
            place.measure(&mut report.0)?;
        }
        println!("Medians of {} runs.\n\n{report}", self.runs);
        place.clear()
    }
}

/// Where it is measured, and with what.
struct Place<'a> {
    workspace: &'a Workspace,
    folder: PathBuf,
    assemblies: [PathBuf; 2],
    /// A tessellator that keeps its slot and does nothing.
    idle: PathBuf,
}

/// What a filled folder holds.
struct Filled {
    data: PathBuf,
    medium: String,
    kept: PathBuf,
}

impl<'a> Place<'a> {
    fn prepare(workspace: &'a Workspace) -> Result<Self> {
        let folder = workspace.target.join("bench/api");
        fs::create_dir_all(&folder)?;
        let mut inputs = Inputs::find(None, workspace, &folder)?;
        let assemblies = ["first.step", "second.step"].map(|name| folder.join(name));
        for assembly in &assemblies {
            fs::write(assembly, merge::merge(&inputs.files, ASSEMBLY_BYTES)?)?;
            // In another order it is another file.
            inputs.files.reverse();
        }
        let idle = folder.join("idle");
        fs::write(&idle, "#!/bin/sh\nexec sleep 1000\n")?;
        fs::set_permissions(&idle, fs::Permissions::from_mode(0o755))?;
        Ok(Self {
            workspace,
            folder,
            assemblies,
            idle,
        })
    }

    fn clear(&self) -> Result<()> {
        fs::remove_dir_all(&self.folder)
            .with_context(|| format!("{} cannot be removed", self.folder.display()))
    }

    fn measure(&self, figures: &mut Figures) -> Result<()> {
        let filled = self.fill()?;
        self.while_tessellating(&filled, figures)?;
        // The same uploads again, now with tessellators that do nothing: no worker takes what is
        // queued, and the processors are free.
        let site = Site::start(self.workspace, &filled.data, Some(&self.idle))?;
        site.wait_for_tessellators()?;
        let answers = self.read_files(&site)?;
        figures.note("reads_per_s", answers.per_s);
        figures.note("p50_ms", answers.p50_ms);
        figures.note("p99_ms", answers.p99_ms);
        clicks(&site, figures)?;
        self.downloads(&site, &filled, figures)
    }

    fn while_tessellating(&self, filled: &Filled, figures: &mut Figures) -> Result<()> {
        let site = Site::start(self.workspace, &filled.data, None)?;
        for assembly in &self.assemblies {
            site.upload(assembly)?;
        }
        site.wait_for_tessellators()?;
        let answers = self.read_files(&site)?;
        ensure!(
            site.is_tessellating(),
            "the assemblies were tessellated before the reads were measured"
        );
        figures.note("busy_reads_per_s", answers.per_s);
        figures.note("busy_p99_ms", answers.p99_ms);
        Ok(())
    }

    fn read_files(&self, site: &Site) -> Result<load::Answers> {
        let load = Load {
            url: &site.url("/api/cad/"),
            header: &site.header(),
            seconds: SECONDS,
            clients: CLIENTS,
            files: Some(FILES),
        };
        load.run(self.workspace)
    }

    fn downloads(&self, site: &Site, filled: &Filled, figures: &mut Figures) -> Result<()> {
        let folder = fresh(&self.folder.join("nginx"))?;
        let root = filled.kept.parent().context("a file lies in a folder")?;
        let nginx = Nginx::start(root, &folder)?;
        let name = filled.kept.file_name().context("a file has a name")?;
        let urls = [
            site.url(&format!("/api/media/{}/content", filled.medium)),
            nginx.url(&name.to_string_lossy()),
        ];
        for _ in 0..ROUNDS {
            for (url, name) in urls.iter().zip(["ours_bytes_per_s", "nginx_bytes_per_s"]) {
                let load = Load {
                    url,
                    header: &site.header(),
                    seconds: SECONDS,
                    clients: CLIENTS,
                    files: None,
                };
                figures.note(name, load.run(self.workspace)?.bytes_per_s);
            }
        }
        Ok(())
    }

    fn fill(&self) -> Result<Filled> {
        let data = fresh(&self.folder.join("data"))?;
        let program = self.workspace.target.join("release/examples/full_folder");
        let mut fill = Command::new(program);
        fill.arg(&data);
        fill.args([FILES.to_string(), MEDIUM_BYTES.to_string()]);
        let printed = process::output(&mut fill)?;
        let told = |name: &str| {
            let mut lines = printed.lines();
            let told = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            told.with_context(|| format!("the folder has no `{name}`"))
        };
        let (medium, kept) = (told("medium")?.to_owned(), told("kept")?.into());
        Ok(Filled { data, medium, kept })
    }
}

/// All scenes are missing; then they are in flight.
fn clicks(site: &Site, figures: &mut Figures) -> Result<()> {
    let (counts, seconds) = site.click()?;
    ensure!(counts.queued == FILES, "the first click: {counts:?}");
    figures.note("first_click_s", seconds);
    for _ in 0..ROUNDS {
        let (counts, seconds) = site.click()?;
        ensure!(
            counts.queued == 0 && counts.in_flight >= FILES,
            "the second click: {counts:?}"
        );
        figures.note("second_click_s", seconds);
    }
    Ok(())
}

/// All that was measured.
#[derive(Debug)]
struct Report(Figures);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |name| self.0.of(name);
        let gigabytes = |name| of(name) / 1e9;
        writeln!(f, "| the service | measured | wanted |\n|---|---:|---:|")?;
        writeln!(
            f,
            "| `GET /api/cad/{{id}}`, answers per second | {:.0} | – |",
            of("reads_per_s")
        )?;
        writeln!(
            f,
            "| the same, 99 of 100 answered within, ms (half within {:.2}) | {:.2} | – |",
            of("p50_ms"),
            of("p99_ms")
        )?;
        writeln!(
            f,
            "| the same while both processors tessellate, ms ({:.0} a second) | {:.1} | – |",
            of("busy_reads_per_s"),
            of("busy_p99_ms")
        )?;
        writeln!(
            f,
            "| 100 000 missing scenes asked for, s | {:.3} | – |",
            of("first_click_s")
        )?;
        writeln!(f, "| the same again, s | {:.3} | – |", of("second_click_s"))?;
        writeln!(
            f,
            "| download of 50 MB ({:.2} GB/s) against nginx ({:.2} GB/s) | {:.2} | ≥ 0.7 |",
            gigabytes("ours_bytes_per_s"),
            gigabytes("nginx_bytes_per_s"),
            self.0.ratio("ours_bytes_per_s", "nginx_bytes_per_s")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn downloads_are_compared_round_by_round() {
        let mut figures = Figures::default();
        for (ours, nginx) in [(3e9, 4e9), (2e9, 4e9), (4e9, 4e9)] {
            figures.note("ours_bytes_per_s", ours);
            figures.note("nginx_bytes_per_s", nginx);
        }
        let text = Report(figures).to_string();
        assert!(
            text.contains("(3.00 GB/s) against nginx (4.00 GB/s) | 0.75 | ≥ 0.7 |"),
            "{text}"
        );
    }
}
