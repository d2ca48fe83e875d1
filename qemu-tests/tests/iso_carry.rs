//! A closure that rides along is registered, and real Nix copies it to a blank disk without a network.
#![allow(missing_docs)]

use std::fs::File;

use calve_machine::{Disk, Machine};
use calve_qemu_tests::{Error, Images, Menu, Sample, Scenario, cd};

#[test]
fn a_carried_system_is_installed_without_a_network() -> Result<(), Error> {
    let Some(scenario) = Scenario::new("iso-carry", Sample::Installer)? else { return Ok(()) };
    let images = scenario.images();
    let carried = Images::closure_info(Sample::Mini);
    let system = carried.join("system").canonicalize()?;
    let system = system.display();
    let iso = images.scratch().join("install.iso");
    // The samples' folders are closureInfos, so each brings its own registration.
    let (own, carried_path) = (Images::closure_info(Sample::Installer), carried.display());
    images.calve(&[
        "build".to_owned(),
        "iso".to_owned(),
        own.display().to_string(),
        format!("--carry={carried_path}"),
        "--compress=zstd:fast".to_owned(),
        format!("--output={}", iso.display()),
    ])?;
    let blank = images.scratch().join("blank.raw");
    File::create_new(&blank)?.set_len(1 << 30)?;

    let machine = scenario.bios_machine(cd(&iso)?);
    let machine = Machine { disks: vec![cd(&iso)?, Disk::open(&blank)?], ..machine };
    let mut guest = scenario.start_by_menu(&machine, Menu::Grub, 0)?;
    guest.all_units_up()?;
    assert_eq!(guest.run("ls /sys/class/net")?, "lo");
    let references = guest.run(&format!("nix-store -qR {system} | LC_ALL=C sort"))?;
    let paths = std::fs::read_to_string(carried.join("store-paths"))?;
    assert_eq!(references, paths.trim_end());

    guest.run("mkfs.ext4 -q /dev/vda && mount /dev/vda /mnt")?;
    guest.run(&format!("nix copy --no-check-sigs --to /mnt {system}"))?;
    let profile = "/mnt/nix/var/nix/profiles";
    guest.run(&format!(
        "mkdir -p {profile} && nix-env --store /mnt -p {profile}/system --set {system}"
    ))?;
    guest.run("nix-store --store /mnt --verify --check-contents")?;
    let there = guest.run("ls -d /mnt/nix/store/*-* | sed s,/mnt,, | LC_ALL=C sort")?;
    assert_eq!(there, paths.trim_end());
    assert_eq!(guest.run(&format!("readlink {profile}/system-1-link"))?, system.to_string());
    guest.run("umount /mnt")?;
    guest.power_off()
}
