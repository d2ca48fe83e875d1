//! What a guest writes stays in the image when it is to persist, and a power cut loses nothing
//! that was synced.
#![allow(missing_docs)]

use calve_machine::{Disk, Write};
use calve_qemu_tests::{Error, Sample, Scenario};

#[test]
fn a_file_survives_into_the_next_run() -> Result<(), Error> {
    let Some(scenario) = Scenario::new("persist", Sample::Mini)? else { return Ok(()) };
    let image = scenario.build(&["--format", "qcow2"])?;
    let disk = Disk { write: Write::Persist, ..Disk::open(&image)? };

    let mut guest = scenario.start(&scenario.machine(disk))?;
    guest.run("echo first >/root/kept")?;
    guest.power_off()?;

    let disk = Disk { write: Write::Persist, ..Disk::open(&image)? };
    let mut guest = scenario.start(&scenario.machine(disk))?;
    assert_eq!(guest.run("cat /root/kept")?, "first");
    guest.run("echo second >/root/kept; sync")?;
    guest.pull_plug();

    let mut guest = scenario.boot(&image)?;
    assert_eq!(guest.run("cat /root/kept")?, "second");
    guest.power_off()
}
