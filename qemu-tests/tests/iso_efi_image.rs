//! A closure without a boot loader of its own gives a medium for UEFI machines alone; and an EFI image
//! that is too large for El Torito to say so, 32 MiB and more, starts from a CD like any other.
#![allow(missing_docs)]

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use calve_qemu_tests::{Error, Guest, Images, Menu, Sample, Scenario, cd, stick};

/// Zeros after an initrd mean nothing to the kernel, and fill an EFI image.
const PADDING: u64 = 100 << 20;

#[test]
fn uefi_starts_it_from_a_stick() -> Result<(), Error> {
    let Some(scenario) = Scenario::new("iso-mini", Sample::LiveMini)? else { return Ok(()) };
    let iso = scenario.images().archive("iso", "live.iso", &["--compress", "gzip:fast"])?;
    let machine = scenario.machine(stick(&iso)?);
    let mut guest = scenario.start_by_menu(&machine, Menu::SystemdBoot, 0)?;
    is_mini(&mut guest)?;
    guest.power_off()
}

#[test]
fn an_efi_image_of_more_than_32_mib_starts_from_a_cd() -> Result<(), Error> {
    let Some(scenario) = Scenario::new("iso-efi-image", Sample::LiveMini)? else { return Ok(()) };
    let images = scenario.images();
    let store = with_padded_initrd(images)?;
    let words = ["--compress", "zstd:fast", "--store", &store.display().to_string()];
    let iso = images.archive("iso", "large.iso", &words)?;
    let mut xorriso = Command::new("xorriso");
    xorriso.arg("-indev").arg(&iso).args(["-report_el_torito", "plain"]);
    let report = images.expect(&mut xorriso)?;
    // Number, platform, bootable, emulation, segment, type, sectors to load, place.
    let image = report.lines().find(|line| line.contains(" UEFI ")).unwrap_or_default();
    assert_eq!(image.split_whitespace().rev().nth(1), Some("0"), "{report}");
    let mut guest = scenario.start_by_menu(&scenario.machine(cd(&iso)?), Menu::SystemdBoot, 0)?;
    is_mini(&mut guest)?;
    guest.power_off()
}

/// Requires what holds of a live system without Nix.
fn is_mini(guest: &mut Guest) -> Result<(), Error> {
    guest.run("grep -q ' /iso iso9660 ro' /proc/mounts && test -s /iso/nix-store.squashfs")?;
    guest.run("touch /nix/store/written && test -e /nix/.rw-store/store/written")?;
    guest.run("test -s /nix/store/nix-path-registration").map(drop)
}

/// A copy of the sample's store whose initrd is longer.
fn with_padded_initrd(images: &Images) -> Result<PathBuf, Error> {
    let root = images.directory("padded")?;
    let store = root.join("nix/store");
    fs::create_dir_all(&store)?;
    images.expect(Command::new("cp").arg("-dR").args(images.store_paths()?).arg(&store))?;
    let initrd = fs::read_link(images.system().join("initrd"))?;
    let initrd = root.join(initrd.strip_prefix("/").unwrap_or(&initrd));
    pad(&initrd)?;
    Ok(root)
}

fn pad(initrd: &Path) -> io::Result<()> {
    let mut padded = fs::read(initrd)?;
    fs::remove_file(initrd)?;
    padded.resize(padded.len() + usize::try_from(PADDING).unwrap_or(usize::MAX), 0);
    File::create_new(initrd)?.write_all(&padded)
}
