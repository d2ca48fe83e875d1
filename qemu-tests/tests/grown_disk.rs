//! A disk enlarged by 4 GiB: the system grows its mounted root by itself, and keeps it so.
#![allow(missing_docs)]

use std::fs;

use calve_machine::Disk;
use calve_qemu_tests::{Error, Sample, Scenario};

const GROWTH: u64 = 4 << 30;

#[test]
fn the_root_of_a_larger_disk_grows_online() -> Result<(), Error> {
    let Some(scenario) = Scenario::new("grown-disk", Sample::Full)? else { return Ok(()) };
    let image = scenario.build(&["--format", "raw"])?;
    let size = fs::metadata(&image)?.len();
    let disk = Disk { grown_to: Some(size + GROWTH), ..Disk::open(&image)? };
    let mut guest = scenario.start(&scenario.machine(disk))?;
    let root = "echo $(( $(stat -f -c '%b * %S' /) ))";
    let grown = guest.number(root)?;
    // What ext4 takes for its own tables is not counted as blocks.
    assert!(grown >= GROWTH, "the root has {grown} bytes");
    guest.run("dd if=/dev/zero of=/root/large bs=1M count=64 && sync")?;
    guest.reboot()?;
    assert_eq!(guest.number("stat -c %s /root/large")?, 64 << 20);
    assert_eq!(guest.number(root)?, grown);
    assert_eq!(guest.run("dmesg | grep -c 'EXT4-fs error' || true")?, "0");
    guest.power_off()
}
