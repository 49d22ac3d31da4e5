//! The same input gives the same bytes, whatever runs at the same time.

use std::fs;

use cadmill_domain::MediaKind;

use crate::{
    inputs::INPUTS,
    milled::{MILLED, Milled},
};

#[test]
fn neither_another_run_nor_the_number_of_jobs_changes_a_byte() {
    for jobs in ["1", "8"] {
        let again = Milled::new(&format!("jobs-{jobs}"), jobs);
        for input in INPUTS.iter() {
            for kind in MediaKind::ALL {
                let first = fs::read(MILLED.medium(input, kind)).unwrap();
                let second = fs::read(again.medium(input, kind)).unwrap();
                assert!(
                    first == second,
                    "{} of {} with {jobs} jobs",
                    kind,
                    input.stem
                );
            }
        }
    }
}
