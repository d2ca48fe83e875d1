//! The copy, the comparison, and what the device is whenever they stop.

use std::io::Write;
use std::path::PathBuf;

use calve_image_core::disk::gpt::{Entry, Gpt};
use calve_image_core::region::{self, FreshFile, Keys, Region};
use calve_image_core::units::SectorSize;

use super::super::fake::{Fake, Notes, OLD};
use super::super::finish::{Backup, move_backup};
use super::super::*;

const SIZE: usize = 9 << 20;

/// A file of a directory of its own.
pub(super) struct Sample {
    directory: tempfile::TempDir,
}

impl Sample {
    pub(super) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join("image")
    }

    pub(super) fn write(&self, bytes: &[u8]) -> PathBuf {
        std::fs::write(self.path(), bytes).unwrap();
        self.path()
    }
}

/// A disk of 9 MiB with a GPT, a partition with bytes at its beginning and zeros after.
pub(super) fn disk(sector: SectorSize) -> Vec<u8> {
    let sample = Sample::new();
    let partition = Entry {
        kind: "0fc63daf-8483-4772-8e79-3d69d8477de4".parse().unwrap(),
        id: "11111111-2222-3333-4444-555555555555".parse().unwrap(),
        start: MIB,
        size: MIB * 7,
        attributes: 1 << 60,
        name: "n\u{f6}".to_owned(),
    };
    let id = "99999999-2222-3333-4444-555555555555".parse().unwrap();
    let size = Bytes::from_len(SIZE);
    let plan = Gpt { sector, size, id, entries: vec![partition] }.plan().unwrap();
    let mut options = std::fs::File::options();
    let file = options.read(true).write(true).create_new(true).open(sample.path()).unwrap();
    let region = FreshFile::new(&file);
    let options = region::Options::default();
    region::write(&plan, Region::Random(&region), &Keys::none(), &options).unwrap();
    let mut bytes = std::fs::read(sample.path()).unwrap();
    bytes[1 << 20..3 << 20].iter_mut().zip(0u32..).for_each(|(byte, n)| *byte = (n % 251) as u8);
    bytes
}

fn copied(fake: &Fake, image: &Image, cancel: &Cancel) -> (Result<Bytes, Error>, Notes) {
    let watch = Notes::default();
    let job = Job { image, target: fake, watch: &watch, cancel };
    let size = copy::copy(&job).and_then(|size| compare::compare(&job, size).map(|()| size));
    (size, watch)
}

#[test]
fn the_image_is_there_and_nothing_shows_through() {
    let (sample, bytes) = (Sample::new(), disk(SectorSize::B512));
    let image = Image::open(&sample.write(&bytes)).unwrap();
    let fake = Fake::new(SIZE + (3 << 20));
    let (size, watch) = copied(&fake, &image, &Cancel::new());
    assert_eq!(size.unwrap(), Bytes::of(&bytes));
    let found = fake.bytes();
    assert!(found[..SIZE] == bytes[..]);
    // Old bytes stay where no reader looks, but not at the end, where backups lie.
    assert!(found[SIZE..SIZE + (2 << 20)].iter().all(|byte| *byte == OLD));
    assert!(found[SIZE + (2 << 20)..].iter().all(|byte| *byte == 0));
    let notes = watch.0.lock().unwrap().clone();
    let whole = Bytes::of(&bytes);
    assert_eq!(notes, [(Act::Write, whole, whole), (Act::Compare, whole, whole)]);
}

#[test]
fn the_beginning_comes_last_and_zeros_are_zeroed() {
    let (sample, bytes) = (Sample::new(), disk(SectorSize::B512));
    let image = Image::open(&sample.write(&bytes)).unwrap();
    let fake = Fake::new(16 << 20);
    copied(&fake, &image, &Cancel::new()).0.unwrap();
    let (kib, mib) = (1 << 10, 1 << 20);
    assert_eq!(
        fake.done(),
        [
            format!("zero {}+{mib}", 15 * mib),
            format!("zero 0+{mib}"),
            "flush 0+0".to_owned(),
            format!("write {mib}+{}", 3 * mib),
            format!("zero {}+{}", 4 * mib, 4 * mib),
            format!("write {}+{}", 8 * mib, 1024 * kib),
            "flush 0+0".to_owned(),
            format!("write 0+{mib}"),
            "flush 0+0".to_owned(),
        ]
    );
}

#[test]
fn an_odd_end_is_filled_with_zeros() {
    let sample = Sample::new();
    let mut bytes = vec![7; 5000];
    bytes[4086..4096].copy_from_slice(b"SWAPSPACE2");
    let image = Image::open(&sample.write(&bytes)).unwrap();
    let fake = Fake { sector: Bytes::new(4096), ..Fake::new(2 << 20) };
    assert_eq!(copied(&fake, &image, &Cancel::new()).0.unwrap(), Bytes::new(5000));
    let found = fake.bytes();
    assert_eq!(found[..5000], bytes);
    assert!(found[5000..8192].iter().all(|byte| *byte == 0));
}

