//! A live system whose closure brings GRUB starts by it, from a CD in a BIOS machine and from a stick in
//! a UEFI machine; the first stage is a script.
#![allow(missing_docs)]

use calve_qemu_tests::{Error, Menu, Sample, Scenario, cd, stick};

#[test]
fn a_bios_starts_it_from_a_cd() -> Result<(), Error> {
    let Some(scenario) = Scenario::new("iso-grub-bios", Sample::Live)? else { return Ok(()) };
    let iso = scenario.images().archive("iso", "live.iso", &["--compress", "zstd:fast"])?;
    let machine = scenario.bios_machine(cd(&iso)?);
    let mut guest = scenario.start_by_menu(&machine, Menu::Grub, 0)?;
    guest.is_live(scenario.images())?;
    guest.sees_the_store(scenario.images())?;
    let mounts = guest.run("grep -c -e '^/dev/sr0 /iso iso9660 ro' /proc/mounts")?;
    assert_eq!(mounts, "1");
    guest.power_off()
}

#[test]
fn uefi_starts_its_specialisation_from_a_stick() -> Result<(), Error> {
    let Some(scenario) = Scenario::new("iso-grub-uefi", Sample::Live)? else { return Ok(()) };
    // Every NixOS brings systemd-boot, which is preferred.
    let words = ["--compress", "lz4", "--uefi-loader", "grub"];
    let iso = scenario.images().archive("iso", "live.iso", &words)?;
    let machine = scenario.machine(stick(&iso)?);
    let mut guest = scenario.start_by_menu(&machine, Menu::Grub, 1)?;
    guest.all_units_up()?;
    guest.run("grep -q sample.specialisation=debug /proc/cmdline")?;
    guest.run("grep -q '^/dev/vda[0-9]* /iso iso9660 ro' /proc/mounts")?;
    guest.power_off()
}
