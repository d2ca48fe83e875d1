//! A live system whose closure brings syslinux starts by it from a stick in a BIOS machine, and by
//! systemd-boot from a CD in a UEFI machine; systemd is its first stage too.
#![allow(missing_docs)]

use calve_qemu_tests::{Error, Menu, Sample, Scenario, cd, stick};

/// The menu's order: the system, its specialisation, copied to RAM, on a serial console.
const COPY_TO_RAM: usize = 2;
const SERIAL: usize = 3;

#[test]
fn a_bios_starts_it_from_a_stick_that_may_be_pulled() -> Result<(), Error> {
    let Some(scenario) = Scenario::new("iso-isolinux", Sample::LiveSystemd)? else {
        return Ok(());
    };
    let iso = scenario.images().archive("iso", "live.iso", &["--compress", "zstd:fast"])?;
    let machine = scenario.bios_machine(stick(&iso)?);
    let mut guest = scenario.start_by_menu(&machine, Menu::Isolinux, COPY_TO_RAM)?;
    guest.run("grep -q '^tmpfs /iso tmpfs ' /proc/mounts")?;
    // Nobody holds the stick: its whole content can be taken from under the system.
    guest.run("! grep '^/dev/vd' /proc/mounts && blockdev --rereadpt /dev/vda")?;
    guest.is_live(scenario.images())?;
    guest.power_off()
}

#[test]
fn uefi_starts_it_from_a_cd_on_a_serial_console() -> Result<(), Error> {
    let Some(scenario) = Scenario::new("iso-systemd-boot", Sample::LiveSystemd)? else {
        return Ok(());
    };
    let iso = scenario.images().archive("iso", "live.iso", &["--compress", "zstd:fast"])?;
    let machine = scenario.machine(cd(&iso)?);
    let mut guest = scenario.start_by_menu(&machine, Menu::SystemdBoot, SERIAL)?;
    guest.run("grep -q ' console=ttyS0,115200n8$' /proc/cmdline")?;
    guest.run("grep -q '^/dev/sr0 /iso iso9660 ro' /proc/mounts")?;
    guest.is_live(scenario.images())?;
    guest.sees_the_store(scenario.images())?;
    guest.power_off()
}
