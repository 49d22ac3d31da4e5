//! What the command says of itself, and of what it does not understand.

use crate::bench::{Bench, Ended};

fn run(arguments: &[&str]) -> Ended {
    Bench::new().run(arguments)
}

#[test]
fn the_help_says_what_there_is() {
    insta::assert_snapshot!("help", run(&["--help"]).with(0).stdout);
    insta::assert_snapshot!("help_convert", run(&["convert", "--help"]).with(0).stdout);
    insta::assert_snapshot!("help_inspect", run(&["inspect", "--help"]).with(0).stdout);
    insta::assert_snapshot!("help_doctor", run(&["doctor", "--help"]).with(0).stdout);
    insta::assert_snapshot!(
        "help_token_create",
        run(&["token", "create", "--help"]).with(0).stdout
    );
    for command in [
        "adopt",
        "gc",
        "import",
        "generate-missing",
        "retry",
        "serve",
        "status",
        "verify",
        "worker",
    ] {
        let name = format!("help_{command}");
        insta::assert_snapshot!(name, run(&[command, "--help"]).with(0).stdout);
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [
        &[][..],
        &["convert"],
        &["mill", "a.step"],
        &["convert", "a.step", "--kinds", "obj"],
        &["convert", "a.step", "--jobs", "0"],
        &["convert", "a.step", "--timeout", "soon"],
        &["convert", "a.step", "--memory", "4"],
        &["convert", "a.step", "--recipe", "coarse"],
        &[
            "convert",
            "a.step",
            "--recipe",
            "fine",
            "--linear-deflection-mm",
            "1",
        ],
        &["convert", "a.step", "--linear-deflection-mm", "0"],
        &["convert", "a.step", "--angular-deflection-deg", "91"],
        &["convert", "a.step", "--materials", "missing.json"],
        &["inspect"],
        &["completions", "punchcard"],
    ] {
        let ended = run(arguments).with(2);
        assert_eq!(ended.stdout, "", "{arguments:?}");
        assert_ne!(ended.stderr, "", "{arguments:?}");
    }
}

#[test]
fn the_version_is_told() {
    let version = run(&["--version"]).with(0).stdout;
    assert_eq!(version, format!("cadmill {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_and_the_man_page_name_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]).with(0).stdout;
        assert!(script.contains("usd-layers"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("man1");
    run(&["man", "--output", output.to_str().unwrap()]).with(0);
    let root = std::fs::read_to_string(output.join("cadmill.1")).unwrap();
    assert!(root.contains("cadmill\\-convert(1)"), "{root}");
    assert!(output.join("cadmill-convert.1").is_file());

    let page = run(&["man"]).with(0).stdout;
    assert!(page.contains(".TH cadmill") && page.contains("usd\\-layers"));
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    use std::process::Stdio;
    let bench = Bench::new();
    bench.step("a.step", "");
    for arguments in [&["inspect", "a.step"][..], &["man"], &["convert", "a.step"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = bench.command(arguments);
        let child = command.stdout(writer).stderr(Stdio::piped()).spawn();
        // The command holds a copy of the pipe's end.
        drop(command);
        let ended: Ended = child.unwrap().wait_with_output().unwrap().into();
        let ended = ended.with(0);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
    assert_eq!(bench.names(".").len(), 4);
}
