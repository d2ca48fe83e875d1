//! A qcow2 disk enlarged by 4 GiB: the system grows its mounted root by itself, uses the new room,
//! and leaves a file system without a fault.
#![allow(missing_docs)]

use calve_machine::{Disk, Write};
use calve_qemu_tests::{Error, Sample, Scenario};

const GROWTH: u64 = 4 << 30;

#[test]
fn the_root_of_a_larger_disk_grows_online() -> Result<(), Error> {
    let Some(scenario) = Scenario::new("grown-disk", Sample::FullSystemd)? else { return Ok(()) };
    let image = scenario.build(&["--format", "qcow2"])?;
    let size = scenario.images().virtual_size(&image)?;
    let disk = Disk { grown_to: Some(size + GROWTH), write: Write::Persist, ..Disk::open(&image)? };
    let mut guest = scenario.start(&scenario.machine(disk))?;
    guest.all_units_up()?;
    // What ext4 takes for its own tables is not counted as blocks.
    let root = "echo $(( $(stat -f -c '%b * %S' /) ))";
    let grown = guest.number(root)?;
    assert!(grown >= GROWTH, "the root has {grown} bytes");

    // A file of nearly all the room there is cannot but lie in the new part, too. Taking the room
    // costs little, and a MiB in each 128 is written.
    let large = "/root/large";
    guest.run(&format!("fallocate -l {} {large}", grown - (1 << 30)))?;
    let each = format!("for at in $(seq 0 {}); do", (grown - (1 << 30)) / (128 << 20) - 1);
    guest.run(&format!(
        "{each} yes $at | head -c 1M | dd of={large} bs=1M seek=$((at * 128)) conv=notrunc status=none \
         || exit 1; done; sync"
    ))?;
    let written = guest.run(&format!("{each} yes $at | head -c 1M; done | sha256sum"))?;
    let last = format!(
        "filefrag -v -b4096 {large} | sed -n 's/^ *[0-9]*:.*\\.\\. *\\([0-9]*\\): .*/\\1/p'"
    );
    let last = guest.number(&format!("{last} | sort -n | tail -n 1"))?;
    assert!(last * 4096 > size, "the last block is {last}: nothing lies in the new part");

    guest.reboot()?;
    guest.all_units_up()?;
    assert_eq!(guest.number(root)?, grown);
    let read = format!("{each} dd if={large} bs=1M skip=$((at * 128)) count=1 status=none; done");
    assert_eq!(guest.run(&format!("{read} | sha256sum"))?, written);
    assert_eq!(guest.run("dmesg | grep -c 'EXT4-fs error' || true")?, "0");
    guest.power_off()?;
    scenario.images().check_root(&image)
}
