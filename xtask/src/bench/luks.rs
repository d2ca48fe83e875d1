//! The comparisons for encrypted volumes: what encrypting costs on the way out, what it costs
//! afterwards, what a keyslot costs, and how fast the cipher is.
//!
//! - [`cipher`]: our XTS beside OpenSSL's
//!
//! Volumes are made of a staged tree, so that plain and encrypted do the same work but for the one
//! thing that is asked; no clones, which a sealed plan cannot use. Except where it says
//! otherwise a keyslot costs next to nothing on all sides: derivation has a table of its own.

mod cipher;

use std::path::PathBuf;

use super::measure::{Contender, Sample};
use super::table::{self, Comparison, Measured};
use super::verdict::{self, Verdict, at_least, at_most};
use super::{Error, How, build_calve, peers, report, stage};
use crate::{fixture, program, repo};

const PLAIN: &str = "calve, plain";
const SEALED: &str = "calve, LUKS2";
const DEAR: &str = "calve, LUKS2, argon2id by default";
const AFTERWARDS: &str = "mke2fs -d, cryptsetup reencrypt";
const FSTOOL: &str = "fstool --encrypt";

/// What others do for a minute between two rounds must not cost whoever comes next a cold cache, or memory that a
/// virtual machine has given back meanwhile; not counted.
const WARM: &str = r#"find "$TREE" -type f -exec cat {} + >/dev/null
head -c 3G /dev/zero >"$DIR/warm"; rm "$DIR/warm""#;

const PLAIN_SCRIPT: &str = r#""$EXT4" "$TREE" "$OUT" 3G --no-clone"#;
const SEALED_SCRIPT: &str = r#""$EXT4" "$TREE" "$OUT" 3G --luks-quick "$KEY""#;
const DEAR_SCRIPT: &str = r#""$EXT4" "$TREE" "$OUT" 3G --luks "$KEY""#;
const AFTERWARDS_SCRIPT: &str = r#"mke2fs -q -F -t ext4 -E lazy_itable_init=0,lazy_journal_init=0 -d "$TREE" "$OUT" 3G
truncate -s +32M "$OUT"
cryptsetup reencrypt --encrypt --type luks2 --batch-mode --force-offline-reencrypt --reduce-device-size 32M \
  --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --sector-size 512 --key-file "$KEY" "$OUT""#;
const FSTOOL_SCRIPT: &str =
    r#""$FSTOOL" create -t ext4 --encrypt --password-file "$KEY" "$TREE" -o "$OUT" --size 3GiB"#;

/// A volume whose only keyslot costs what a profile's does by default; not counted. Made by calve, as
/// cryptsetup writes down no more lanes than its machine has processors.
const FORMAT: &str = r#"mkdir "$DIR/empty"; "$EXT4" "$DIR/empty" "$DIR/volume" 16M --luks "$KEY""#;
const OPEN: &str = "cryptsetup open --test-passphrase";
const CHECK: &str = "calve luks check";
const OPEN_SCRIPT: &str =
    r#"cryptsetup open --test-passphrase --type luks2 --key-file "$KEY" "$DIR/volume"; : >"$OUT""#;
const CHECK_SCRIPT: &str = r#""$CALVE" luks check "$DIR/volume" --key "file:$KEY" >"$OUT""#;

const VOLUME_TITLE: &str = "An encrypted file system from a staged tree";
const KEYSLOT_TITLE: &str = "One keyslot";

/// Measures everything and writes the report.
pub(super) fn run(how: &How) -> Result<String, Error> {
    fixture::build(&["big"])?;
    let env = places()?;
    let rounds = how.rounds.unwrap_or(5);
    let dir = repo::target().join("bench/run");
    let mut report = format!("## Encrypted volumes\n\n{}\n\n", report::circumstances("big")?);
    if how.wants(VOLUME_TITLE) {
        let comparison = volumes(&env);
        let measured = table::measure(&comparison, rounds, &dir)?;
        report.push_str(&format!("{}\n{}\n", measured.table(), volume_promises(&measured)));
    }
    if how.wants(KEYSLOT_TITLE) {
        let comparison = keyslot(&env);
        let measured = table::measure(&comparison, rounds, &dir)?;
        report.push_str(&format!("{}\n{}\n", measured.table(), keyslot_promises(&measured)));
    }
    if how.wants(cipher::TITLE) {
        report.push_str(&cipher::run()?);
    }
    Ok(report)
}

