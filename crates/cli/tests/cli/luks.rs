//! `calve luks check`, on volumes that the library makes and disks that sgdisk does.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use calve_image_core::disk::luks2::{Kdf, Luks2, Passphrase, RecoveryKey};
use calve_image_core::epoch::Epoch;
use calve_image_core::plan::{KeyId, Plan};
use calve_image_core::region::{self, Keys, Options, Region};
use calve_image_core::tree::TreeBuilder;
use calve_image_core::units::{MIB, SectorSize};
use calve_image_core::writers::ext4::{Ext4, Label};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::run::{calve, output};

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.into())).unwrap()
}

/// An empty ext4.
fn ext4() -> Plan {
    let mut ext4 = Ext4::new(MIB * 8, Uuid::from_u128(1), Uuid::from_u128(2));
    ext4.label = Label::new("nixos").unwrap();
    ext4.plan(&TreeBuilder::new(Epoch::default()).build().unwrap()).unwrap()
}

/// A volume with two passphrases.
fn volume(uuid: u128, inner: Plan, with: &[Passphrase]) -> Vec<u8> {
    let luks = Luks2 {
        sector: SectorSize::B512,
        uuid: Uuid::from_u128(uuid),
        label: Some("vault".to_owned()),
        subsystem: None,
        kdf: Kdf::Pbkdf2 { iterations: 1000 },
        keyslots: with.len(),
        noise: false,
    };
    let (id, mut keys) = (KeyId("x".into()), Keys::none());
    luks.forge(&id, with, &mut keys).unwrap();
    let mut image = Vec::new();
    let plan = luks.plan(&id, inner).unwrap();
    region::write(&plan, Region::Forward(&mut image), &keys, &Options::default()).unwrap();
    image
}

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, key) in [("one", "first"), ("two", "second"), ("wrong", "third")] {
        fs::write(directory.path().join(name), key).unwrap();
    }
    directory
}

