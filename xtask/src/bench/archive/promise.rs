//! Promises beside figures: each is calve held against the pipeline of the same table.

use super::level::Level;
use super::{COLD, REBUILD, WITHOUT_CACHE};
use crate::bench::measure::Sample;
use crate::bench::table::Measured;
use crate::bench::verdict::{self, Verdict, at_least, at_most};

/// What is promised of a level.
#[derive(Debug, Clone, Copy)]
pub(super) enum Promise {
    /// A first build takes at most 1.1 times as long.
    FirstBuild,
    /// The archive is at most a twentieth larger.
    Size,
    /// A rebuild is so many times as fast.
    Rebuild { faster: f64 },
    /// A first build on two cores is so many times as fast.
    TwoCores { faster: f64 },
    /// A first build takes less memory, with two threads.
    Memory { mib: f64 },
}

/// Writes the promises of a level and whether they were kept in this run.
pub(super) fn table(level: &Level, measured: &Measured<'_>) -> String {
    verdict::table(level.promises.iter().flat_map(|promise| promise.verdicts(level, measured)))
}

impl Promise {
    /// Holds the promise against what was measured; contenders that did not run say nothing.
    fn verdicts(self, level: &Level, measured: &Measured<'_>) -> Vec<Verdict> {
        let ratio = |name: &str, of: fn(&Sample) -> f64| {
            Some(measured.median(name, of)? / measured.median(level.pipeline, of)?)
        };
        let wall = |sample: &Sample| sample.wall;
        let faster = |what: &str, times: f64, name: &str| {
            let promise = format!("{what}: at least {times} × as fast");
            at_least(promise, times, ratio(name, wall).map(f64::recip))
        };
        let verdicts = match self {
            Self::FirstBuild => vec![
                at_most("first build: at most 1.1 × the time".to_owned(), 1.1, ratio(COLD, wall)),
                at_most(
                    "first build, `--no-cache`: at most 1.1 × the time".to_owned(),
                    1.1,
                    ratio(WITHOUT_CACHE, wall),
                ),
            ],
            Self::Size => vec![at_most(
                "size: at most 1.05 ×".to_owned(),
                1.05,
                ratio(COLD, Sample::output_mib),
            )],
            Self::Rebuild { faster: times } => vec![faster("rebuild", times, REBUILD)],
            Self::TwoCores { faster: times } => vec![
                faster("first build on two cores", times, COLD),
                faster("first build on two cores, `--no-cache`", times, WITHOUT_CACHE),
            ],
            Self::Memory { mib } => vec![at_most(
                format!("peak memory with two threads: under {mib} MiB"),
                mib,
                measured.median(COLD, Sample::peak_mib),
            )],
        };
        verdicts.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::level::LEVELS;
    use super::*;

    /// The promises of xz: what the pipeline took, and what calve did. Seconds, MiB of memory, MiB of output.
    fn verdicts(pipeline: (f64, u64, u64), cold: (f64, u64, u64), rebuild: f64) -> String {
        let level = &LEVELS[3];
        let comparison = super::super::compare(level, 1, &[]);
        let sample = |(wall, peak, output): (f64, u64, u64)| {
            vec![Sample { wall, cpu: wall, peak: peak << 10, allocated: output << 20 }]
        };
        let samples = comparison.contenders.iter().map(|contender| match contender.name {
            COLD => sample(cold),
            REBUILD => sample((rebuild, 1, 1)),
            name if name == level.pipeline => sample(pipeline),
            _ => sample((1.0, 1, 1)),
        });
        table(level, &Measured { comparison: &comparison, samples: samples.collect() })
    }

    #[test]
    fn a_promise_is_kept_up_to_its_limit() {
        let kept = verdicts((100.0, 1, 200), (110.0, 400, 210), 10.0);
        assert_eq!(
            (kept.matches("| pass |").count(), kept.matches("miss").count()),
            (4, 0),
            "{kept}"
        );
    }

    #[test]
    fn what_is_beyond_a_limit_is_a_miss() {
        let missed = verdicts((100.0, 1, 200), (111.0, 401, 211), 10.1);
        assert_eq!(
            (missed.matches("| pass |").count(), missed.matches("miss").count()),
            (0, 4),
            "{missed}"
        );
        assert!(missed.contains("| 1.11 |") && missed.contains("| 401.00 |"), "{missed}");
        assert!(missed.contains("| 9.90 |"), "{missed}");
    }
}
