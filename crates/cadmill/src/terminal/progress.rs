//! Progress on standard error: bars on a terminal, lines elsewhere.

use std::{
    io::{IsTerminal as _, Write as _},
    sync::Arc,
    time::Duration,
};

use cadmill_domain::tessellator::Phase;
use cadmill_pipeline::{ConversionProgress, Stage};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::text::plain;

/// The length of the bar of a file.
const BAR_STEPS: u64 = 1000;
/// The template of the bar of a file.
const FILE_BAR: &str = "{spinner} {prefix:.bold} [{bar:24.cyan}] {msg}";
/// The template of the bar of the whole run.
const RUN_BAR: &str = "  {pos} of {len} files [{bar:24.green}] {elapsed} {msg}";

/// The progress of a run.
#[derive(Debug)]
pub(crate) enum Progress {
    /// One bar for the run and one for each file that is being converted.
    Bars {
        all: MultiProgress,
        run: ProgressBar,
    },
    /// One line per file, when its conversion starts.
    Lines { files: usize },
}

impl Progress {
    pub(crate) fn new(files: usize) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines { files };
        }
        let all = MultiProgress::new();
        let run = all.add(ProgressBar::new(files as u64).with_style(style(RUN_BAR)));
        run.enable_steady_tick(Duration::from_secs(1));
        Self::Bars { all, run }
    }

    /// Reports that the conversion of file `number` starts, counted from 1.
    pub(crate) fn start(&self, number: usize, name: &str) -> Arc<dyn ConversionProgress> {
        match self {
            Self::Lines { files } => {
                // Standard error may be closed.
                let _ = writeln!(std::io::stderr(), "[{number}/{files}] {}", plain(name));
                Arc::new(Silent)
            }
            Self::Bars { all, run } => {
                let bar = ProgressBar::new(BAR_STEPS).with_style(style(FILE_BAR));
                let bar = all.insert_before(run, bar);
                bar.set_prefix(plain(name));
                Arc::new(Bar(bar))
            }
        }
    }

    /// Reports that a file is done; `print` runs while the bars are hidden.
    pub(crate) fn finish_file<T>(&self, print: impl FnOnce() -> T) -> T {
        match self {
            Self::Lines { .. } => print(),
            Self::Bars { all, run } => {
                run.inc(1);
                all.suspend(print)
            }
        }
    }

    /// Removes the bar of the run.
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

/// The bar of a file, which is removed on drop.
struct Bar(ProgressBar);

impl ConversionProgress for Bar {
    fn report(&self, stage: Stage) {
        let (message, fraction) = match stage {
            Stage::Tessellate(phase, fraction) => phase_progress(phase, fraction),
            Stage::Media => ("writing media", 0.95),
            _ => ("inspecting", 0.0),
        };
        self.0.set_message(message);
        self.0.set_position((fraction * BAR_STEPS as f64) as u64);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Message and total fraction in a phase, by the share of the whole that each phase usually takes.
fn phase_progress(phase: Phase, fraction: f64) -> (&'static str, f64) {
    let (message, from, to) = match phase {
        Phase::Read => ("reading", 0.02, 0.3),
        Phase::Transfer => ("translating", 0.3, 0.7),
        Phase::Mesh => ("meshing", 0.7, 0.9),
        Phase::Write => ("writing", 0.9, 0.95),
    };
    (message, from + (to - from) * fraction)
}