#[test]
fn a_volume_its_keyslot_and_what_is_inside() {
    let directory = directory();
    let recovery = RecoveryKey::generate().unwrap();
    let with = [passphrase("first"), passphrase("second"), recovery.as_passphrase()];
    fs::write(directory.path().join("image"), volume(7, ext4(), &with)).unwrap();
    let check = |key| calve(directory.path(), &["luks", "check", "image", "--key", key]);
    insta::assert_snapshot!(check("file:two"), @r#"
    exit code: 0
    --- stdout
    image image
    the volume: LUKS2, id 00000000-0000-0000-0000-000000000007, label vault, 512-byte sectors
      keyslot 0, pbkdf2-sha256, 1000 iterations
      keyslot 1, pbkdf2-sha256, 1000 iterations: opens
      keyslot 2, pbkdf2-sha512, 1000 iterations, recovery key
      inside: ext4 nixos, id 00000000-0000-0000-0000-000000000001, in 8 MiB
    "#);
    insta::assert_snapshot!(check("file:wrong"), @r#"
    exit code: 6
    --- stdout
    image image
    the volume: LUKS2, id 00000000-0000-0000-0000-000000000007, label vault, 512-byte sectors
      keyslot 0, pbkdf2-sha256, 1000 iterations
      keyslot 1, pbkdf2-sha256, 1000 iterations
      keyslot 2, pbkdf2-sha512, 1000 iterations, recovery key
    --- stderr
    error: no key opens the volume
      ╰─▶ none of the 3 keyslots opens with this passphrase
      help: a file is taken byte for byte: a line end at its end belongs to the key, and is not typed
    "#);
    insta::assert_snapshot!(check("env:NOT_SET"), @r#"
    exit code: 1
    --- stderr
    error: the key env:NOT_SET is not there: the variable is not set
    "#);
    insta::assert_snapshot!(check("prompt"), @r#"
    exit code: 5
    --- stderr
    error: nobody gave the key
      ╰─▶ stdin is no terminal to ask on
      help: without a terminal: file:PATH, env:VAR, fd:N or command:CMD
    "#);
    insta::assert_snapshot!(check("second"), @r#"
    exit code: 2
    --- stderr
    error: --key: expected file:PATH, env:VAR, fd:N, prompt or command:CMD
    "#);
    fs::write(directory.path().join("recovery"), recovery.text().as_bytes()).unwrap();
    let found = check("file:recovery");
    let line = "  keyslot 2, pbkdf2-sha512, 1000 iterations, recovery key: opens\n";
    assert!(found.contains(line) && found.starts_with("exit code: 0\n"), "{found}");
    assert!(!found.contains(recovery.text().as_str()), "a key was shown");
}

#[test]
fn damage_is_told() {
    let directory = directory();
    let mut image = volume(7, ext4(), &[passphrase("first")]);
    image[16384 + 9] ^= 1;
    fs::write(directory.path().join("image"), &image).unwrap();
    let check = || calve(directory.path(), &["luks", "check", "image", "--key", "file:one"]);
    let found = check();
    let line = "  damaged: the second copy of the header says that it has ";
    assert!(found.contains(line) && found.starts_with("exit code: 0\n"), "{found}");
    // A sector of the superblock, which then decrypts to noise.
    image[(16 << 20) + 1536] ^= 1;
    fs::write(directory.path().join("image"), &image).unwrap();
    let found = check();
    let line = "the ext4 in the volume is damaged: expected the checksum ";
    assert!(found.contains(line) && found.starts_with("exit code: 1\n"), "{found}");
}

#[test]
fn all_volumes_of_a_disk_as_json() {
    let directory = directory();
    let Some(name) = disk(directory.path()) else { return };
    let key =
        |name: &str| ["luks", "check", name, "--key", "file:one", "--json"].map(str::to_owned);
    for image in [name.as_str(), "disk.qcow2"] {
        let args = key(image);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let both = output(directory.path(), &[&args[..], &["--key", "file:two"]].concat());
        assert_eq!(both.status.code(), Some(0), "{}", String::from_utf8_lossy(&both.stderr));
        let document: serde_json::Value = serde_json::from_slice(&both.stdout).unwrap();
        for (number, id) in [(0, 7), (1, 8)] {
            let volume = &document["volumes"][number];
            assert_eq!(volume["id"], Uuid::from_u128(id).to_string());
            assert_eq!(volume["partition"]["number"], number + 1);
            assert_eq!(volume["sectorSize"], 512);
            let opened = &volume["opened"];
            assert_eq!((&opened["keyslot"], &opened["size"]), (&0.into(), &(8 << 20).into()));
            assert_eq!(opened["content"]["superblock"], "whole");
            assert_eq!(opened["content"]["format"], "ext4");
            assert_eq!(opened["content"]["label"], "nixos");
        }
        // One key opens one of them, which is not enough.
        let one = output(directory.path(), &args);
        assert_eq!(one.status.code(), Some(6));
        let document: serde_json::Value = serde_json::from_slice(&one.stdout).unwrap();
        assert!(document["volumes"][0]["opened"].is_object());
        assert!(document["volumes"][1]["opened"].is_null());
        if qcow2(directory.path()).is_none() {
            return;
        }
    }
}

/// A disk of two volumes, whose keys differ.
fn disk(directory: &Path) -> Option<String> {
    let path = directory.join("disk.raw");
    let disk = File::create(&path).unwrap();
    disk.set_len(64 << 20).unwrap();
    let table = ["-n1:2048:+24M", "-c1:root", "-n2:0:+24M", "-c2:data", "disk.raw"];
    run("sgdisk", directory, &table)?;
    disk.write_all_at(&volume(7, ext4(), &[passphrase("first")]), 1 << 20).unwrap();
    disk.write_all_at(&volume(8, ext4(), &[passphrase("second")]), 25 << 20).unwrap();
    Some("disk.raw".to_owned())
}

fn qcow2(directory: &Path) -> Option<()> {
    run("qemu-img", directory, &["convert", "-O", "qcow2", "disk.raw", "disk.qcow2"])
}

/// Runs somebody else's program; a missing one is a loud skip, which CI must not be.
fn run(program: &str, directory: &Path, args: &[&str]) -> Option<()> {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    match Command::new(program).args(args).current_dir(directory).env("PATH", path).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{program} {args:?}: {said}");
            Some(())
        }
        Err(_) if std::env::var_os("CI").is_none() => {
            eprintln!("SKIPPED: {program} is not installed");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

#[test]
fn what_is_no_volume_is_said() {
    let directory = directory();
    fs::write(directory.path().join("image"), vec![0; 1 << 20]).unwrap();
    let check = |image| calve(directory.path(), &["luks", "check", image, "--key", "file:one"]);
    insta::assert_snapshot!(check("image"), @r#"
    exit code: 1
    --- stderr
    error: image has no LUKS2 volume: expected one in a partition, or nothing else
    "#);
    insta::assert_snapshot!(check("missing"), @r#"
    exit code: 1
    --- stderr
    error: missing cannot be read
      ╰─▶ No such file or directory (os error 2)
    "#);
}
