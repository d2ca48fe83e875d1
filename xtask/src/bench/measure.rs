//! One run of one contender.
//!
//! A contender is a line of shell, because that is what a user would type and what a reader can
//! check. GNU time counts processor time and the peak memory of the largest process in it; wall time
//! is taken around the whole, `sync -f` included, so that nobody wins by leaving work to the kernel.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Error;
use crate::program;

/// One way of doing the work.
#[derive(Debug, Clone, Default)]
pub(super) struct Contender {
    /// As the table calls it.
    pub(super) name: &'static str,
    /// Shell that runs before, and is not counted.
    pub(super) before: &'static str,
    /// Shell; writes the file `$OUT`, works in `$DIR`.
    pub(super) script: String,
    /// Shell that runs after, however that ended, and is not counted.
    pub(super) after: &'static str,
    /// Values the script uses, by name.
    pub(super) env: Vec<(&'static str, PathBuf)>,
}

/// What one run cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Seconds from start to `sync`.
    pub(super) wall: f64,
    /// Seconds of processor, user and system.
    pub(super) cpu: f64,
    /// Peak resident set of the largest process, KiB.
    pub(super) peak: u64,
    /// Bytes allocated by the output.
    pub(super) allocated: u64,
}

impl Sample {
    /// The peak resident set in MiB.
    pub(super) fn peak_mib(&self) -> f64 {
        float(self.peak) / 1024.0
    }

    /// The size of the output in MiB.
    pub(super) fn output_mib(&self) -> f64 {
        float(self.allocated) / 1_048_576.0
    }
}

/// Runs a contender in a directory that is emptied before and after.
pub(super) fn sample(contender: &Contender, dir: &Path, round: usize) -> Result<Sample, Error> {
    empty(dir)?;
    let (out, cost) = (dir.join("out"), dir.join("cost"));
    let shell = |script: &str| {
        let mut command = program::command("bash");
        command.args(["-o", "pipefail", "-euc", script]);
        command.env("SCRIPT", &contender.script).env("OUT", &out).env("DIR", dir);
        command.env("COST", &cost).envs(contender.env.iter().map(|(name, value)| (*name, value)));
        program::read(&mut command).map_err(|error| Error::Contender {
            contender: contender.name.to_owned(),
            round,
            said: error.to_string(),
        })
    };
    shell(contender.before)?;
    program::run(&mut program::command("sync"))?;
    let start = Instant::now();
    let run = shell(
        r#"/usr/bin/time -f "%U %S %M" -o "$COST" bash -o pipefail -euc "$SCRIPT"; sync -f "$OUT""#,
    );
    let wall = start.elapsed().as_secs_f64();
    let after = shell(contender.after);
    run.and(after)?;
    let cost = std::fs::read_to_string(&cost).unwrap_or_default();
    let mut fields = cost.lines().last().unwrap_or_default().split(' ');
    let mut field =
        || fields.next().and_then(|field| field.parse::<f64>().ok()).unwrap_or(f64::NAN);
    let (user, system, peak) = (field(), field(), field());
    let sample = Sample { wall, cpu: user + system, peak: whole(peak), allocated: allocated(&out) };
    empty(dir)?;
    Ok(sample)
}

fn allocated(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    path.metadata().map_or(0, |meta| meta.blocks() * 512)
}

fn empty(dir: &Path) -> Result<(), Error> {
    let error = |what| move |source| Error::File { what, path: dir.to_path_buf(), source };
    if dir.exists() {
        std::fs::remove_dir_all(dir).map_err(error("empty"))?;
    }
    std::fs::create_dir_all(dir).map_err(error("create"))
}

/// A whole number that another program printed.
#[allow(clippy::as_conversions, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(number: f64) -> u64 {
    if number.is_finite() { number as u64 } else { 0 }
}

/// Counts below 2^52 are exact.
#[allow(clippy::as_conversions, clippy::cast_precision_loss)]
fn float(count: u64) -> f64 {
    count as f64
}
