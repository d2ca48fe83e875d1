//! `calve install` over SSH to a blank disk: the machine restarts into what was installed, which is verified,
//! over one login per boot, and the disk has the partitions that an image of the same profile has.
#![allow(missing_docs)]

use std::path::Path;
use std::process::Command;

use calve_machine::Bus;
use calve_qemu_tests::installing::{tell_logins, told_logins};
use calve_qemu_tests::{Error, Guest, Images, Installing, Sample};
use serde_json::Value;

const SIZE: u64 = 2 << 30;
const RECORD: &str = "/run/nixos-install.record";

#[test]
fn a_blank_disk_becomes_a_running_system() -> Result<(), Error> {
    let Some(installing) = Installing::new("install-plain")? else { return Ok(()) };
    let images = installing.images();
    let disk = installing.blank("disk.raw", SIZE)?;
    let mut guest = installing.start(&installing.machine(&[(&disk, Bus::VirtioBlk)])?)?;
    tell_logins(&mut guest)?;
    // What the installer is asked is kept where the restart does not reach.
    guest.run(&format!(
        "(until grep -q ^end {RECORD}; do sleep 0.2; done; cat {RECORD} >/dev/ttyS0) 2>/dev/null &"
    ))?;

    let system = Images::closure_info(Sample::Full).join("system").canonicalize()?;
    let words =
        ["--disk", "main=vda", "--yes-wipe", "vda", "--json", "--health", "test -e /etc/NIXOS"];
    let said = installing.succeed(installing.install(Sample::Full, &words))?;
    let report: Value = serde_json::from_str(&said.out)
        .map_err(|_| Error::Garbled { command: "calve install".to_owned(), answer: said.out })?;
    assert_eq!(report["verified"]["state"], "running", "{report}");
    assert_eq!(report["system"]["toplevel"], system.display().to_string());
    guest.wait_up()?;
    assert_eq!(told_logins(&mut guest), 1, "logins to the installer");
    recorded(&guest.running().console().text(), &system);

    is_installed(&mut guest, &system, &report)?;
    guest.power_off()?;
    images.check_root(&disk)?;
    is_as_the_image(images, &disk)
}

/// Requires of the installed system what was promised.
fn is_installed(guest: &mut Guest, system: &Path, report: &Value) -> Result<(), Error> {
    guest.all_units_up()?;
    let system = system.display().to_string();
    assert_eq!(
        guest.run(
            "readlink -f /run/booted-system /run/current-system /nix/var/nix/profiles/system-1-link"
        )?,
        [&*system; 3].join("\n")
    );
    guest.run("nix-store --verify --check-contents")?;
    assert_eq!(guest.run("journalctl -u sshd | grep -c 'Accepted publickey'")?, "1");
    let key = guest.run("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub")?;
    assert!(report["hostKey"].as_str().is_some_and(|found| found.starts_with(&key)), "{report}");
    assert_eq!(guest.run("stat -c '%a %u' /etc/ssh/ssh_host_ed25519_key")?, "600 0");
    // The store is the closure and nothing else; nothing lies around of the installing.
    let left = guest.run(&format!(
        "nix-store -qR {system} | sort >/tmp/closure; ls -d /nix/store/*-* | sort | diff - /tmp/closure; ls -A / | grep -v -x -e nix -e boot -e etc -e dev -e proc -e sys -e run -e tmp -e var -e root -e home -e mnt -e srv -e bin -e sbin -e lib -e lib64 -e usr -e lost+found; true"
    ))?;
    assert_eq!(left, "");
    Ok(())
}

/// Requires of the samples' nixos-install that it was called as that of NixOS has to be.
fn recorded(console: &str, system: &Path) {
    let argv = format!(
        "argv --root /mnt --system {} --no-root-passwd --no-channel-copy",
        system.display()
    );
    assert!(console.contains(&argv), "expected {argv:?} in\n{console}");
    let record = console.find(&argv).map_or("", |start| &console[start..]);
    let record = &record[..record.find("\nend ").map_or(record.len(), |end| end + "\nend 0".len())];
    assert!(record.ends_with("\nend 0"), "{record}");
    assert!(record.contains("\nmount /dev/vda2 /mnt ext4 "), "{record}");
    assert!(record.contains("\nmount /dev/vda1 /mnt/boot vfat "), "{record}");
}

/// Requires the partitions of an image by the same profile: types, names, labels and file systems.
fn is_as_the_image(images: &Images, disk: &Path) -> Result<(), Error> {
    let info = Images::closure_info(Sample::Full);
    let image = images.scratch().join("image.raw");
    images.calve(&[
        "build".to_owned(),
        "disk".to_owned(),
        info.join("system").display().to_string(),
        format!("--registration={}", info.join("registration").display()),
        format!("--output={}", image.display()),
    ])?;
    let (expected, found) = (partitions(images, &image)?, partitions(images, disk)?);
    assert_eq!(expected, found);
    assert_eq!(expected.len(), 2, "{expected:?}");
    Ok(())
}

/// Of each partition: type, name, kind of file system and label.
fn partitions(images: &Images, disk: &Path) -> Result<Vec<[String; 4]>, Error> {
    let table = images.expect(Command::new("sfdisk").arg("--json").arg(disk))?;
    let table: Value = serde_json::from_str(&table)
        .map_err(|_| Error::Garbled { command: "sfdisk".to_owned(), answer: table })?;
    let partitions = table["partitiontable"]["partitions"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let describe = |partition: &Value| {
        let offset = partition["start"].as_u64().unwrap_or_default() * 512;
        let tag = |name: &str| {
            let mut blkid = Command::new("blkid");
            blkid.args(["-p", "-o", "value", "-s", name, "-O", &offset.to_string()]).arg(disk);
            images.expect(&mut blkid).map(|said| said.trim().to_owned())
        };
        Ok([text(&partition["type"]), text(&partition["name"]), tag("TYPE")?, tag("LABEL")?])
    };
    partitions.iter().map(describe).collect()
}
