//! The contents of `expected.json`: measurements of the exact surfaces of each sample.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Serialize;

use super::modelling;

/// Measurements of a file.
#[derive(Debug, Serialize)]
pub(crate) struct Expected {
    bytes: u64,
    /// The number of distinct shapes that are not assemblies.
    parts: usize,
    /// The number of occurrences of parts.
    occurrences: usize,
    /// The volume of closed shapes, over all occurrences.
    volume_mm3: f64,
    area_mm2: f64,
    /// The names of assemblies and parts, sorted and unique.
    names: Vec<String>,
    /// The minimum corner, then the maximum corner.
    bbox_mm: [f64; 6],
}

impl Expected {
    pub(crate) fn of(path: &Path) -> anyhow::Result<Self> {
        let measurements = modelling::measure(path)?;
        let corners = [measurements.min, measurements.max];
        Ok(Self {
            bytes: fs::metadata(path)?.len(),
            parts: measurements.parts,
            occurrences: measurements.occurrences,
            volume_mm3: measurements.volume,
            area_mm2: measurements.area,
            names: measurements.names,
            // Adding zero converts -0 to 0.
            bbox_mm: std::array::from_fn(|i| (corners[i / 3][i % 3] * 1e4).round() / 1e4 + 0.0),
        })
    }
}

pub(crate) fn to_json(expected: &BTreeMap<String, Expected>) -> anyhow::Result<Vec<u8>> {
    let mut json = serde_json::to_vec_pretty(expected)?;
    json.push(b'\n');
    Ok(json)
}
