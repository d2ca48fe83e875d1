//! What is promised of media: each is calve held against another row of the same table.

use super::{COLD, COPIES, Level, PEER, REBUILD, WITHOUT_CACHE};
use crate::bench::measure::Sample;
use crate::bench::table::Measured;
use crate::bench::verdict::{self, Verdict, at_least, at_most};

/// What is promised of a level.
#[derive(Debug, Clone, Copy)]
pub(super) enum Promise {
    /// A first build, filling the cache, takes at most 1.1 times as long as the peer.
    FirstBuild,
    /// Without a cache it takes no longer.
    WithoutCache,
    /// A rebuild is 20 times as fast as the peer.
    Rebuild,
    /// A rebuild is no slower than copying its output twice.
    RebuildLikeCopies,
    /// A first build takes less than 400 MiB.
    Memory,
    /// The medium is at most 3 % larger.
    Size,
}

/// Writes the promises of a level and whether they were kept in this run.
pub(super) fn table(level: &Level, measured: &Measured<'_>) -> String {
    verdict::table(level.promises.iter().filter_map(|promise| promise.verdict(measured)))
}

impl Promise {
    fn verdict(self, measured: &Measured<'_>) -> Option<Verdict> {
        let wall = |sample: &Sample| sample.wall;
        let ratio = |name: &str, to: &str, of: fn(&Sample) -> f64| {
            Some(measured.median(name, of)? / measured.median(to, of)?)
        };
        match self {
            Self::FirstBuild => at_most(
                "first build, cache filled: at most 1.1 × the time".to_owned(),
                1.1,
                ratio(COLD, PEER, wall),
            ),
            Self::WithoutCache => at_most(
                "first build, `--no-cache`: at most 1 × the time".to_owned(),
                1.0,
                ratio(WITHOUT_CACHE, PEER, wall),
            ),
            Self::Rebuild => at_least(
                "rebuild: at least 20 × as fast".to_owned(),
                20.0,
                ratio(REBUILD, PEER, wall).map(f64::recip),
            ),
            Self::RebuildLikeCopies => at_most(
                "rebuild: at most 1 × the time of copying it twice".to_owned(),
                1.0,
                ratio(REBUILD, COPIES, wall),
            ),
            Self::Memory => at_most(
                "peak memory of a first build: under 400 MiB".to_owned(),
                400.0,
                measured.median(COLD, Sample::peak_mib),
            ),
            Self::Size => at_most(
                "size: at most 1.03 ×".to_owned(),
                1.03,
                ratio(COLD, PEER, Sample::output_mib),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LEVELS, compare};
    use super::*;

    /// Verdicts of a level; seconds, MiB of memory and of output for the peer and for calve.
    fn verdicts(level: usize, rebuild: f64, cold: (f64, u64, u64)) -> String {
        let comparison = compare(&LEVELS[level], 1, &[]);
        let sample = |(wall, peak, output): (f64, u64, u64)| {
            vec![Sample { wall, cpu: wall, peak: peak << 10, allocated: output << 20 }]
        };
        let samples = comparison.contenders.iter().map(|contender| match contender.name {
            PEER => sample((100.0, 700, 200)),
            COLD => sample(cold),
            REBUILD => sample((rebuild, 1, 200)),
            WITHOUT_CACHE => sample((100.0, 1, 200)),
            _ => sample((4.0, 1, 200)),
        });
        table(&LEVELS[level], &Measured { comparison: &comparison, samples: samples.collect() })
    }

    #[test]
    fn a_promise_is_kept_up_to_its_limit() {
        for (level, rebuild) in [(0, 4.0), (1, 5.0)] {
            let kept = verdicts(level, rebuild, (110.0, 400, 206));
            let count = (kept.matches("| pass |").count(), kept.matches("miss").count());
            assert_eq!(count, (5, 0), "{kept}");
        }
    }

    #[test]
    fn what_is_beyond_a_limit_is_a_miss() {
        for (level, rebuild) in [(0, 4.1), (1, 5.1)] {
            let missed = verdicts(level, rebuild, (111.0, 401, 207));
            let count = (missed.matches("| pass |").count(), missed.matches("miss").count());
            assert_eq!(count, (1, 4), "{missed}");
        }
    }
}
