//! The comparisons for compressed archives: what `tar | zstd` and its kin take, what calve takes for
//! the same store paths, and what a rebuild takes once the cache holds what did not change.
//!
//! - [`level`]: the compressors and levels, and what is promised of each
//! - [`promise`]: promises beside figures

mod level;
mod promise;

use std::path::PathBuf;

use level::Level;

use super::measure::Contender;
use super::table::{self, Comparison};
use super::{Error, How, build_calve, report};
use crate::{fixture, repo};

/// Arguments of `cargo xtask bench archive`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) how: How,
    /// The sample system that is archived; a small one is for trying the benchmark itself.
    #[arg(long, default_value = "big")]
    variant: String,
}

/// What both sides read, in the same order, and as NARs have it: a substituted store path has no hard
/// links, while Debian's packages bring some.
const TAR: &str = r#"tar --sort=name --numeric-owner --hard-dereference -cf - -C / --files-from=<(sed s,^/,, "$CLOSURE/store-paths")"#;
/// From a registration file, so that neither side asks Nix.
const FIRST: &str = r#""$CLOSURE/system" --registration "$CLOSURE/registration" -o "$OUT""#;
const CHANGED: &str = r#""$CHANGED/system" --registration "$CHANGED/registration" -o "$OUT""#;

// As the tables call calve's contenders.
const WITHOUT_CACHE: &str = "calve --no-cache";
const COLD: &str = "calve, empty cache";
const WARM: &str = "calve, same system again";
const REBUILD: &str = "calve, one option changed";

/// Measures everything and writes the report.
pub(super) fn run(args: &Args) -> Result<String, Error> {
    let variant = args.variant.as_str();
    fixture::build(&[variant])?;
    fixture::build_changed(&[variant])?;
    let target = repo::target();
    let fixtures = target.join("fixture");
    let bench = target.join("bench");
    let env = vec![
        ("CALVE", build_calve()?),
        ("CLOSURE", fixtures.join(variant)),
        ("CHANGED", fixtures.join(format!("{variant}-changed"))),
        ("CALVE_CACHE", bench.join("cache")),
    ];
    let mut report = format!("## Archives\n\n{}\n{TEXT}\n\n", report::circumstances(variant)?);
    for level in level::LEVELS.iter().filter(|level| args.how.wants(level.title)) {
        let rounds = args.how.rounds.unwrap_or(level.rounds);
        let comparison = compare(level, rounds, &env);
        let measured = table::measure(&comparison, rounds, &bench.join("run"))?;
        report.push_str(&measured.table());
        report.push('\n');
        report.push_str(&promise::table(level, &measured));
        report.push('\n');
    }
    Ok(report)
}

/// What holds for every table.
const TEXT: &str = "One option changed: a service was enabled and ten store paths were rebuilt (its package, settings, script and unit, \
                    `etc`, `sw`, the toplevels). calve's archives hold the Nix database besides. The first row packs the unchanged system, \
                    whatever it is compared with: a pipeline knows no rebuild.";

/// The pipeline, and calve in the states that a cache can be in. Their order matters: an empty cache
/// is filled for the two after it.
fn compare(level: &Level, rounds: usize, env: &[(&'static str, PathBuf)]) -> Comparison {
    let contender = |name, before, script: String| Contender {
        name,
        before,
        script,
        env: env.to_vec(),
        ..Contender::default()
    };
    let calve = |system: &str| format!(r#""$CALVE" {} {system}"#, level.build);
    let compressor = level.compressor();
    let mut contenders =
        vec![contender(level.pipeline, "", format!(r#"{TAR} | {compressor} >"$OUT""#))];
    if level.without_cache {
        contenders.push(contender(WITHOUT_CACHE, "", calve(FIRST) + " --no-cache"));
    }
    contenders.push(contender(COLD, r#"rm -rf "$CALVE_CACHE""#, calve(FIRST)));
    contenders.push(contender(WARM, "", calve(FIRST)));
    contenders.push(contender(REBUILD, "", calve(CHANGED)));
    let text = match rounds {
        1 => format!("`calve {}`. One round.", level.build),
        _ => format!("`calve {}`. {rounds} rounds.", level.build),
    };
    Comparison { title: level.title, text, contenders }
}
