//! What we read of the volumes that cryptsetup makes.

use std::fs::File;
use std::path::Path;

use calve_image_core::inspect::luks2::{Error, Header};
use calve_image_core::inspect::superblock::{self, Superblock};
use calve_image_core::inspect::{Disk, Medium};
use calve_image_core::units::Bytes;

use super::*;

/// Reads a header.
pub(super) fn header(image: &Path) -> Result<Header, Error> {
    let file = File::open(image).unwrap();
    let disk = Disk::open(&file)?;
    Ok(Header::read(&disk, Bytes::ZERO, disk.size())?.unwrap())
}

/// Opens a volume and tells by which keyslot.
pub(super) fn open(image: &Path, key: &[u8]) -> Result<u32, Error> {
    let file = File::open(image).unwrap();
    let disk = Disk::open(&file)?;
    let header = Header::read(&disk, Bytes::ZERO, disk.size())?.unwrap();
    Ok(header.open(&disk, &passphrase(key))?.keyslot())
}

/// All that is inside.
pub(super) fn payload(image: &Path, key: &[u8]) -> Vec<u8> {
    let file = File::open(image).unwrap();
    let disk = Disk::open(&file).unwrap();
    let header = Header::read(&disk, Bytes::ZERO, disk.size()).unwrap().unwrap();
    let opened = header.open(&disk, &passphrase(key)).unwrap();
    let mut payload = vec![0; opened.size().to_len().unwrap()];
    opened.read(Bytes::ZERO, &mut payload).unwrap();
    payload
}

const ARGON: [&str; 6] =
    ["--pbkdf-force-iterations", "4", "--pbkdf-memory", "1024", "--pbkdf-parallel", "2"];
const PBKDF2: [&str; 4] = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];

#[test]
fn every_sort_that_cryptsetup_formats() {
    let Some(bench) = Bench::new() else { return };
    let argon = |rest: &[&'static str]| [&ARGON, rest].concat();
    let pbkdf2 = |rest: &[&'static str]| [&PBKDF2[..], rest].concat();
    for (number, options) in [
        argon(&["--pbkdf", "argon2id", "--sector-size", "512"]),
        argon(&["--pbkdf", "argon2i", "--sector-size", "4096"]),
        pbkdf2(&["--hash", "sha512"]),
        pbkdf2(&["--luks2-keyslots-size", "512k", "--label", "small"]),
        pbkdf2(&["--luks2-metadata-size", "64k", "--luks2-keyslots-size", "1m"]),
        pbkdf2(&["--offset", "65536"]),
        pbkdf2(&["--key-slot", "7"]),
    ]
    .into_iter()
    .enumerate()
    {
        let (image, key) = (bench.path(&number.to_string()), bench.key(b"key"));
        File::create(&image).unwrap().set_len(40 << 20).unwrap();
        let options: Vec<&OsStr> = options.into_iter().map(OsStr::new).collect();
        let format = args!["luksFormat", "--type", "luks2", "--key-file", &key, &image];
        bench.expect(&[&options[..], format].concat());
        let expected = if number == 6 { 7 } else { 0 };
        assert_eq!(open(&image, b"key").unwrap(), expected, "{options:?}");
        let error = open(&image, b"other").unwrap_err();
        assert!(matches!(error, Error::WrongPassphrase { tried: 1 }), "{options:?}: {error}");
    }
}

#[test]
fn what_cryptsetup_encrypted_is_read() {
    let Some(bench) = Bench::new() else { return };
    let Some(mke2fs) = oracle::need("mke2fs") else { return };
    for sector in ["512", "4096"] {
        let (image, key) = (bench.path(sector), bench.key(b"key"));
        File::create(&image).unwrap().set_len(64 << 20).unwrap();
        // cryptsetup encrypts in place and moves what is there behind its header.
        let size = "32M";
        oracle::expect(
            &mke2fs,
            args!["-q", "-t", "ext4", "-b", "4096", "-L", "inside", &image, size],
        );
        let plain = std::fs::read(&image).unwrap();
        let how = [
            "reencrypt",
            "--encrypt",
            "--type",
            "luks2",
            "--force-offline-reencrypt",
            "--reduce-device-size",
            "32M",
            "--sector-size",
            sector,
        ]
        .map(OsStr::new);
        let with = PBKDF2.map(OsStr::new);
        bench.expect(&[&how[..], &with, args!["--key-file", &key, &image]].concat());
        assert!(payload(&image, b"key")[..32 << 20] == plain[..32 << 20], "{sector}");
        let file = File::open(&image).unwrap();
        let disk = Disk::open(&file).unwrap();
        let header = Header::read(&disk, Bytes::ZERO, disk.size()).unwrap().unwrap();
        let opened = header.open(&disk, &passphrase(b"key")).unwrap();
        let found = superblock::check(&opened, Bytes::ZERO).unwrap();
        let Superblock::Whole(volume) = found else { panic!("{found:?}") };
        assert_eq!((volume.format, volume.label.as_deref()), ("ext4", Some("inside")));
    }
}

#[test]
fn what_is_not_supported_is_said() {
    let Some(bench) = Bench::new() else { return };
    let key = bench.key(b"key");
    for (options, expected) in [
        (["--cipher", "aes-cbc-essiv:sha256"], "the cipher aes-cbc-essiv:sha256"),
        (["--key-size", "256"], "keyslot 0 cannot be tried"),
        (["--sector-size", "2048"], "sectors of 2048"),
    ] {
        let image = bench.path(options[1]);
        File::create(&image).unwrap().set_len(20 << 20).unwrap();
        let options = options.map(OsStr::new);
        let with = PBKDF2.map(OsStr::new);
        let format = args!["luksFormat", "--type", "luks2", "--key-file", &key, &image];
        bench.expect(&[&options[..], &with, format].concat());
        let error = open(&image, b"key").unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn no_luks2_is_none() {
    let Some(bench) = Bench::new() else { return };
    let (image, key) = (bench.path("luks1"), bench.key(b"key"));
    File::create(&image).unwrap().set_len(20 << 20).unwrap();
    let iterations = ["--pbkdf-force-iterations", "1000"].map(OsStr::new);
    let format = args!["luksFormat", "--type", "luks1", "--key-file", &key, &image];
    bench.expect(&[&iterations[..], format].concat());
    for path in [image, bench.key(b"too short for anything")] {
        let file = File::open(path).unwrap();
        let disk = Disk::open(&file).unwrap();
        assert!(Header::read(&disk, Bytes::ZERO, disk.size()).unwrap().is_none());
    }
}