/// Where contenders find their work.
fn places() -> Result<Vec<(&'static str, PathBuf)>, Error> {
    let calve = build_calve()?;
    let mut examples = program::command("cargo");
    examples.args(["build", "--release", "--quiet", "--package=calve-image-core", "--examples"]);
    program::run(&mut examples)?;
    let bench = repo::target().join("bench");
    let store_paths = repo::target().join("fixture/big/store-paths");
    let key = bench.join("key");
    std::fs::create_dir_all(&bench)
        .and_then(|()| std::fs::write(&key, "a passphrase that guards nothing"))
        .map_err(|source| Error::File { what: "write", path: key.clone(), source })?;
    Ok(vec![
        ("CALVE", calve),
        ("EXT4", repo::target().join("release/examples/ext4")),
        ("FSTOOL", peers::fstool()?),
        ("TREE", stage::closure(&store_paths, &bench.join("staged"))?),
        ("KEY", key),
    ])
}

fn contender(
    env: &[(&'static str, PathBuf)],
    name: &'static str,
    before: &'static str,
    script: &str,
) -> Contender {
    Contender { name, before, script: script.to_owned(), env: env.to_vec(), ..Contender::default() }
}

fn volumes(env: &[(&'static str, PathBuf)]) -> Comparison {
    let contenders = [
        (PLAIN, PLAIN_SCRIPT),
        (SEALED, SEALED_SCRIPT),
        (DEAR, DEAR_SCRIPT),
        (AFTERWARDS, AFTERWARDS_SCRIPT),
        (FSTOOL, FSTOOL_SCRIPT),
    ];
    let text = "An ext4 of 3 GiB from a directory that somebody staged already, in the clear and in a LUKS2 volume of \
                512-byte sectors. The third row derives its keyslot at the default cost of profiles, fstool at its own; the others at the \
                least that cryptsetup takes."
        .to_owned();
    let make = |(name, script)| contender(env, name, WARM, script);
    Comparison { title: VOLUME_TITLE, text, contenders: contenders.map(make).into() }
}

fn keyslot(env: &[(&'static str, PathBuf)]) -> Comparison {
    let text = "A passphrase tried on a volume with the default costs of profiles: argon2id, 256 MiB, 4 passes, \
                4 lanes. Both rows start a process and read the header."
        .to_owned();
    let contenders = vec![
        contender(env, OPEN, FORMAT, OPEN_SCRIPT),
        contender(env, CHECK, FORMAT, CHECK_SCRIPT),
    ];
    Comparison { title: KEYSLOT_TITLE, text, contenders }
}

/// What one row is to another.
fn ratio(
    measured: &Measured<'_>,
    name: &str,
    to: &str,
    of: impl Fn(&Sample) -> f64 + Copy,
) -> Option<f64> {
    Some(measured.median(name, of)? / measured.median(to, of)?)
}

fn wall(sample: &Sample) -> f64 {
    sample.wall
}

fn volume_promises(measured: &Measured<'_>) -> String {
    let peak = |name| measured.median(name, Sample::peak_mib);
    // The derivation's own memory, or what a plain build takes.
    let most = peak(PLAIN).map(|plain| plain.max(256.0) + 64.0);
    let promises = [
        at_most(
            "encrypted: at most 1.4 × the time of plain".to_owned(),
            1.4,
            ratio(measured, SEALED, PLAIN, wall),
        ),
        most.and_then(|most| {
            let promise = format!("peak memory with argon2id of 256 MiB: at most {most:.0} MiB");
            at_most(promise, most, peak(DEAR))
        }),
        at_least(
            format!("at least 2 × as fast as {AFTERWARDS}"),
            2.0,
            ratio(measured, AFTERWARDS, SEALED, wall),
        ),
        at_least(
            format!("at least 2 × as fast as {FSTOOL}, keyslot counted"),
            2.0,
            ratio(measured, FSTOOL, DEAR, wall),
        ),
    ];
    table(promises)
}

fn keyslot_promises(measured: &Measured<'_>) -> String {
    let promise = "a keyslot: at most 1.5 × the time of cryptsetup".to_owned();
    table([at_most(promise, 1.5, ratio(measured, CHECK, OPEN, wall))])
}

fn table<const N: usize>(promises: [Option<Verdict>; N]) -> String {
    verdict::table(promises.into_iter().flatten())
}
