//! `expected.json`: what each sample holds, measured on its exact surfaces.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Serialize;

use super::modelling;

/// What a file holds. mm.
#[derive(Debug, Serialize)]
pub(crate) struct Expected {
    bytes: u64,
    /// Distinct shapes that are no assembly.
    parts: usize,
    /// How often these are placed.
    occurrences: usize,
    /// Of what is closed; over all occurrences.
    volume_mm3: f64,
    area_mm2: f64,
    /// Of assemblies and parts, sorted, each once.
    names: Vec<String>,
    /// The lower corner, then the upper.
    bbox_mm: [f64; 6],
}

impl Expected {
    pub(crate) fn of(path: &Path) -> anyhow::Result<Self> {
        let figures = modelling::measure(path)?;
        let corners = [figures.min, figures.max];
        Ok(Self {
            bytes: fs::metadata(path)?.len(),
            parts: figures.parts,
            occurrences: figures.occurrences,
            volume_mm3: figures.volume,
            area_mm2: figures.area,
            names: figures.names,
            // Adding zero turns -0 into 0.
            bbox_mm: std::array::from_fn(|i| (corners[i / 3][i % 3] * 1e4).round() / 1e4 + 0.0),
        })
    }
}

pub(crate) fn to_json(expected: &BTreeMap<String, Expected>) -> anyhow::Result<Vec<u8>> {
    let mut json = serde_json::to_vec_pretty(expected)?;
    json.push(b'\n');
    Ok(json)
}
