//! The table in `docs/failures.md` is that of the code.

use std::{env, fs, path::Path};

use cadmill_domain::{FailureCode, Retry};

/// The table stands between these.
const BEGIN: &str = "<!-- catalogue: begin -->\n";
const END: &str = "<!-- catalogue: end -->\n";

/// Run with `UPDATE_DOCS=1` to write the table anew.
#[test]
fn the_failure_catalogue_is_documented_as_it_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/failures.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the table has a beginning");
    let (found, after) = rest.split_once(END).expect("the table has an end");
    let expected = table();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, [before, BEGIN, &expected, END, after].concat()).unwrap();
        return;
    }
    assert_eq!(
        found, expected,
        "docs/failures.md is not of this code: run this test with UPDATE_DOCS=1"
    );
}

fn table() -> String {
    let head = "| code | again? | what happened | what to do |\n|---|---|---|---|\n".to_owned();
    FailureCode::ALL.iter().fold(head, |table, code| {
        let again = match code.retry() {
            Retry::Never => "never",
            Retry::Coarser => "once, coarser",
            Retry::Later => "later",
        };
        let (sentence, remedy) = (code.sentence(), code.remedy());
        table + &format!("| `{code}` | {again} | {sentence} | {remedy} |\n")
    })
}
