//! What a guest writes stays in the image when it is to persist, a power cut loses nothing that was
//! synced, and the file system is clean after all of it.
#![allow(missing_docs)]

use calve_machine::{Disk, Write};
use calve_qemu_tests::{Error, Sample, Scenario};

#[test]
fn a_file_survives_into_the_next_run() -> Result<(), Error> {
    let Some(scenario) = Scenario::new("persist", Sample::Mini)? else { return Ok(()) };
    let image = scenario.build(&["--format", "qcow2"])?;
    let disk = Disk { write: Write::Persist, ..Disk::open(&image)? };

    let mut guest = scenario.start(&scenario.machine(disk.clone()))?;
    guest.run(
        "echo first >/root/kept && mkdir /root/many && seq 5000 | (cd /root/many; xargs touch)",
    )?;
    guest.power_off()?;
    scenario.images().check_root(&image)?;

    let mut guest = scenario.start(&scenario.machine(disk.clone()))?;
    assert_eq!(guest.run("cat /root/kept; ls /root/many | wc -l")?, "first\n5000");
    guest.run("echo second >/root/kept; rm -r /root/many; sync")?;
    guest.pull_plug();

    let mut guest = scenario.start(&scenario.machine(disk))?;
    assert_eq!(guest.run("cat /root/kept")?, "second");
    guest.power_off()?;
    scenario.images().check_root(&image)
}
