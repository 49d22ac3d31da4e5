//! Help texts, wrong usage, completions and man pages.

use crate::test_dir::{CommandOutput, TestDir};

fn run(arguments: &[&str]) -> CommandOutput {
    TestDir::new().run(arguments)
}

#[test]
fn the_help_is_complete() {
    insta::assert_snapshot!("help", run(&["--help"]).expect_exit(0).stdout);
    insta::assert_snapshot!(
        "help_convert",
        run(&["convert", "--help"]).expect_exit(0).stdout
    );
    insta::assert_snapshot!(
        "help_inspect",
        run(&["inspect", "--help"]).expect_exit(0).stdout
    );
    insta::assert_snapshot!(
        "help_doctor",
        run(&["doctor", "--help"]).expect_exit(0).stdout
    );
    insta::assert_snapshot!(
        "help_token_create",
        run(&["token", "create", "--help"]).expect_exit(0).stdout
    );
    for command in [
        "adopt",
        "api",
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
        insta::assert_snapshot!(name, run(&[command, "--help"]).expect_exit(0).stdout);
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [
        &[][..],
        &["convert"],
        &["translate", "a.step"],
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
        &["retry", "--slots", "2"],
        &["status", "--slots", "2"],
        &["api", "--slots", "2"],
    ] {
        let ended = run(arguments).expect_exit(2);
        assert_eq!(ended.stdout, "", "{arguments:?}");
        assert_ne!(ended.stderr, "", "{arguments:?}");
    }
}

#[test]
fn the_version_is_printed() {
    let version = run(&["--version"]).expect_exit(0).stdout;
    assert_eq!(version, format!("cadmill {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_and_man_pages_have_all_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]).expect_exit(0).stdout;
        assert!(script.contains("usd-layers"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("man1");
    run(&["man", "--output", output.to_str().unwrap()]).expect_exit(0);
    let root = std::fs::read_to_string(output.join("cadmill.1")).unwrap();
    assert!(root.contains("cadmill\\-convert(1)"), "{root}");
    assert!(output.join("cadmill-convert.1").is_file());

    let page = run(&["man"]).expect_exit(0).stdout;
    assert!(page.contains(".TH cadmill") && page.contains("usd\\-layers"));
}

#[test]
fn a_closed_standard_output_is_no_failure() {
    use std::process::Stdio;
    let dir = TestDir::new();
    dir.step("a.step", "");
    for arguments in [&["inspect", "a.step"][..], &["man"], &["convert", "a.step"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = dir.command(arguments);
        let child = command.stdout(writer).stderr(Stdio::piped()).spawn();
        // The command has a copy of the writing end.
        drop(command);
        let ended: CommandOutput = child.unwrap().wait_with_output().unwrap().into();
        let ended = ended.expect_exit(0);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
    assert_eq!(dir.names(".").len(), 4);
}
