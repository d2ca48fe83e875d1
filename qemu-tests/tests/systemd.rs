//! The systemd samples come up with no failed unit, and go down by the power button.
#![allow(missing_docs)]

use calve_qemu_tests::{Error, Sample, Scenario};

#[test]
fn full_comes_up_without_failed_units() -> Result<(), Error> {
    comes_up("full", Sample::Full)
}

#[test]
fn full_systemd_comes_up_without_failed_units() -> Result<(), Error> {
    comes_up("full-systemd", Sample::FullSystemd)
}

fn comes_up(name: &'static str, sample: Sample) -> Result<(), Error> {
    let Some(scenario) = Scenario::new(name, sample)? else { return Ok(()) };
    let disk = scenario.build(&["--format", "raw"])?;
    let mut guest = scenario.boot(&disk)?;
    guest.all_units_up()?;
    guest.press_power_button()
}
