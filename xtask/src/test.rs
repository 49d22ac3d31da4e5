//! `cargo xtask test`: the set-up, then every test of every crate, then a list of what failed.

use std::{
    collections::HashMap,
    io::{self, BufRead as _, BufReader, IsTerminal as _, PipeReader, Write as _},
    process::Command,
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use cargo_metadata::Message;

use crate::{
    oracles,
    packages::{self, Consent},
    process::{cargo, output, run, shown},
    servers::Servers,
    test_summary::TestSummary,
    workspace::Workspace,
};

/// How long output is still read after cargo has ended. A process that a test left behind may keep
/// the pipe open.
const MAX_OUTPUT_DELAY: Duration = Duration::from_secs(5);

pub(crate) fn test(workspace: &Workspace, consent: Consent, filters: &[String]) -> Result<()> {
    let needs = [
        packages::BUILD,
        packages::PYTHON,
        packages::ORACLES,
        packages::SERVERS,
    ];
    packages::ensure(needs.into_iter().flatten(), consent)?;
    let oracles = oracles::ensure(workspace)?;
    let packages = build(workspace)?;
    let servers = Servers::start_with_s3(workspace)?;
    let mut test = cargo(workspace);
    test.args(["test", "--workspace", "--no-fail-fast"])
        .env("CADMILL_BIN", workspace.binary("debug", "cadmill"))
        .env(
            "CADMILL_TESSELLATOR",
            workspace.binary("debug", "cadmill-tessellate"),
        )
        .env("CADMILL_ORACLES", oracles)
        .envs(servers.variables());
    if !filters.is_empty() {
        test.arg("--").args(filters);
    }
    let tested = run_tests(test, packages);
    drop(servers);
    // With filters only those tests are wanted, and soon.
    let fuzz_targets = if filters.is_empty() {
        build_fuzz_targets(workspace)
    } else {
        Ok(())
    };
    match (tested, fuzz_targets) {
        (Err(tests), Err(fuzz)) => Err(anyhow!("{tests:#}\nalso, {fuzz:#}")),
        (tested, fuzz_targets) => tested.and(fuzz_targets),
    }
}

/// Builds programs and tests in one go: apart, cargo would choose other features and build twice.
/// Answers with the name of the package of each test program, by the name of its file.
fn build(workspace: &Workspace) -> Result<HashMap<String, String>> {
    let built = output(cargo(workspace).args([
        "build",
        "--workspace",
        "--bins",
        "--tests",
        "--message-format=json-render-diagnostics",
    ]))?;
    let names: HashMap<_, _> = workspace
        .metadata
        .packages
        .iter()
        .map(|package| (&package.id, package.name.to_string()))
        .collect();
    let mut packages = HashMap::new();
    for message in Message::parse_stream(built.as_bytes()) {
        if let Message::CompilerArtifact(artifact) = message?
            && let Some(file) = artifact.executable.as_ref().and_then(|it| it.file_name())
            && let Some(name) = names.get(&artifact.package_id)
        {
            packages.insert(file.to_owned(), name.clone());
        }
    }
    Ok(packages)
}

/// Runs `cargo test`, whose output is passed on.
fn run_tests(mut test: Command, packages: HashMap<String, String>) -> Result<()> {
    let line = shown(&test);
    eprintln!("$ {line}");
    if io::stderr().is_terminal() {
        test.env("CARGO_TERM_COLOR", "always");
    }
    // One pipe for both, so that a heading stays above its tests.
    let (reader, writer) = io::pipe()?;
    test.stdout(writer.try_clone()?).stderr(writer);
    let mut child = test
        .spawn()
        .with_context(|| format!("`{line}` cannot be started"))?;
    // It holds our copies of the other end of the pipe.
    drop(test);
    let (lines, received) = mpsc::channel();
    thread::spawn(move || pass_on(reader, &lines));
    let mut summary = TestSummary::new(packages);
    let status = thread::scope(|scope| {
        let waiting = scope.spawn(move || child.wait());
        loop {
            match received.recv_timeout(MAX_OUTPUT_DELAY) {
                Ok(line) => summary.note(&line),
                Err(mpsc::RecvTimeoutError::Timeout) if !waiting.is_finished() => {}
                Err(_) => return waiting.join().expect("waiting does not panic"),
            }
        }
    })?;
    if status.success() {
        return Ok(());
    }
    match summary.failures() {
        failures if failures.is_empty() => bail!("`{line}` failed ({status})"),
        failures => bail!(
            "{} failed:\n  {}",
            if failures.len() == 1 {
                "1 test".to_owned()
            } else {
                format!("{} tests", failures.len())
            },
            failures.join("\n  ")
        ),
    }
}

/// Prints each line that comes, and sends it on.
fn pass_on(output: PipeReader, lines: &mpsc::Sender<String>) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while output
        .read_until(b'\n', &mut line)
        .is_ok_and(|read| read > 0)
    {
        // If no process reads what is printed, the tests still go on.
        let mut stdout = io::stdout().lock();
        drop(stdout.write_all(&line).and_then(|()| stdout.flush()));
        drop(lines.send(String::from_utf8_lossy(&line).into_owned()));
        line.clear();
    }
}

/// Builds the fuzz targets, so that they cannot rot; running them is for a person with time.
fn build_fuzz_targets(workspace: &Workspace) -> Result<()> {
    let manifest = workspace.root.join("crates/cadmill-step/fuzz/Cargo.toml");
    run(cargo(workspace)
        .args(["build", "--locked", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(workspace.target.join("fuzz")))
}
