//! Rounds into medians and ratios, as Markdown.

use std::fmt::Write;
use std::path::Path;

use super::Error;
use super::measure::{self, Contender, Sample};
use crate::program::say;

/// One comparison: contenders that do the same work, the first of which the others are held to.
#[derive(Debug)]
pub(super) struct Comparison {
    /// Heading in the report.
    pub(super) title: &'static str,
    /// What is done to what, and what is being asked.
    pub(super) text: String,
    /// The first is the measure of the ratios.
    pub(super) contenders: Vec<Contender>,
}

/// A comparison, and what every round of every contender cost.
#[derive(Debug)]
pub(super) struct Measured<'a> {
    /// What was compared.
    pub(super) comparison: &'a Comparison,
    /// The rounds of each contender.
    pub(super) samples: Vec<Vec<Sample>>,
}

/// Runs all rounds of a comparison below `dir` and writes its table.
pub(super) fn run(comparison: &Comparison, rounds: usize, dir: &Path) -> Result<String, Error> {
    Ok(measure(comparison, rounds, dir)?.table())
}

/// Runs all rounds of a comparison below `dir`.
pub(super) fn measure<'a>(
    comparison: &'a Comparison,
    rounds: usize,
    dir: &Path,
) -> Result<Measured<'a>, Error> {
    let mut samples: Vec<Vec<Sample>> = comparison.contenders.iter().map(|_| Vec::new()).collect();
    for round in 1..=rounds {
        say(&format!("{}: round {round} of {rounds}", comparison.title));
        for (contender, samples) in comparison.contenders.iter().zip(&mut samples) {
            samples.push(measure::sample(contender, dir, round)?);
        }
    }
    Ok(Measured { comparison, samples })
}

impl Measured<'_> {
    /// Returns what a contender cost in the middle of its rounds.
    pub(super) fn median(&self, name: &str, of: impl Fn(&Sample) -> f64) -> Option<f64> {
        let index =
            self.comparison.contenders.iter().position(|contender| contender.name == name)?;
        Some(median(self.samples.get(index)?, of))
    }

    /// Writes the table.
    pub(super) fn table(&self) -> String {
        render(self.comparison, &self.samples)
    }
}

fn render(comparison: &Comparison, samples: &[Vec<Sample>]) -> String {
    let cell = |name: &str| name.replace('|', "\\|");
    let first = cell(comparison.contenders[0].name);
    let mut text = format!("### {}\n\n{}\n\n", comparison.title, comparison.text);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "| | wall s (min–max) | ÷ {first} | CPU s | peak MiB | output MiB |");
    let _ = writeln!(text, "|---|---|---|---|---|---|");
    let measure = median(&samples[0], |sample| sample.wall);
    for (contender, samples) in comparison.contenders.iter().zip(samples) {
        let wall = median(samples, |sample| sample.wall);
        let walls = samples.iter().map(|sample| sample.wall);
        let (min, max) = (walls.clone().fold(f64::INFINITY, f64::min), walls.fold(0.0, f64::max));
        let cpu = median(samples, |sample| sample.cpu);
        let peak = median(samples, Sample::peak_mib);
        let allocated = median(samples, Sample::output_mib);
        let ratio = wall / measure;
        let name = cell(contender.name);
        let _ = writeln!(
            text,
            "| {name} | {wall:.2} ({min:.2}–{max:.2}) | {ratio:.2} | {cpu:.2} | {peak:.0} | {allocated:.0} |"
        );
    }
    text
}

fn median(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}
