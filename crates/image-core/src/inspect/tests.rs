//! Images made by other programs, and damaged ones.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::path::Path;
use std::process::Command;

use super::*;

/// Runs a program; false, said aloud, where it is missing and nobody insists on it.
pub(super) fn run(program: &str, arguments: &[&str]) -> bool {
    match Command::new(program).args(arguments).output() {
        Ok(output) => {
            let words = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{program} {arguments:?}: {words}");
            true
        }
        Err(_) if std::env::var_os("CI").is_none() => {
            eprintln!("SKIPPED: {program} is not installed");
            false
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

/// A disk with an ESP and an ext4, made with sgdisk, mkfs.vfat and mke2fs.
fn disk(dir: &Path) -> Option<std::path::PathBuf> {
    let path = dir.join("disk.raw");
    File::create(&path).unwrap().set_len(64 << 20).unwrap();
    let name = path.to_str().unwrap();
    let partitions = ["-n1:2048:+32M", "-t1:ef00", "-c1:ESP", "-n2:0:0", "-t2:8304", "-c2:nixos"];
    let arguments: Vec<&str> = partitions.into_iter().chain([name]).collect();
    let made = run("sgdisk", &arguments)
        && run("mkfs.vfat", &["-n", "ESP", "-i", "1234ABCD", "--offset", "2048", name, "32768"])
        && run(
            "mke2fs",
            &["-q", "-t", "ext4", "-L", "nixos", "-E", "offset=34603008", name, "20M"],
        );
    made.then_some(path)
}

fn check(image: &Image) {
    assert_eq!(image.sector_size, SectorSize::B512);
    let [esp, root] = image.partitions.as_slice() else { panic!("{image:?}") };
    assert_eq!((esp.number, esp.name.as_str()), (1, "ESP"));
    assert_eq!(esp.kind.to_string(), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
    assert_eq!((esp.start.get(), esp.size.get()), (1 << 20, 32 << 20));
    let volume = esp.volume.as_ref().unwrap();
    assert_eq!((volume.format, volume.label.as_deref()), ("vfat", Some("ESP")));
    assert_eq!(volume.id, "1234-ABCD");
    assert_eq!((root.number, root.name.as_str(), root.start.get()), (2, "nixos", 33 << 20));
    let volume = root.volume.as_ref().unwrap();
    assert_eq!((volume.format, volume.label.as_deref()), ("ext4", Some("nixos")));
}

#[test]
fn disks_of_other_programs_raw_and_qcow2() {
    let dir = tempfile::tempdir().unwrap();
    let Some(raw) = disk(dir.path()) else { return };
    let image = inspect(&File::open(&raw).unwrap()).unwrap();
    assert_eq!((image.format, image.size.get()), (Format::Raw, 64 << 20));
    check(&image);

    let qcow2 = dir.path().join("disk.qcow2");
    let arguments = ["convert", "-O", "qcow2", raw.to_str().unwrap(), qcow2.to_str().unwrap()];
    if run("qemu-img", &arguments) {
        let again = inspect(&File::open(&qcow2).unwrap()).unwrap();
        assert_eq!(again, Image { format: Format::Qcow2, ..image });
    }
}

#[test]
fn what_is_no_disk_and_what_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image");
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        inspect(&File::open(&path).unwrap()).unwrap_err()
    };
    assert!(matches!(read(b""), Error::NoTable));
    assert!(matches!(read(&[0; 9000]), Error::NoTable));
    let mut header = vec![0; 20_000];
    header[512..520].copy_from_slice(b"EFI PART");
    assert!(matches!(read(&header), Error::DamagedTable { .. }));
    header[524] = 92;
    assert!(matches!(read(&header), Error::DamagedTable { .. }));
    assert!(matches!(read(b"QFI\xfb\0\0\0\x09"), Error::Qcow2 { .. }));
}
