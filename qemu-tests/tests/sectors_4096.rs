//! A disk of 4096-byte sectors boots from an NVMe drive that has such sectors.
#![allow(missing_docs)]

use std::fs;
use std::path::Path;

use calve_machine::{Bus, Disk, SectorSize};
use calve_qemu_tests::{Error, Sample, Scenario};

#[test]
fn a_disk_of_large_sectors_boots_from_nvme() -> Result<(), Error> {
    let Some(scenario) = Scenario::new("sectors-4096", Sample::Mini)? else { return Ok(()) };
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../profiles");
    let profile = fs::read_to_string(profiles.join("minimal.toml"))?;
    let profile = profile.replace("sector-size = 512", "sector-size = 4096");
    fs::write(scenario.images().scratch().join("large.toml"), profile)?;
    let image = scenario.build(&["--profile", "./large.toml", "--format", "raw"])?;
    let disk = Disk { bus: Bus::Nvme, sector_size: SectorSize::B4096, ..Disk::open(&image)? };
    let mut guest = scenario.start(&scenario.machine(disk))?;
    assert_eq!(guest.number("cat /sys/class/block/nvme0n1/queue/logical_block_size")?, 4096);
    assert_eq!(guest.run("grep -c ' /boot vfat ' /proc/mounts")?, "1");
    guest.run("echo written >/boot/written && echo written >/root/written && sync")?;
    guest.reboot()?;
    assert_eq!(guest.run("cat /boot/written /root/written")?, "written\nwritten");
    guest.power_off()
}
