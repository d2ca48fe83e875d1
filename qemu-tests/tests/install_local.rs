//! `calve install --local` on the console of an installer without a network: the closure came with the medium.
#![allow(missing_docs)]

use std::fs;
use std::process::Command;

use calve_machine::{Disk, Write};
use calve_qemu_tests::{Error, Images, Sample, Scenario, cd};

const SIZE: u64 = 1 << 30;

#[test]
fn a_carried_system_is_installed_on_the_console() -> Result<(), Error> {
    let Some(scenario) = Scenario::new("install-local", Sample::Installer)? else { return Ok(()) };
    let images = scenario.images();
    let carried = Images::closure_info(Sample::Mini);
    let system = carried.join("system").canonicalize()?.display().to_string();
    let iso = images.scratch().join("install.iso");
    // The samples' folders are closureInfos, so each brings its own registration.
    images.calve(&[
        "build".to_owned(),
        "iso".to_owned(),
        Images::closure_info(Sample::Installer).display().to_string(),
        format!("--carry={}", carried.display()),
        "--compress=zstd:fast".to_owned(),
        format!("--output={}", iso.display()),
    ])?;
    let blank = images.scratch().join("blank.raw");
    fs::File::create_new(&blank)?.set_len(SIZE)?;
    // The program comes on a stick.
    let (folder, stick) = (images.directory("stick")?, images.scratch().join("stick.raw"));
    fs::copy(images.calve_bin(), folder.join("calve"))?;
    images.expect(
        Command::new("mke2fs").args(["-q", "-t", "ext4", "-d"]).args([&folder, &stick]).arg("128M"),
    )?;

    let blank_disk = Disk { write: Write::Persist, ..Disk::open(&blank)? };
    let mut machine = scenario.machine(blank_disk);
    machine.disks.extend([Disk::open(&stick)?, cd(&iso)?]);
    let mut guest = scenario.start(&machine)?;
    guest.all_units_up()?;
    assert_eq!(guest.run("ls /sys/class/net")?, "lo");
    guest.run("mkdir -p /stick && mount -o ro /dev/vdb /stick")?;
    let install = format!("/stick/calve install --local {system} --disk vda --yes-wipe vda");
    let refused = guest.output(&install.replace("vda", "vdb"))?;
    assert_eq!(refused.status, 3, "{}", refused.text);
    assert!(refused.text.contains("vdb"), "{}", refused.text);

    // It restarts the machine itself.
    guest.run(&install)?;
    guest.wait_up()?;
    assert_eq!(guest.run("readlink -f /run/booted-system")?, system);
    guest.power_off()?;
    images.check_root(&blank)
}
