//! The levels that are measured: calve's and a pipeline's words for each, and what is promised of it.
//!
//! Rounds are chosen so that the whole benchmark takes about forty minutes on two cores: zstd and xz at
//! their best compress two gigabytes at a few megabytes a second. So only the fastest level has several,
//! and the slow ones none without a cache, whose work the round with an empty cache does too.

use super::promise::Promise;

/// One compressor at one level.
#[derive(Debug)]
pub(super) struct Level {
    /// Heading, and what `--only` is held against.
    pub(super) title: &'static str,
    /// The pipeline as a table calls it; what is behind its bar is run.
    pub(super) pipeline: &'static str,
    /// The words after `calve`.
    pub(super) build: &'static str,
    /// How often, unless the user says.
    pub(super) rounds: usize,
    /// Whether `--no-cache` is measured too.
    pub(super) without_cache: bool,
    /// What is promised.
    pub(super) promises: &'static [Promise],
}

impl Level {
    /// The pipeline's second half.
    pub(super) fn compressor(&self) -> &'static str {
        self.pipeline.rsplit('|').next().unwrap_or_default().trim()
    }
}

/// In the order of the report.
pub(super) const LEVELS: [Level; 5] = [
    Level {
        title: "zstd3",
        pipeline: "tar | zstd -3 -T0",
        build: "build lxc --compress zstd:3",
        rounds: 5,
        without_cache: true,
        promises: &[Promise::FirstBuild, Promise::Size, Promise::Rebuild { faster: 1.0 }],
    },
    Level {
        title: "zstd9",
        pipeline: "tar | zstd -9 -T0",
        build: "build lxc --compress zstd:9",
        rounds: 1,
        without_cache: true,
        promises: &[Promise::FirstBuild, Promise::Size],
    },
    Level {
        title: "zstd19",
        pipeline: "tar | zstd -19 -T0",
        build: "build lxc --compress zstd:19",
        rounds: 1,
        without_cache: false,
        promises: &[Promise::FirstBuild, Promise::Size, Promise::Rebuild { faster: 10.0 }],
    },
    Level {
        title: "xz6",
        pipeline: "tar | xz -6 -T0",
        build: "build lxc --compress xz:6",
        rounds: 1,
        without_cache: false,
        promises: &[
            Promise::FirstBuild,
            Promise::Size,
            Promise::Rebuild { faster: 10.0 },
            Promise::Memory { mib: 400.0 },
        ],
    },
    Level {
        title: "gzip6",
        pipeline: "tar | gzip -6",
        build: "build lxc --compress gzip:6",
        rounds: 1,
        without_cache: true,
        promises: &[Promise::Size, Promise::TwoCores { faster: 1.5 }],
    },
];
