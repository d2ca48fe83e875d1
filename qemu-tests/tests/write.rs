//! `calve write` in a guest: the disk of the running system and a disk in use are refused, a disk full
//! of older things is written, and boots.
#![allow(missing_docs)]

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use calve_machine::{Disk, Write};
use calve_qemu_tests::{Error, Images, Sample, Scenario};

/// How much larger the disk is than the image.
const MORE: u64 = (64 << 20) + 5 * 512;

#[test]
fn a_written_disk_boots_and_nothing_old_shows_through() -> Result<(), Error> {
    let Some(scenario) = Scenario::new("write", Sample::Full)? else { return Ok(()) };
    let Some(mini) = Images::new("write-mini", Sample::Mini)? else { return Ok(()) };
    let (qcow2, raw) = (build(&mini, "mini.qcow2")?, build(&mini, "mini.raw")?);
    let disk = used_disk(scenario.images(), fs::metadata(&raw)?.len() + MORE)?;

    // The program and the image ride along in the system that writes.
    let carried = scenario.images().directory("carried")?;
    fs::copy(scenario.images().calve_bin(), carried.join("calve"))?;
    fs::copy(qcow2, carried.join("mini.qcow2"))?;
    let overlay = format!("{}:/opt", carried.display());
    let rules = ["--overlay", &overlay, "--overlay-rule", "/opt/calve=755", "--size", "4G"];
    let system = scenario.build(&rules)?;

    let target = Disk { write: Write::Persist, ..Disk::open(&disk)? };
    let mut machine = scenario.machine(Disk::open(&system)?);
    machine.disks.push(target);
    let mut guest = scenario.start(&machine)?;
    let root = guest.run("lsblk -no PKNAME $(findmnt -no SOURCE /)")?;
    let other = if root.trim() == "vda" { "vdb" } else { "vda" };
    let write =
        |device: &str, more: &str| format!("/opt/calve write /opt/mini.qcow2 {device} {more}");

    let refused = guest.output(&write(&format!("/dev/{root}"), &format!("--yes-wipe {root}")))?;
    assert_eq!(refused.status, 3, "{}", refused.text);
    assert!(refused.text.contains("holds / of the running system"), "{}", refused.text);
    let refused = guest.output(&write(&format!("/dev/{other}"), ""))?;
    assert_eq!(refused.status, 3, "{}", refused.text);
    assert!(refused.text.contains("no terminal to ask"), "{}", refused.text);
    guest.run(&format!("mkswap /dev/{other}2 && swapon /dev/{other}2"))?;
    let wiped = write(&format!("/dev/{other}"), &format!("--yes-wipe {other}"));
    let refused = guest.output(&wiped)?;
    assert_eq!(refused.status, 3, "{}", refused.text);
    assert!(refused.text.contains(&format!("{other}2 is used as swap")), "{}", refused.text);
    guest.run(&format!("swapoff /dev/{other}2"))?;

    let written = guest.run(&wiped)?;
    assert!(written.contains("read back and found the same"), "{written}");
    assert!(written.contains("backup GPT moved to the end"), "{written}");
    assert!(!written.contains("warning"), "{written}");
    // The kernel sees the new partitions at once.
    assert_eq!(
        guest.run(&format!("sed -n s/^PARTNAME=//p /sys/block/{other}/{other}[12]/uevent"))?,
        "ESP\nnixos"
    );
    guest.power_off()?;

    judge(&raw, &disk)?;
    let guest = scenario.boot(&disk)?;
    guest.power_off()
}

fn build(mini: &Images, name: &str) -> Result<PathBuf, Error> {
    let image = mini.scratch().join(name);
    let mut arguments = mini.arguments();
    arguments.extend(["-o".to_owned(), image.display().to_string()]);
    mini.calve(&arguments)?;
    Ok(image)
}

/// A disk full of 0xD1, with a table and partitions of its own.
fn used_disk(images: &Images, size: u64) -> Result<PathBuf, Error> {
    let path = images.scratch().join("used.raw");
    let mut file = File::create(&path)?;
    let chunk = vec![0xD1; 1 << 20];
    let mut left = size;
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
        file.write_all(&chunk[..part])?;
        left -= u64::try_from(part).unwrap_or_default();
    }
    images.expect(Command::new("sgdisk").args(["-o", "-n1:2048:+200M", "-n2:0:0"]).arg(&path))?;
    Ok(path)
}

/// The disk against the image: `sgdisk` of its table, and every byte but the headers'.
fn judge(raw: &Path, disk: &Path) -> Result<(), Error> {
    let said = Command::new("sgdisk").arg("-v").arg(disk).output()?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("No problems found"), "{said}");
    let (raw, disk) = (File::open(raw)?, File::open(disk)?);
    let (size, end) = (raw.metadata()?.len(), disk.metadata()?.len());
    let mut at = 1024;
    let (mut expected, mut found) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    while at < size {
        let part = usize::try_from(size - at).unwrap_or(usize::MAX).min(expected.len());
        raw.read_exact_at(&mut expected[..part], at)?;
        disk.read_exact_at(&mut found[..part], at)?;
        assert!(expected[..part] == found[..part], "the MiB from byte {at} on differs");
        at += u64::try_from(part).unwrap_or_default();
    }
    // What lies behind the image and before the end's MiB was nobody's business.
    disk.read_exact_at(&mut found, size)?;
    assert!(found.iter().all(|byte| *byte == 0xD1));
    // Of the old backup nothing is left: the new one is there, and zeros before it.
    let mut tail = vec![0; 512 << 10];
    disk.read_exact_at(&mut tail, end - (1 << 20))?;
    assert!(tail.iter().all(|byte| *byte == 0));
    Ok(())
}
