//! Figures by name, and what they come to over several runs.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::report::median;

/// Figures by their names, run by run.
#[derive(Debug, Default)]
pub(crate) struct Figures(BTreeMap<String, Vec<f64>>);

impl Figures {
    /// Adds what a program printed: a name and a number on each line.
    pub(crate) fn add(&mut self, printed: &str) -> Result<()> {
        for line in printed.lines() {
            let parsed = line.split_once(' ');
            let parsed = parsed.and_then(|(name, number)| Some((name, number.parse().ok()?)));
            let (name, number) = parsed.with_context(|| format!("`{line}` is no figure"))?;
            self.note(name, number);
        }
        Ok(())
    }

    /// Adds one figure.
    pub(crate) fn note(&mut self, name: &str, number: f64) {
        self.0.entry(name.to_owned()).or_default().push(number);
    }

    /// The median of a figure.
    pub(crate) fn of(&self, name: &str) -> f64 {
        self.0.get(name).map_or(f64::NAN, |runs| median(runs))
    }

    /// The median of what two figures are to each other in each run.
    pub(crate) fn ratio(&self, over: &str, under: &str) -> f64 {
        self.of_both(over, under, |over, under| over / under)
    }

    /// The median of the product of two figures in each run.
    pub(crate) fn product(&self, one: &str, other: &str) -> f64 {
        self.of_both(one, other, |one, other| one * other)
    }

    fn of_both(&self, one: &str, other: &str, both: impl Fn(f64, f64) -> f64) -> f64 {
        let of = |name| self.0.get(name).map_or(&[][..], Vec::as_slice);
        let runs = of(one).iter().zip(of(other));
        let runs: Vec<f64> = runs.map(|(one, other)| both(*one, *other)).collect();
        median(&runs)
    }
}
