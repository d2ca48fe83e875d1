//! `calve boot` itself: its exit code says whether the texts came, and the image stays as it was.
#![allow(missing_docs)]

use std::path::Path;

use calve_qemu_tests::{Error, Sample, Scenario};

#[test]
fn the_exit_code_tells_whether_the_system_came_up() -> Result<(), Error> {
    let Some(scenario) = Scenario::new("calve-boot", Sample::Mini)? else { return Ok(()) };
    let image = scenario.build(&["--format", "qcow2"])?;
    let before = std::fs::read(&image)?;
    let seconds = scenario.patience().as_secs().to_string();
    let boot = |text: &str, seconds: &str| {
        let image = image.display().to_string();
        scenario
            .images()
            .calve(&["boot", &image, "--expect", text, "--timeout", seconds].map(str::to_owned))
    };
    boot("SAMPLE-SYSTEM-UP", &seconds)?;
    let never = boot("what no system says", "2");
    let stderr = never.expect_err("a text that nobody prints cannot be seen").to_string();
    assert!(stderr.contains("did not appear within 2 s"), "{stderr}");
    let log = stderr.lines().find_map(|line| line.strip_prefix("the whole console: "));
    let log = Path::new(log.expect("the failure names the log"));
    assert!(log.exists(), "{stderr}");
    std::fs::remove_dir_all(log.parent().expect("a log lies in a directory"))?;
    assert!(before == std::fs::read(&image)?, "the image was changed");
    Ok(())
}
