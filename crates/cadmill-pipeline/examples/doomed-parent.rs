//! Starts a tessellation and waits for it, until somebody kills this process.
//!
//! `doomed-parent PROGRAM SOURCE SCRATCH`; says `ready` when the child works.

use std::{io::Write as _, sync::Arc, time::Duration};

use cadmill_domain::{
    ContentHash, ExternalReferences, Recipe,
    tessellator::{Cancelled, Phase, ProgressSink, TessellationRequest, Tessellator as _},
};
use cadmill_pipeline::ProcessTessellator;

struct Say;

impl ProgressSink for Say {
    fn report(&self, phase: Phase, _: f64) {
        if phase == Phase::Mesh {
            println!("ready");
            std::io::stdout().flush().expect("somebody listens");
        }
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, source, scratch] = arguments.as_slice() else {
        panic!("three arguments are expected");
    };
    let content = std::fs::read(source).expect("the source can be read");
    let request = TessellationRequest {
        source: source.into(),
        source_hash: ContentHash::of(&content),
        source_faces: 0,
        external: ExternalReferences::default(),
        recipe: Recipe::STANDARD,
        timeout: Duration::from_mins(10),
        memory_bytes: 1 << 30,
        threads: 1,
    };
    let tessellator = ProcessTessellator::new(program).with_scratch(scratch);
    let ended = tessellator
        .tessellate(&request, Arc::new(Say), Cancelled::never())
        .await;
    println!("{ended:?}");
}
