//! What failed, read from the output of `cargo test --no-fail-fast`.

use std::{collections::HashMap, mem};

/// Collects the names of failed tests, line by line.
#[derive(Debug)]
pub(crate) struct TestSummary {
    /// The package of each test program, by the name of its file.
    packages: HashMap<String, String>,
    /// The test program whose output this is.
    program: Option<String>,
    /// The newest list of failed tests, once its heading was there.
    listed: Option<Vec<String>>,
    failures: Vec<String>,
}

impl TestSummary {
    pub(crate) fn new(packages: HashMap<String, String>) -> Self {
        Self {
            packages,
            program: None,
            listed: None,
            failures: Vec::new(),
        }
    }

    /// Reads the next line.
    pub(crate) fn note(&mut self, line: &str) {
        let line = line.trim_end();
        if let Some(program) = self.heading(line) {
            self.end_program();
            self.program = Some(program);
        } else if line == "failures:" {
            // There are two: above what the tests printed, and above their names.
            self.listed = Some(Vec::new());
        } else if line.starts_with("test result: ") {
            let program = self.program.take().unwrap_or_default();
            let names = mem::take(&mut self.listed).unwrap_or_default();
            let failures = names.iter().map(|name| format!("{program}: {name}"));
            self.failures.extend(failures);
        } else if let (Some(listed), Some(name)) = (&mut self.listed, line.strip_prefix("    ")) {
            listed.push(name.to_owned());
        }
    }

    /// One line for each failed test, and for each program that ended before it had a result.
    pub(crate) fn failures(mut self) -> Vec<String> {
        self.end_program();
        self.failures
    }

    fn end_program(&mut self) {
        if let Some(program) = self.program.take() {
            self.failures
                .push(format!("{program}: it ended before it had a result"));
        }
    }

    /// The test program of cargo's `Running tests/it/main.rs (target/debug/deps/it-0123)`, or of
    /// its `Doc-tests cadmill_lock`.
    fn heading(&self, line: &str) -> Option<String> {
        let (_, rest) = line
            .split_once("Running")
            .or_else(|| line.split_once("Doc-tests"))?;
        // In color, the word is followed by an escape sequence.
        let rest = rest.strip_prefix("\u{1b}[0m").unwrap_or(rest);
        let rest = rest.strip_prefix(' ')?;
        if line.contains("Doc-tests") {
            return Some(format!("documentation of {rest}"));
        }
        let (source, program) = rest.strip_suffix(')')?.split_once(" (")?;
        let file = program.rsplit(['/', '\\']).next()?;
        let package = self.packages.get(file)?;
        Some(format!("{package} ({source})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
     Running unittests src/lib.rs (target/debug/deps/cadmill_lock-01)

running 0 tests

test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out

\u{1b}[1m\u{1b}[32m     Running\u{1b}[0m tests/it/main.rs (target/debug/deps/it-02)

running 3 tests
test memory::one ... FAILED
test memory::two ... FAILED
test memory::three ... ok

failures:

---- memory::one stdout ----
thread 'memory::one' panicked at tests/it/memory.rs:1:1:
    failures in the text of a panic
---- memory::two stdout ----
     Running tests/it/other.rs (nothing of ours)

failures:
    memory::one
    memory::two

test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out

error: test failed, to rerun pass `-p cadmill-lock --test it`
     Running tests/it/main.rs (target/debug/deps/it-03)

running 1 test
error: test failed, to rerun pass `-p cadmill-store --test it`

Caused by:
  process didn't exit successfully: `target/debug/deps/it-03` (signal: 11, SIGSEGV)
   Doc-tests cadmill_lock

running 1 test

failures:
    crates/cadmill-lock/src/lib.rs - (line 5)

test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out
";

    #[test]
    fn each_failed_test_is_named_with_its_package() {
        let packages = [
            ("cadmill_lock-01", "cadmill-lock"),
            ("it-02", "cadmill-lock"),
            ("it-03", "cadmill-store"),
        ];
        let packages = packages.map(|(file, name)| (file.to_owned(), name.to_owned()));
        let mut summary = TestSummary::new(packages.into());
        OUTPUT.lines().for_each(|line| summary.note(line));
        assert_eq!(
            summary.failures(),
            [
                "cadmill-lock (tests/it/main.rs): memory::one",
                "cadmill-lock (tests/it/main.rs): memory::two",
                "cadmill-store (tests/it/main.rs): it ended before it had a result",
                "documentation of cadmill_lock: crates/cadmill-lock/src/lib.rs - (line 5)",
            ]
        );
    }
}
