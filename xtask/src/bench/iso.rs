//! The comparison for installation media: what `mksquashfs` and `xorriso` take, called as nixpkgs calls
//! them, what calve takes for the same store paths, and what a rebuild takes once the cache holds what
//! did not change.
//!
//! - [`promise`]: promises beside figures
//!
//! `mksquashfs` uses all processors, as in nixpkgs. Its rows make the EFI image too, of the same kernel
//! and initrd: calve does, and a medium that starts nothing is none.

mod promise;

use std::path::PathBuf;

use promise::Promise;

use super::measure::Contender;
use super::table::{self, Comparison};
use super::{Error, How, build_calve, report};
use crate::{fixture, repo};

/// Arguments of `cargo xtask bench iso`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) how: How,
    /// The sample system on the medium; a small one is for trying the benchmark itself.
    #[arg(long, default_value = "big-live")]
    variant: String,
}

/// One level of the compressor.
#[derive(Debug)]
struct Level {
    /// Heading, and what `--only` is held against.
    title: &'static str,
    /// As both programs count it.
    number: u8,
    /// How often, unless the user says.
    rounds: usize,
    /// What is promised.
    promises: &'static [Promise],
}

/// In the order of the report. The slow level runs once: its work is minutes of the same loop.
const LEVELS: [Level; 2] = [
    Level {
        title: "ISO at zstd 3",
        number: 3,
        rounds: 5,
        promises: &[
            Promise::FirstBuild,
            Promise::WithoutCache,
            Promise::RebuildLikeCopies,
            Promise::Memory,
            Promise::Size,
        ],
    },
    Level {
        title: "ISO at zstd 19",
        number: 19,
        rounds: 1,
        promises: &[
            Promise::FirstBuild,
            Promise::WithoutCache,
            Promise::Rebuild,
            Promise::Memory,
            Promise::Size,
        ],
    },
];

/// The EFI image as calve makes it of a closure without GRUB, the store as nixpkgs'
/// `make-squashfs.nix` makes it, the medium as its `make-iso9660-image.nix` does.
const PEER_SCRIPT: &str = r#"ISO="$DIR/iso"; EFI="$ISO/boot/efi.img"; mkdir -p "$ISO/boot"
truncate -s 64M "$EFI"
mkfs.fat -F 32 -n EFIBOOT "$EFI" >"$DIR/log"
mmd -i "$EFI" ::/EFI ::/EFI/BOOT ::/EFI/nixos ::/loader ::/loader/entries
mcopy -i "$EFI" "$CLOSURE/system/systemd/lib/systemd/boot/efi/systemd-bootx64.efi" ::/EFI/BOOT/BOOTX64.EFI
mcopy -i "$EFI" "$CLOSURE/system/kernel" ::/EFI/nixos/kernel.efi
mcopy -i "$EFI" "$CLOSURE/system/initrd" ::/EFI/nixos/initrd.efi
cp "$CLOSURE/registration" "$DIR/nix-path-registration"
mksquashfs "$DIR/nix-path-registration" $(cat "$CLOSURE/store-paths") "$ISO/nix-store.squashfs" -no-hardlinks \
  -keep-as-directory -all-root -root-mode 0755 -b 1048576 -comp zstd -Xcompression-level "$LEVEL" \
  -processors "$(nproc)" -no-progress >"$DIR/log"
xorriso -as mkisofs -quiet -iso-level 3 -volid nixos -appid nixos -publisher nixos -full-iso9660-filenames -joliet -r \
  -e boot/efi.img -no-emul-boot -isohybrid-gpt-basdat -o "$OUT" "$ISO" 2>"$DIR/log""#;
/// From a registration file, so that neither side asks Nix.
const FIRST: &str = r#""$CALVE" build iso "$CLOSURE/system" --registration "$CLOSURE/registration" --compress "zstd:$LEVEL" -o "$OUT""#;
const CHANGED: &str = r#""$CALVE" build iso "$CHANGED/system" --registration "$CHANGED/registration" --compress "zstd:$LEVEL" -o "$OUT""#;
/// Somewhere to copy from, not counted.
const ONE_ISO: &str = r#""$CALVE" build iso "$CLOSURE/system" --registration "$CLOSURE/registration" --compress "zstd:$LEVEL" -o "$DIR/one.iso""#;
const COPY_TWICE: &str = r#"cp --reflink=never "$DIR/one.iso" "$OUT"; cp --reflink=never "$DIR/one.iso" "$DIR/second.iso""#;

// As the tables call the contenders.
const PEER: &str = "mksquashfs, xorriso";
const WITHOUT_CACHE: &str = "calve --no-cache";
const COLD: &str = "calve, empty cache";
const WARM: &str = "calve, same system again";
const REBUILD: &str = "calve, one option changed";
const COPIES: &str = "cp of the ISO, twice";

/// What holds for every table.
const TEXT: &str = "Both sides pack the same store paths with blocks of 1 MiB, and put kernel and initrd into an EFI image. One option \
                    changed: a service was enabled and ten store paths were rebuilt. The first row packs the unchanged system, whatever it \
                    is compared with: it knows no rebuild.";

/// Measures everything and writes the report.
pub(super) fn run(args: &Args) -> Result<String, Error> {
    let variant = args.variant.as_str();
    fixture::build(&[variant])?;
    fixture::build_changed(&[variant])?;
    let fixtures = repo::target().join("fixture");
    let bench = repo::target().join("bench");
    let env = vec![
        ("CALVE", build_calve()?),
        ("CLOSURE", fixtures.join(variant)),
        ("CHANGED", fixtures.join(format!("{variant}-changed"))),
        ("CALVE_CACHE", bench.join("cache")),
    ];
    let mut report =
        format!("## Installation media\n\n{}\n{TEXT}\n\n", report::circumstances(variant)?);
    for level in LEVELS.iter().filter(|level| args.how.wants(level.title)) {
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

/// The peer, calve in the states that a cache can be in, and copying. Their order matters: an empty
/// cache is filled for those after it.
fn compare(level: &Level, rounds: usize, env: &[(&'static str, PathBuf)]) -> Comparison {
    let mut env = env.to_vec();
    env.push(("LEVEL", level.number.to_string().into()));
    let contender = |name, before, script: &str| Contender {
        name,
        before,
        script: script.to_owned(),
        env: env.clone(),
        ..Contender::default()
    };
    let contenders = vec![
        contender(PEER, "", PEER_SCRIPT),
        contender(WITHOUT_CACHE, "", &format!("{FIRST} --no-cache")),
        contender(COLD, r#"rm -rf "$CALVE_CACHE""#, FIRST),
        contender(WARM, "", FIRST),
        contender(REBUILD, "", CHANGED),
        contender(COPIES, ONE_ISO, COPY_TWICE),
    ];
    let build = format!("`calve build iso --compress zstd:{}`", level.number);
    let text = match rounds {
        1 => format!("{build}. One round."),
        _ => format!("{build}. {rounds} rounds."),
    };
    Comparison { title: level.title, text, contenders }
}
