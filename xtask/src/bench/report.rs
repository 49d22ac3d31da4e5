//! The figures of a run as Markdown tables.

use std::{fmt, path::Path};

use anyhow::{Context, Result};

/// Files below this size are told apart, as starting a program is most of their time.
const SMALL_BYTES: u64 = 500_000;

/// All that was measured.
#[derive(Debug)]
pub(crate) struct Report {
    runs: usize,
    pub(crate) files: Vec<FileFigures>,
    pub(crate) folder: Option<FolderFigures>,
}

/// What one file took, run by run.
#[derive(Debug)]
pub(crate) struct FileFigures {
    pub(crate) name: String,
    bytes: u64,
    pub(crate) ours_s: Vec<f64>,
    pub(crate) cascadio_s: Vec<f64>,
    pub(crate) ours_mib: Vec<f64>,
    pub(crate) cascadio_mib: Vec<f64>,
}

/// What the folder took as a whole, run by run.
#[derive(Debug, Default)]
pub(crate) struct FolderFigures {
    pub(crate) ours_s: Vec<f64>,
    pub(crate) old_way_s: Vec<f64>,
}

impl Report {
    pub(crate) fn new(runs: usize) -> Self {
        Self {
            runs,
            files: Vec::new(),
            folder: None,
        }
    }

    /// The geometric mean over the files that `include` takes, if there are any.
    fn mean(&self, include: impl Fn(&FileFigures) -> bool, of: fn(&FileFigures) -> f64) -> String {
        let ratios = self.files.iter().filter(|file| include(file)).map(of);
        geometric_mean(ratios).map_or_else(|| "–".to_owned(), |mean| format!("{mean:.2}"))
    }
}

impl FileFigures {
    pub(crate) fn of(file: &Path) -> Result<Self> {
        let metadata = file
            .metadata()
            .with_context(|| format!("{} cannot be read", file.display()))?;
        Ok(Self {
            name: file.file_name().unwrap_or_default().display().to_string(),
            bytes: metadata.len(),
            ours_s: Vec::new(),
            cascadio_s: Vec::new(),
            ours_mib: Vec::new(),
            cascadio_mib: Vec::new(),
        })
    }

    fn is_small(&self) -> bool {
        self.bytes < SMALL_BYTES
    }

    fn time_ratio(&self) -> f64 {
        median(&self.ours_s) / median(&self.cascadio_s)
    }

    fn memory_ratio(&self) -> f64 {
        median(&self.ours_mib) / median(&self.cascadio_mib)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Medians of {} runs; 0.1 mm, 0.5 rad; ours is GLB and USD, cascadio's is GLB alone.\n\n\
             | file | MB | ours, s | cascadio, s | ratio | ours, MiB | cascadio, MiB | ratio |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|",
            self.runs
        )?;
        for file in &self.files {
            writeln!(
                f,
                "| {} | {:.2} | {:.3} | {:.3} | {:.2} | {:.0} | {:.0} | {:.2} |",
                file.name,
                file.bytes as f64 / 1e6,
                median(&file.ours_s),
                median(&file.cascadio_s),
                file.time_ratio(),
                median(&file.ours_mib),
                median(&file.cascadio_mib),
                file.memory_ratio(),
            )?;
        }
        writeln!(f, "\n| ours against | measured | wanted |\n|---|---:|---:|")?;
        if let Some(folder) = &self.folder {
            let (ours, theirs) = (median(&folder.ours_s), median(&folder.old_way_s));
            writeln!(
                f,
                "| the old way, whole folder, two workers each ({ours:.2} s, {theirs:.2} s) | \
                 {:.2} | ≤ 0.25 |",
                ours / theirs
            )?;
        }
        let small = self.mean(FileFigures::is_small, FileFigures::time_ratio);
        let large = self.mean(|file| !file.is_small(), FileFigures::time_ratio);
        let memory = self.mean(|_| true, FileFigures::memory_ratio);
        let worst = |include: fn(&FileFigures) -> bool, of: fn(&FileFigures) -> f64| {
            let ratios = self.files.iter().filter(|file| include(file)).map(of);
            ratios.fold(0.0, f64::max)
        };
        let worst_small = worst(FileFigures::is_small, FileFigures::time_ratio);
        let worst_large = worst(|file| !file.is_small(), FileFigures::time_ratio);
        let worst_memory = worst(|_| true, FileFigures::memory_ratio);
        writeln!(
            f,
            "| cascadio, files under 0.5 MB, geometric mean (worst {worst_small:.2}) | {small} | \
             ≤ 0.5 |\n\
             | cascadio, larger files, geometric mean (worst {worst_large:.2}) | {large} | ≤ 1.0 |\n\
             | cascadio's peak memory, geometric mean (worst {worst_memory:.2}) | {memory} | ≤ 1.0 |"
        )
    }
}

/// The middle of `values`; of two, the mean.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

fn geometric_mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let logarithms: Vec<f64> = values.map(f64::ln).collect();
    let sum: f64 = logarithms.iter().sum();
    (!logarithms.is_empty()).then(|| (sum / logarithms.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_means_are_those_of_the_textbook() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(geometric_mean([1.0, 4.0].into_iter()), Some(2.0));
        assert_eq!(geometric_mean([].into_iter()), None);
    }

    #[test]
    fn the_report_gives_ratios() {
        let file = |name: &str, bytes, ours_s, ours_mib| FileFigures {
            name: name.to_owned(),
            bytes,
            ours_s: vec![ours_s],
            cascadio_s: vec![1.0],
            ours_mib: vec![ours_mib],
            cascadio_mib: vec![100.0],
        };
        let report = Report {
            runs: 1,
            files: vec![
                file("a.step", 9_000, 0.4, 50.0),
                file("b.step", 600_000, 0.9, 80.0),
            ],
            folder: Some(FolderFigures {
                ours_s: vec![2.0],
                old_way_s: vec![10.0],
            }),
        };
        let text = report.to_string();
        assert!(text.contains("| a.step | 0.01 | 0.400 | 1.000 | 0.40 | 50 | 100 | 0.50 |"));
        assert!(
            text.contains("(2.00 s, 10.00 s) | 0.20 | ≤ 0.25 |"),
            "{text}"
        );
        assert!(
            text.contains("geometric mean (worst 0.40) | 0.40 | ≤ 0.5 |"),
            "{text}"
        );
        assert!(
            text.contains("geometric mean (worst 0.90) | 0.90 | ≤ 1.0 |"),
            "{text}"
        );
        assert!(
            text.contains("geometric mean (worst 0.80) | 0.63 | ≤ 1.0 |"),
            "{text}"
        );
    }
}
