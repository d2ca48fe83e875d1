//! The comparison for installing: what `nix copy` takes for a closure over SSH, and what calve takes for it with
//! the same Nix and with a sender of its own.
//!
//! The target is this machine: an sshd on the loopback, and an empty store below a directory. So both ends share
//! the processors, which favours whoever needs fewer of them; a network would favour whoever waits less.
//!
//! - `sshd`: the server

mod sshd;

use std::path::PathBuf;

use sshd::Sshd;

use super::measure::{Contender, Sample};
use super::table::{self, Comparison, Measured};
use super::verdict::{self, at_most};
use super::{Error, How, report};
use crate::{fixture, program, repo};

/// Arguments of `cargo xtask bench install`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) how: How,
    /// The sample system that is copied; a small one is for trying the benchmark itself.
    #[arg(long, default_value = "big")]
    variant: String,
}

const TITLE: &str = "A closure over SSH";

const PLAIN: &str = "nix copy";
const NIX: &str = "calve, with nix copy";
const CALVE: &str = "calve";

/// Both sides connect once, and write into an empty store.
const PLAIN_SCRIPT: &str = r#"nix --extra-experimental-features nix-command copy --no-check-sigs \
  --to "ssh://root@127.0.0.1?remote-store=local%3Froot=$OUT" "$(readlink "$CLOSURE/system")""#;
const NIX_SCRIPT: &str =
    r#""$COPY" "$PORT" "$KEY" "$OUT" "$CLOSURE/system" "$CLOSURE/registration" nix"#;
const CALVE_SCRIPT: &str =
    r#""$COPY" "$PORT" "$KEY" "$OUT" "$CLOSURE/system" "$CLOSURE/registration" calve"#;

/// Nobody comes upon a cold cache, and an installation writes into a new file system: one from which as much was just removed
/// makes everybody wait, because ext4 passes over inodes that were in use a minute ago (`recently_deleted` in
/// fs/ext4/ialloc.c). Not counted.
const BEFORE: &str = r#"find $(cat "$CLOSURE/store-paths") -type f -exec cat {} + >/dev/null
truncate -s 8G "$DIR/disk"; mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 "$DIR/disk"; mkdir "$OUT"
mount -o loop "$DIR/disk" "$OUT""#;

const AFTER: &str = r#"umount "$OUT""#;

/// Measures everything and writes the report.
pub(super) fn run(args: &Args) -> Result<String, Error> {
    let variant = args.variant.as_str();
    fixture::build(&[variant])?;
    let mut example = program::command("cargo");
    example.args(["build", "--release", "--quiet", "--package=calve-installer", "--example=copy"]);
    program::run(&mut example)?;
    let bench = repo::target().join("bench");
    let server = Sshd::start(&bench.join("sshd"))?;
    let env = vec![
        ("CLOSURE", repo::target().join("fixture").join(variant)),
        ("COPY", repo::target().join("release/examples/copy")),
        ("PORT", PathBuf::from(server.port.to_string())),
        ("KEY", server.key()),
        ("NIX_SSHOPTS", PathBuf::from(server.options())),
        ("NIX_CONF_DIR", server.nix_conf()),
    ];
    let rounds = args.how.rounds.unwrap_or(5);
    let mut report = format!("## Installing\n\n{}\n\n", report::circumstances(variant)?);
    if args.how.wants(TITLE) {
        let comparison = compare(&env);
        let measured = table::measure(&comparison, rounds, &bench.join("run"))?;
        report.push_str(&format!("{}\n{}\n", measured.table(), promises(&measured)));
    }
    Ok(report)
}

/// What holds for the table.
const TEXT: &str = "From this machine's store into the empty store of a new ext4, through an sshd on the loopback; connecting is \
                    counted. CPU and memory are the sender's, without sshd and what it runs.";

fn compare(env: &[(&'static str, PathBuf)]) -> Comparison {
    let contender = |name, script: &str| Contender {
        name,
        before: BEFORE,
        script: script.to_owned(),
        after: AFTER,
        env: env.to_vec(),
    };
    let contenders = vec![
        contender(PLAIN, PLAIN_SCRIPT),
        contender(NIX, NIX_SCRIPT),
        contender(CALVE, CALVE_SCRIPT),
    ];
    Comparison { title: TITLE, text: TEXT.to_owned(), contenders }
}

fn promises(measured: &Measured<'_>) -> String {
    let wall = |sample: &Sample| sample.wall;
    let ratio = |name| Some(measured.median(name, wall)? / measured.median(PLAIN, wall)?);
    let promises = [
        at_most("calve: at most 0.9 × the time".to_owned(), 0.9, ratio(CALVE)),
        at_most("calve, with nix copy: at most 1.05 × the time".to_owned(), 1.05, ratio(NIX)),
    ];
    verdict::table(promises.into_iter().flatten())
}
