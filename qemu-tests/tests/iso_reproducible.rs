//! A medium is the same bytes, whoever makes it, where, on how many processors, and whatever the cache
//! held; and everybody's programs read it.
#![allow(missing_docs)]

use std::fs;
use std::path::Path;
use std::process::Command;

use calve_qemu_tests::{Error, Images, Sample, VARIATIONS, Variation};

/// How it is compressed, and how many of the variations are tried: who works is the same for all.
const KINDS: [(&str, usize); 5] =
    [("zstd:fast", VARIATIONS.len()), ("xz:fast", 2), ("gzip:fast", 2), ("lz4", 2), ("none", 2)];

#[test]
fn every_build_gives_the_same_bytes() -> Result<(), Error> {
    let Some(images) = Images::new("iso-reproducible", Sample::LiveMini)? else { return Ok(()) };
    let calve = images.calve_for_anyone()?;
    for (compression, count) in KINDS {
        let cache = images.scratch().join("cache");
        let build = |variation: &Variation| {
            let directory = images.directory(&format!("{compression} with {}", variation.name))?;
            let words = ["--compress", compression, "-o", "live.iso"];
            let mut command = variation.command(&images, &calve, "iso", &words);
            images.expect(command.current_dir(&directory))?;
            Ok::<_, Error>(directory.join("live.iso"))
        };
        let first = build(&Variation::FIRST)?;
        for variation in VARIATIONS.iter().take(count).filter(|one| one.is_possible()) {
            let other = build(variation)?;
            images.expect(Command::new("cmp").args([&first, &other]))?;
            fs::remove_file(other)?;
        }
        is_readable(&images, &first)?;
        fs::remove_file(first)?;
        // What is not compressed is not kept.
        if cache.exists() {
            fs::remove_dir_all(cache)?;
        }
    }
    Ok(())
}

/// Lets `xorriso` take the store out of the medium, and `unsquashfs` the files out of that.
fn is_readable(images: &Images, iso: &Path) -> Result<(), Error> {
    let out = images.directory("taken out")?;
    let (squashfs, store) = (out.join("nix-store.squashfs"), out.join("store"));
    let mut xorriso = Command::new("xorriso");
    xorriso.args(["-osirrox", "on", "-indev"]).arg(iso).args(["-extract", "/nix-store.squashfs"]);
    images.expect(xorriso.arg(&squashfs))?;
    images.expect(
        Command::new("unsquashfs")
            .arg("-quiet")
            .arg("-no-progress")
            .arg("-d")
            .arg(&store)
            .arg(&squashfs),
    )?;
    for path in images.store_paths()? {
        let name = path.trim_start_matches("/nix/store/");
        images.expect(
            Command::new("diff").args(["-r", "--no-dereference", &path]).arg(store.join(name)),
        )?;
    }
    let registration = store.join("nix-path-registration");
    assert!(fs::read(&registration)?.starts_with(b"/nix/store/"));
    Ok(fs::remove_dir_all(out)?)
}
