//! A specialisation is chosen in the boot menu, once; the next start is the default again.
#![allow(missing_docs)]

use calve_qemu_tests::{Error, Sample, Scenario};

#[test]
fn a_specialisation_boots_when_chosen() -> Result<(), Error> {
    let Some(scenario) = Scenario::new("specialisation", Sample::Mini)? else { return Ok(()) };
    let disk = scenario.build(&["--format", "qcow2"])?;
    let mut guest = scenario.boot(&disk)?;
    let chosen = "grep -o sample.specialisation=debug /proc/cmdline || true";
    assert_eq!(guest.run(chosen)?, "");
    guest.reboot_into("nixos-generation-1-specialisation-debug.conf")?;
    assert_eq!(guest.run(chosen)?, "sample.specialisation=debug");
    guest.reboot()?;
    assert_eq!(guest.run(chosen)?, "");
    guest.power_off()
}
