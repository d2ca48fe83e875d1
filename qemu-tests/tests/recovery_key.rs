//! The recovery key that a build shows once opens the volume beside the passphrase.
#![allow(missing_docs)]

use std::process::Command;

use calve_qemu_tests::encrypted::PASSPHRASE;
use calve_qemu_tests::{Encrypted, Error, Sample};

#[test]
fn a_script_takes_the_recovery_key() -> Result<(), Error> {
    recovered("recovery-key", Sample::Encrypted)
}

#[test]
fn systemd_takes_the_recovery_key() -> Result<(), Error> {
    recovered("recovery-key-systemd", Sample::EncryptedSystemd)
}

fn recovered(name: &'static str, sample: Sample) -> Result<(), Error> {
    let Some(encrypted) = Encrypted::new(name, sample)? else { return Ok(()) };
    let images = encrypted.images();
    let disk = images.scratch().join("disk.img");
    let mut build = Command::new(images.calve_bin());
    build.args(images.arguments()).arg("-o").arg(&disk).args(["-p", "profile.toml"]);
    build.arg("--luks-key").arg(format!("cryptroot={}", encrypted.key()));
    build.arg("--luks-recovery-key").arg("--unlock-ssh");
    let output = images.run(&mut build)?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let key = said.split_whitespace().find(|word| is_recovery_key(word));
    let missing = || Error::Missing(format!("a recovery key in {said}"));
    let key = key.ok_or_else(missing)?;
    assert!(!said.contains(PASSPHRASE), "{said}");

    let mut running = encrypted.start(&encrypted.machine(&disk)?)?;
    running.send_line(key)?;
    encrypted.up(running)?.power_off()
}

/// Eight groups of eight letters, as systemd writes its recovery keys.
fn is_recovery_key(word: &str) -> bool {
    let groups: Vec<&str> = word.split('-').collect();
    let modhex =
        |group: &&str| group.len() == 8 && group.chars().all(|c| "cbdefghijklnrtuv".contains(c));
    groups.len() == 8 && groups.iter().all(modhex)
}
