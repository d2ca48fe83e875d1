//! An archive is the same bytes, whoever packs it, where, on how many processors, and whatever the
//! cache held; and everybody's programs read it.
#![allow(missing_docs)]

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use calve_qemu_tests::{Error, Images, Sample, VARIATIONS, Variation};

/// How it is compressed, what the file is called, who judges that, and how many of the variations
/// are tried: xz takes its time, and who works is the same for all of them.
const KINDS: [(&str, &str, &str, usize); 3] = [
    ("zstd:fast", "tar.zst", "zstd", VARIATIONS.len()),
    ("gzip:fast", "tar.gz", "gzip", VARIATIONS.len()),
    ("xz:1", "tar.xz", "xz", 2),
];

#[test]
fn every_packing_gives_the_same_bytes() -> Result<(), Error> {
    let Some(images) = Images::new("archive-reproducible", Sample::Mini)? else { return Ok(()) };
    let calve = images.calve_for_anyone()?;
    for (compression, ending, judge, count) in KINDS {
        let cache = images.scratch().join("cache");
        let build = |variation: &Variation| {
            let directory = images.directory(&format!("{judge} with {}", variation.name))?;
            let words = ["--compress", compression];
            let mut command = variation.command(&images, &calve, "lxc", &words);
            let archive = directory.join(format!("archive.{ending}"));
            command.arg("-o").arg(&archive).current_dir(&directory);
            images.expect(&mut command)?;
            Ok::<_, Error>(archive)
        };
        let first = build(&Variation::FIRST)?;
        for variation in VARIATIONS.iter().take(count).filter(|one| one.is_possible()) {
            same_bytes(&images, &first, &build(variation)?)?;
        }
        let stream = images.scratch().join("stream");
        let mut command = packing(&images, compression);
        command.args(["-o", "-", "--no-cache"]).stdout(File::create(&stream)?);
        images.expect(&mut command)?;
        same_bytes(&images, &first, &stream)?;
        is_readable(&images, judge, &first)?;
        fs::remove_dir_all(cache)?;
    }
    Ok(())
}

#[test]
fn two_builds_at_once_share_a_cache() -> Result<(), Error> {
    let Some(images) = Images::new("archive-at-once", Sample::Mini)? else { return Ok(()) };
    let alone =
        images.archive("lxc", "alone.tar.zst", &["--compress", "zstd:fast", "--no-cache"])?;
    let start = |name: &str| {
        let mut command = packing(&images, "zstd:fast");
        command.args(["--cache", "cache", "-o", name]).current_dir(images.scratch());
        command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn()
    };
    let builds = [start("one.tar.zst")?, start("other.tar.zst")?];
    for build in builds {
        let output = build.wait_with_output()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for name in ["one.tar.zst", "other.tar.zst"] {
        same_bytes(&images, &alone, &images.scratch().join(name))?;
    }
    Ok(())
}

#[test]
fn a_distribution_is_the_same_from_the_cache() -> Result<(), Error> {
    let Some(images) = Images::new("archive-wsl", Sample::Wsl)? else { return Ok(()) };
    let cold = images.archive("wsl", "cold.wsl", &["--compress", "gzip:fast"])?;
    let warm = images.archive("wsl", "warm.wsl", &["--compress", "gzip:fast"])?;
    is_readable(&images, "gzip", &cold)?;
    same_bytes(&images, &cold, &warm)
}

fn packing(images: &Images, compression: &str) -> Command {
    let mut command = Command::new(images.calve_bin());
    command.args(images.arguments_for("lxc")).args(["--compress", compression]);
    command
}

/// Lets the compressor's own program check the file, and two tars list it alike.
fn is_readable(images: &Images, judge: &str, archive: &Path) -> Result<(), Error> {
    // Not by the file's name, which WSL wants to end in .wsl.
    images.expect(Command::new(judge).arg("-t").stdin(File::open(archive)?))?;
    let list = |program: &str| images.expect(Command::new(program).arg("-tf").arg(archive));
    let (gnu, libarchive) = (list("tar")?, list("bsdtar")?);
    assert!(gnu == libarchive, "GNU tar and bsdtar list {} differently", archive.display());
    assert!(gnu.lines().any(|line| line == "etc/NIXOS"), "{gnu}");
    Ok(())
}

fn same_bytes(images: &Images, one: &Path, other: &Path) -> Result<(), Error> {
    images.expect(Command::new("cmp").args([one, other]))?;
    Ok(fs::remove_file(other)?)
}
