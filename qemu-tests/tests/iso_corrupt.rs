//! A byte of the store that changed on the way to the medium is noticed, and what it belongs to is named.
#![allow(missing_docs)]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::Command;

use calve_qemu_tests::{Error, Images, Sample};

/// A file that the medium holds once; the initrd has its own, but compressed.
const BUSYBOX: &str = "bin/busybox";

#[test]
fn a_flipped_byte_is_named() -> Result<(), Error> {
    let Some(images) = Images::new("iso-corrupt", Sample::LiveMini)? else { return Ok(()) };
    // Not compressed, the file's bytes are found where they lie.
    let iso = images.archive("iso", "live.iso", &["--compress", "none"])?;
    let show = ["show", "--verify", &iso.display().to_string()].map(str::to_owned);
    images.calve(&show)?;

    let paths = images.store_paths()?;
    let owner = paths.iter().find(|path| path.contains("-busybox-static-"));
    let owner = owner.expect("the sample has busybox");
    let busybox = fs::read(format!("{owner}/{BUSYBOX}"))?;
    let middle = &busybox[busybox.len() / 2..][..4096];
    let whole = fs::read(&iso)?;
    let place = place_of(&whole, middle).expect("the image holds busybox as it is");
    let file = File::options().write(true).open(&iso)?;
    file.write_all_at(&[whole[place] ^ 1], u64::try_from(place).unwrap_or(u64::MAX))?;

    let mut calve = Command::new(images.calve_bin());
    let output = images.run(calve.args(&show))?;
    let (verdict, said) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{verdict}{said}");
    assert!(verdict.contains("-busybox-static-"), "{verdict}{said}");
    // Another reader finds what calve says it found.
    let store = images.scratch().join("store.squashfs");
    images.expect(
        Command::new("xorriso")
            .args(["-osirrox", "on", "-indev"])
            .arg(&iso)
            .args(["-extract", "/nix-store.squashfs"])
            .arg(&store),
    )?;
    let name = owner.trim_start_matches("/nix/store/");
    let mut read = Command::new("unsquashfs");
    let read = images.run(read.arg("-cat").arg(&store).arg(format!("{name}/{BUSYBOX}")))?;
    assert!(read.stdout != busybox, "unsquashfs still reads the file as it was");
    Ok(())
}

/// Where one text is in another.
fn place_of(whole: &[u8], text: &[u8]) -> Option<usize> {
    let mut starts = (0..=whole.len().checked_sub(text.len())?).filter(|&at| whole[at] == text[0]);
    starts.find(|&at| &whole[at..at + text.len()] == text)
}
