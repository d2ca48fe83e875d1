//! A raw disk of the smallest system boots, is worked on, keeps a file over a restart, goes off.
#![allow(missing_docs)]

use calve_qemu_tests::{Error, Sample, Scenario};

#[test]
fn a_raw_disk_boots_and_keeps_a_file() -> Result<(), Error> {
    let Some(scenario) = Scenario::new("raw-disk", Sample::Mini)? else { return Ok(()) };
    let disk = scenario.build(&["--format", "raw"])?;
    let mut guest = scenario.boot(&disk)?;
    assert_eq!(guest.run("cat /proc/sys/kernel/ostype")?, "Linux");
    assert_eq!(guest.output("echo out; echo err >&2; exit 7")?.status, 7);
    guest.run("echo kept >/root/kept && sync")?;
    guest.reboot()?;
    assert_eq!(guest.run("cat /root/kept")?, "kept");
    guest.power_off()
}