/// Whenever it breaks, the device is as it was, or blank at its beginning.
#[test]
fn a_device_that_breaks_never_looks_whole() {
    let (sample, bytes) = (Sample::new(), disk(SectorSize::B512));
    let image = Image::open(&sample.write(&bytes)).unwrap();
    for breaks_after in 0..9 {
        let fake = Fake { breaks_after: Some(breaks_after), ..Fake::new(16 << 20) };
        let (failed, _) = copied(&fake, &image, &Cancel::new());
        assert!(failed.is_err());
        let head = &fake.bytes()[..1 << 20];
        let expected = match breaks_after {
            0 | 1 => OLD,
            2..=7 => 0,
            // The last flush: everything is there, though nobody knows.
            _ => continue,
        };
        assert!(head.iter().all(|byte| *byte == expected), "{breaks_after}");
    }
}

#[test]
fn a_byte_that_is_not_kept_is_named_and_nothing_starts() {
    let (sample, bytes) = (Sample::new(), disk(SectorSize::B512));
    let image = Image::open(&sample.write(&bytes)).unwrap();
    for bad in [(1 << 20) + 4321, (5 << 20) + 1] {
        let fake = Fake { bad: Some(bad), ..Fake::new(16 << 20) };
        let expected = bytes[bad];
        match copied(&fake, &image, &Cancel::new()).0 {
            Err(Error::Differs { at, expected: should, found }) => {
                assert_eq!((at, should, found), (bad as u64, expected, OLD));
            }
            other => panic!("{other:?}"),
        }
        assert!(fake.bytes()[..1 << 20].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn whoever_says_stop_is_obeyed() {
    let (sample, bytes) = (Sample::new(), disk(SectorSize::B512));
    let image = Image::open(&sample.write(&bytes)).unwrap();
    let (fake, cancel) = (Fake::new(16 << 20), Cancel::new());
    cancel.cancel();
    assert!(matches!(copied(&fake, &image, &cancel).0, Err(Error::Cancelled)));
    assert_eq!(fake.done(), [] as [String; 0]);
}

#[test]
fn what_is_compressed_may_turn_out_to_be_too_large() {
    let sample = Sample::new();
    let mut bytes = vec![0x55; 3 << 20];
    bytes[4086..4096].copy_from_slice(b"SWAPSPACE2");
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.write_all(&bytes).unwrap();
    let image = Image::open(&sample.write(&encoder.finish().unwrap())).unwrap();
    let fake = Fake::new(2 << 20);
    let failed = copied(&fake, &image, &Cancel::new()).0;
    assert!(matches!(failed, Err(Error::TooLarge { size: 0x20_0000 })), "{failed:?}");
}

#[test]
fn the_backup_moves_to_the_end_and_nothing_else_changes() {
    for sector in SectorSize::ALL {
        let (sample, bytes) = (Sample::new(), disk(sector));
        let image = Image::open(&sample.write(&bytes)).unwrap();
        assert_eq!(image.sector_size(), Some(sector));
        // An odd size: a whole number of sectors, and no more.
        let size = (16 << 20) + 5 * 4096;
        let fake = Fake { sector: sector.bytes(), ..Fake::new(size) };
        copied(&fake, &image, &Cancel::new()).0.unwrap();
        assert_eq!(move_backup(&fake).unwrap(), Backup::Moved);
        let moved = fake.bytes();
        let unit = sector.bytes().to_len().unwrap();
        assert!(moved[2 * unit..SIZE] == bytes[2 * unit..]);
        assert_eq!(&moved[size - unit..size - unit + 8], b"EFI PART");
        let disk = sample.write(&moved);
        let table =
            calve_image_core::inspect::inspect(&std::fs::File::open(disk).unwrap()).unwrap();
        assert_eq!((table.size, table.partitions.len()), (Bytes::from_len(size), 1));
        // A second time there is nothing to do.
        assert_eq!(move_backup(&fake).unwrap(), Backup::InPlace);
        assert!(fake.bytes() == moved);
    }
}

/// A device that is a few sectors larger: the new backup lies over the old one.
#[test]
fn a_device_that_is_hardly_larger() {
    let (sample, bytes) = (Sample::new(), disk(SectorSize::B512));
    let copy = Sample::new();
    let image = Image::open(&sample.write(&bytes)).unwrap();
    for more in [512, 5 * 512, 33 * 512, 34 * 512] {
        let fake = Fake::new(SIZE + more);
        copied(&fake, &image, &Cancel::new()).0.unwrap();
        assert_eq!(move_backup(&fake).unwrap(), Backup::Moved);
        sgdisk_says_nothing(&copy.write(&fake.bytes()));
    }
    let fake = Fake::new(SIZE);
    copied(&fake, &image, &Cancel::new()).0.unwrap();
    assert_eq!(move_backup(&fake).unwrap(), Backup::InPlace);
    sgdisk_says_nothing(&copy.write(&fake.bytes()));
}

/// Somebody else's judgement of a table.
fn sgdisk_says_nothing(disk: &std::path::Path) {
    let sgdisk = ["/usr/sbin/sgdisk", "/usr/bin/sgdisk", "/sbin/sgdisk"];
    let Some(sgdisk) = sgdisk.into_iter().find(|path| std::path::Path::new(path).exists()) else {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI must not skip: sgdisk");
        return eprintln!("SKIPPED: sgdisk is not installed");
    };
    let output = std::process::Command::new(sgdisk).arg("-v").arg(disk).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("No problems found"), "{said}");
}
