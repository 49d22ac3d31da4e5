//! How far the work is, on standard error: bars on a terminal, plain lines elsewhere.

use std::{
    io::{IsTerminal as _, Write as _},
    sync::Arc,
    time::Duration,
};

use cadmill_domain::Phase;
use cadmill_pipeline::{ConversionProgress, Stage};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::output::plain;

/// Steps of a bar.
const STEPS: u64 = 1000;
/// What a file's bar shows.
const FILE: &str = "{spinner} {prefix:.bold} [{bar:24.cyan}] {msg}";
/// What the bar of the whole run shows.
const RUN: &str = "  {pos} of {len} files [{bar:24.green}] {elapsed} {msg}";

/// The progress of a run.
#[derive(Debug)]
pub(crate) enum Progress {
    /// One bar for the run and one for each file that is being converted.
    Bars {
        all: MultiProgress,
        run: ProgressBar,
    },
    /// One line when a file is begun.
    Lines { files: usize },
}

impl Progress {
    pub(crate) fn new(files: usize) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines { files };
        }
        let all = MultiProgress::new();
        let run = all.add(ProgressBar::new(files as u64).with_style(style(RUN)));
        run.enable_steady_tick(Duration::from_secs(1));
        Self::Bars { all, run }
    }

    /// A file is begun, the first by number 1.
    pub(crate) fn begin(&self, number: usize, name: &str) -> Arc<dyn ConversionProgress> {
        match self {
            Self::Lines { files } => {
                // Nobody may be listening.
                let _ = writeln!(std::io::stderr(), "[{number}/{files}] {}", plain(name));
                Arc::new(Silent)
            }
            Self::Bars { all, run } => {
                let bar = ProgressBar::new(STEPS).with_style(style(FILE));
                let bar = all.insert_before(run, bar);
                bar.set_prefix(plain(name));
                Arc::new(Bar(bar))
            }
        }
    }

    /// A file is done: prints its result where no bar is in the way.
    pub(crate) fn done<T>(&self, print: impl FnOnce() -> T) -> T {
        match self {
            Self::Lines { .. } => print(),
            Self::Bars { all, run } => {
                run.inc(1);
                all.suspend(print)
            }
        }
    }

    /// The run is over.
    pub(crate) fn finish(&self) {
        if let Self::Bars { run, .. } = self {
            run.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_bar())
}

struct Silent;

impl ConversionProgress for Silent {
    fn report(&self, _: Stage) {}
}

/// The bar of a file; it goes when the conversion is over.
struct Bar(ProgressBar);

impl ConversionProgress for Bar {
    fn report(&self, stage: Stage) {
        let (message, fraction) = match stage {
            Stage::Tessellate(phase, fraction) => of_phase(phase, fraction),
            Stage::Media => ("making media", 0.95),
            _ => ("inspecting", 0.0),
        };
        self.0.set_message(message);
        self.0.set_position((fraction * STEPS as f64) as u64);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// The part of the whole that each phase usually takes.
fn of_phase(phase: Phase, fraction: f64) -> (&'static str, f64) {
    let (message, from, to) = match phase {
        Phase::Read => ("reading", 0.02, 0.3),
        Phase::Transfer => ("translating", 0.3, 0.7),
        Phase::Mesh => ("meshing", 0.7, 0.9),
        Phase::Write => ("writing", 0.9, 0.95),
    };
    (message, from + (to - from) * fraction)
}
