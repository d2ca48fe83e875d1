//! `calve survey` of a guest that started the installer's medium: what it is, which disk is free and which is
//! not, over one connection, and nothing on its disks changes.
#![allow(missing_docs)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use calve_machine::network::free_port;
use calve_machine::{Disk, Network, Write};
use calve_qemu_tests::{Error, Images, Sample, Scenario, cd};
use serde_json::{Value, json};

const SIZE: u64 = 256 << 20;

#[test]
fn an_installer_is_surveyed_over_ssh() -> Result<(), Error> {
    let Some(scenario) = Scenario::new("survey", Sample::Installer)? else { return Ok(()) };
    let images = scenario.images();
    let iso = images.archive("iso", "installer.iso", &["--compress", "zstd:fast"])?;
    let (blank, used) = (disk(images, "blank.raw")?, disk(images, "used.raw")?);
    images.expect(Command::new("sgdisk").args(["-n1:2048:0", "-t1:8200", "-c1:old"]).arg(&used))?;

    let port = free_port()?;
    let persistent = |path: &Path| -> Result<Disk, Error> {
        Ok(Disk { write: Write::Persist, ..Disk::open(path)? })
    };
    let mut machine = scenario.machine(cd(&iso)?);
    machine.disks.extend([persistent(&blank)?, persistent(&used)?]);
    machine.network = Some(Network { restrict: true, ..Network::ssh(port) });
    let mut guest = scenario.start(&machine)?;
    guest.all_units_up()?;
    guest.run("mkswap -L scratch /dev/vdb1 && swapon /dev/vdb1 && sync")?;
    let before = sums(images, &[&blank, &used])?;

    let survey = survey(images, port)?;
    assert_eq!(survey["firmware"], "uefi");
    assert_eq!((&survey["processor"], &survey["login"]), (&json!("x86_64"), &json!("root")));
    assert_eq!(survey["system"]["volatile"], true);
    assert!(survey["memory"].as_u64().is_some_and(|bytes| bytes > 1 << 30));
    for program in ["sfdisk", "cryptsetup", "mkfs.ext4", "mkfs.vfat", "nix-store"] {
        assert!(survey["programs"][program].is_string(), "{program}: {}", survey["programs"]);
    }
    // Neither the CD that it started from nor what is made of that.
    let disks = survey["disks"].as_array().map_or(&[][..], Vec::as_slice);
    let names: Vec<&Value> = disks.iter().map(|disk| &disk["name"]).collect();
    assert_eq!(names, [&json!("vda"), &json!("vdb")]);
    assert_eq!((&disks[0]["size"], &disks[0]["uses"]), (&json!(SIZE), &json!([])));
    assert_eq!((&disks[0]["table"], &disks[1]["table"]), (&Value::Null, &json!("GPT")));
    assert_eq!(disks[1]["uses"], json!(["vdb1 is used as swap"]));
    let partition = &disks[1]["partitions"][0];
    assert_eq!((&partition["name"], &partition["format"]), (&json!("old"), &json!("swap")));

    assert_eq!(before, sums(images, &[&blank, &used])?);
    assert_eq!(guest.run("journalctl -u ssh -u sshd | grep -c 'Accepted publickey'")?, "1");
    guest.power_off()
}

fn disk(images: &Images, name: &str) -> Result<PathBuf, Error> {
    let path = images.scratch().join(name);
    File::create(&path)?.set_len(SIZE)?;
    Ok(path)
}

fn sums(images: &Images, disks: &[&Path]) -> Result<String, Error> {
    images.expect(Command::new("sha256sum").args(disks))
}

/// The survey, as JSON.
fn survey(images: &Images, port: u16) -> Result<Value, Error> {
    let key = Images::login_key();
    let known = images.scratch().join("known_hosts");
    let options = format!(
        "-F/dev/null -i {} -oIdentitiesOnly=yes -oUserKnownHostsFile={}",
        key.display(),
        known.display()
    );
    let mut calve = Command::new(images.calve_bin());
    calve.args(["survey", "root@127.0.0.1", "--accept-new", "--json", "--port", &port.to_string()]);
    let said = images.expect(calve.env("NIX_SSHOPTS", options))?;
    serde_json::from_str(&said)
        .map_err(|_| Error::Garbled { command: "calve survey".to_owned(), answer: said })
}
