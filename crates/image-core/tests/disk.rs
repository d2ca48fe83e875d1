//! Whole disks, judged by `sgdisk`, the `gpt` crate, the checkers of each file system and `blkid`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::as_conversions, clippy::disallowed_methods)]

mod contract;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use calve_image_core::disk::{
    self, Architecture, DiskSize, Ext4Fill, Fill, Geometry, Given, Keyslots, Layout, LayoutError,
    Partition, PartitionKind, Size, SwapFill, VfatFill,
};
use calve_image_core::epoch::Epoch;
use calve_image_core::ids::Ids;
use calve_image_core::plan::Plan;
use calve_image_core::tree::{Tree, TreePath};
use calve_image_core::units::{Bytes, MIB, SectorSize};
use contract::corpus::{self, Corpus};
use contract::{image, oracle};

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

/// An ESP and a root, as most machines have them.
fn layout(sector: SectorSize) -> Layout {
    let esp = VfatFill { label: Some("ESP".to_owned()), ..VfatFill::new(path("/boot")) };
    let root = Ext4Fill { label: Some("nixos".to_owned()), ..Ext4Fill::new(path("/")) };
    let root = Ext4Fill { reserve: MIB * 64, ..root };
    let esp = Partition::new("ESP", PartitionKind::Esp, Fill::Vfat(esp));
    let root = Partition::new("r\u{f6}\u{f6}t", PartitionKind::Root, Fill::Ext4(root));
    Layout::new(
        sector,
        vec![Partition { minimum: MIB * 48, ..esp }, Partition { size: Size::Rest, ..root }],
    )
}

fn trees(layout: &Layout) -> Vec<Tree> {
    let mut corpus = Corpus::default();
    corpus.file("boot/EFI/BOOT/BOOTX64.EFI", corpus::noise(1, 100_000));
    corpus.file("nix/store/a/bin/sh", corpus::noise(2, 3_000_000)).symlink("bin", "nix/store/a");
    corpus.build().split(&layout.mounts(), Epoch::STORE).unwrap()
}

fn resolve(layout: &Layout, trees: &[Tree]) -> Result<Geometry, LayoutError> {
    let ids = Ids::from_parts(&[b"test"]);
    let epoch = Epoch::new(1_700_000_000);
    let architecture = Architecture::X86_64;
    let keyslots = Keyslots::default();
    layout.resolve(&Given { trees, ids: &ids, epoch, architecture, keyslots: &keyslots })
}

fn made(layout: &Layout) -> (Geometry, Plan) {
    let trees = trees(layout);
    let geometry = resolve(layout, &trees).unwrap();
    let plan = disk::plan(&geometry, &trees).unwrap();
    assert_eq!(plan.size(), geometry.size);
    (geometry, plan)
}

fn poisoned(plan: &Plan) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    image::write_poisoned(plan, file.path(), image::POISON);
    file
}

/// Copies a partition out of a disk.
fn partition(disk: &Path, start: Bytes, size: Bytes) -> tempfile::NamedTempFile {
    let mut disk = File::open(disk).unwrap();
    disk.seek(SeekFrom::Start(start.get())).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::io::copy(&mut disk.take(size.get()), &mut file.as_file()).unwrap();
    file
}

#[test]
fn every_part_of_a_disk_is_clean_at_both_sector_sizes() {
    for sector in SectorSize::ALL {
        let (geometry, plan) = made(&layout(sector));
        let image = poisoned(&plan);
        let [esp, root] = geometry.partitions.as_slice() else { panic!("two partitions") };
        let esp = partition(image.path(), esp.start, esp.size);
        let root = partition(image.path(), root.start, root.size);
        if let Some(fsck) = oracle::need("fsck.fat") {
            oracle::expect(&fsck, args!["-n", esp.path()]);
        }
        if let Some(e2fsck) = oracle::need("e2fsck") {
            oracle::expect(&e2fsck, args!["-fn", root.path()]);
        }
        let Some(blkid) = oracle::need("blkid") else { continue };
        let said = |file: &Path| {
            let output = oracle::expect(&blkid, args!["-p", "-o", "export", file]);
            String::from_utf8(output).unwrap()
        };
        let (disk, esp, root) = (said(image.path()), said(esp.path()), said(root.path()));
        assert!(sector != SectorSize::B512 || disk.contains("PTTYPE=gpt"), "{disk}");
        assert!(esp.contains("TYPE=vfat") && esp.contains("LABEL=ESP"), "{esp}");
        assert!(root.contains("TYPE=ext4") && root.contains("LABEL=nixos"), "{root}");
    }
}

#[test]
fn sgdisk_finds_no_problem() {
    let Some(sgdisk) = oracle::need("sgdisk") else { return };
    for size in [DiskSize::Auto, DiskSize::Fixed(Bytes::new((300 << 20) + 512))] {
        let (_, plan) = made(&Layout { size, ..layout(SectorSize::B512) });
        let image = poisoned(&plan);
        let said = oracle::expect(&sgdisk, args!["-v", image.path()]);
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains("No problems found"), "{said}");
        assert!(!said.to_lowercase().contains("caution"), "{said}");
        let shown = oracle::expect(&sgdisk, args!["-i", "2", image.path()]);
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.contains("4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"), "{shown}");
        assert!(shown.contains("First sector: 100352 (at 49.0 MiB)"), "{shown}");
        assert!(
            shown.contains("Partition name: 'r\u{f6}\u{f6}t'") || shown.contains("'r??t'"),
            "{shown}"
        );
    }
}

#[test]
fn the_gpt_crate_reads_what_was_decided() {
    for sector in SectorSize::ALL {
        let (geometry, plan) = made(&layout(sector));
        let image = poisoned(&plan);
        let size = match sector {
            SectorSize::B512 => gpt::disk::LogicalBlockSize::Lb512,
            SectorSize::B4096 => gpt::disk::LogicalBlockSize::Lb4096,
        };
        let config = gpt::GptConfig::new().writable(false).logical_block_size(size);
        let read = config.open(image.path()).unwrap();
        assert_eq!(read.guid().to_string(), geometry.id.to_string());
        assert!(read.backup_header().is_ok());
        assert_eq!(read.partitions().len(), 2);
        for (theirs, ours) in read.partitions().values().zip(&geometry.partitions) {
            assert_eq!(theirs.name, ours.name);
            assert_eq!(theirs.part_guid.to_string(), ours.id.to_string());
            let expected = ours.type_guid.to_string();
            assert_eq!(theirs.part_type_guid.guid.to_string().to_lowercase(), expected);
            assert_eq!(theirs.bytes_start(size).unwrap(), ours.start.get());
            assert_eq!(theirs.bytes_len(size).unwrap(), ours.size.get());
        }
    }
}

#[test]
fn the_kernel_reads_a_table_of_4096_byte_sectors() {
    if !oracle::may_mount() {
        return;
    }
    let Some(losetup) = oracle::need("losetup") else { return };
    let Some(sgdisk) = oracle::need("sgdisk") else { return };
    let (_, plan) = made(&layout(SectorSize::B4096));
    let image = poisoned(&plan);
    let device = oracle::expect(&losetup, args!["-r", "-b", "4096", "--show", "-f", image.path()]);
    let device = String::from_utf8(device).unwrap();
    let said = oracle::run(&sgdisk, args!["-v", device.trim()]);
    oracle::expect(&losetup, args!["-d", device.trim()]);
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("No problems found"), "{said}");
}

#[test]
fn sizes_come_from_the_contents_and_the_rest_from_the_disk() {
    let layout = layout(SectorSize::B512);
    let trees = trees(&layout);
    let auto = resolve(&layout, &trees).unwrap();
    let [esp, root] = auto.partitions.as_slice() else { panic!("two partitions") };
    assert_eq!((esp.start, esp.size, root.start), (MIB, MIB * 48, MIB * 49));
    assert_eq!(root.size, (root.needed + MIB * 64).align_up(MIB));
    assert_eq!(auto.size, root.start + root.size + MIB);
    let fixed = Layout { size: DiskSize::Fixed(MIB * 400), ..layout.clone() };
    let fixed = resolve(&fixed, &trees).unwrap();
    assert_eq!(fixed.partitions[1].size, MIB * (400 - 49 - 1));
    assert_eq!(fixed.partitions[1].id, auto.partitions[1].id);
}

#[test]
fn what_has_no_room_is_refused_by_name() {
    let said = |layout: &Layout| resolve(layout, &trees(layout)).unwrap_err().to_string();
    let base = layout(SectorSize::B512);
    let small = Layout { size: DiskSize::Fixed(MIB * 80), ..base.clone() };
    let text = said(&small);
    assert!(text.starts_with("partition \"r\u{f6}\u{f6}t\" needs "), "{text}");
    assert!(
        text.ends_with("MiB of contents, 64 MiB of reserve) but the layout leaves 30 MiB"),
        "{text}"
    );
    let mut fixed = base.clone();
    fixed.partitions[0].size = Size::Fixed(MIB);
    let text = said(&fixed);
    assert_eq!(text, "partition \"ESP\" needs 4 MiB but the layout leaves 1 MiB");
    let mut over = Layout { size: DiskSize::Fixed(MIB * 80), ..base.clone() };
    over.partitions[1].size = Size::Fixed(MIB * 90);
    let text = said(&over);
    assert_eq!(text, "partition \"r\u{f6}\u{f6}t\" needs 90 MiB but the layout leaves 30 MiB");
    let mut twice = base;
    twice.partitions[0].size = Size::Rest;
    assert!(said(&twice).contains("both take the rest of the disk"));
}

#[test]
fn the_edges_of_disk_and_partitions_are_never_gaps() {
    let mut layout = layout(SectorSize::B4096);
    let spare = Partition::new("spare", PartitionKind::Linux, Fill::Empty);
    layout.partitions.push(Partition { size: Size::Fixed(MIB * 5), ..spare });
    let (geometry, plan) = made(&layout);
    let parts = geometry.partitions.iter().map(|part| (part.start, part.size));
    for (start, size) in parts.chain([(Bytes::ZERO, geometry.size)]) {
        for edge in [start, start + size - MIB] {
            let mut at = edge;
            for piece in &plan.pieces()[plan.piece_after(edge)..] {
                if at >= edge + MIB {
                    break;
                }
                assert!(piece.offset <= at, "gap at {}", at.get());
                at = piece.end();
            }
            assert!(at >= edge + MIB, "gap at {}", at.get());
        }
    }
}

/// A MiB in which every block of 64 KiB starts what used to be something else.
fn signatures() -> Vec<u8> {
    let mut poison = vec![0xD1; 1 << 20];
    for (block, at, magic) in [
        (0, 0, &b"LUKS\xba\xbe\0\x02"[..]),
        (1, 0, b"XFSB\0\0\x10\0"),
        (2, 512, b"LABELONE"),
        (3, 4086, b"SWAPSPACE2"),
        (4, 0x438, b"\x53\xef"),
        (5, 4096, b"\xfc\x4e\x2b\xa9"),
        (6, 0, b"hsqs"),
        (7, 1024, b"\xe2\xe1\xf5\xe0"),
        (8, 64, b"_BHRfS_M"),
        (9, 510, b"\x55\xaa"),
        (10, 512, b"EFI PART"),
        (11, 1024, b"\x0c\xb1\xba\0\0\0\0\0"),
    ] {
        let start = (block << 16) + at;
        poison[start..start + magic.len()].copy_from_slice(magic);
    }
    // The same in the first blocks, where each of them is looked for.
    for (at, magic) in [
        (0, &b"LUKS\xba\xbe\0\x02"[..]),
        (512, b"LABELONE"),
        (4086, b"SWAPSPACE2"),
        (0x10040, b"_BHRfS_M"),
    ] {
        poison[at..at + magic.len()].copy_from_slice(magic);
    }
    poison
}

#[test]
fn nothing_that_was_there_before_is_recognised() {
    let Some(blkid) = oracle::need("blkid") else { return };
    let mut layout = layout(SectorSize::B512);
    let spare = Partition::new("spare", PartitionKind::Linux, Fill::Empty);
    layout.partitions.push(Partition { size: Size::Fixed(MIB * 5), ..spare });
    let (geometry, plan) = made(&layout);
    let image = tempfile::NamedTempFile::new().unwrap();
    image::write_poisoned(&plan, image.path(), &signatures());
    let found = |file: &Path| {
        let output = oracle::run(&blkid, args!["-p", "-o", "export", file]);
        let said = String::from_utf8(output.stdout).unwrap();
        let kinds =
            said.lines().filter(|line| line.starts_with("TYPE=") || line.starts_with("PTTYPE="));
        kinds.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(found(image.path()), "PTTYPE=gpt");
    let kinds = geometry
        .partitions
        .iter()
        .map(|part| found(partition(image.path(), part.start, part.size).path()));
    assert_eq!(kinds.collect::<Vec<_>>(), ["TYPE=vfat", "TYPE=ext4", ""]);
}

#[test]
fn swap_is_an_area_or_a_blank() {
    let mut layout = layout(SectorSize::B512);
    let swap = SwapFill { label: Some("swap".to_owned()), uuid: None };
    for (name, fill) in [("swap", Fill::Swap(swap)), ("random", Fill::RandomSwap)] {
        let part = Partition::new(name, PartitionKind::Swap, fill);
        layout.partitions.push(Partition { size: Size::Fixed(MIB * 5), ..part });
    }
    let (geometry, plan) = made(&layout);
    let [_, _, swap, random] = geometry.partitions.as_slice() else { panic!("four partitions") };
    assert_eq!((swap.size, random.size), (MIB * 5, MIB * 5));
    let Some(blkid) = oracle::need("blkid") else { return };
    let image = tempfile::NamedTempFile::new().unwrap();
    image::write_poisoned(&plan, image.path(), &signatures());
    let found = |part: &disk::Placed| {
        let file = partition(image.path(), part.start, part.size);
        let output = oracle::run(&blkid, args!["-p", "-o", "export", file.path()]);
        String::from_utf8(output.stdout).unwrap()
    };
    let said = found(swap);
    assert!(said.contains("TYPE=swap") && said.contains("LABEL=swap"), "{said}");
    assert!(!found(random).contains("TYPE="), "{}", found(random));
}

#[test]
fn ids_that_the_layout_names_are_kept() {
    let mut layout = layout(SectorSize::B512);
    let id = |last: u128| uuid::Uuid::from_u128(0xC0FF_EE00 + last);
    layout.id = Some(id(1));
    layout.partitions[1].id = Some(id(2));
    let Fill::Vfat(esp) = &mut layout.partitions[0].content else { panic!("an ESP") };
    esp.serial = Some(0xABCD_1234);
    let Fill::Ext4(root) = &mut layout.partitions[1].content else { panic!("a root") };
    root.uuid = Some(id(3));
    let (geometry, plan) = made(&layout);
    assert_eq!((geometry.id, geometry.partitions[1].id), (id(1), id(2)));
    let Some(blkid) = oracle::need("blkid") else { return };
    let image = poisoned(&plan);
    let uuid = |index: usize| {
        let part = &geometry.partitions[index];
        let file = partition(image.path(), part.start, part.size);
        let said = oracle::expect(&blkid, args!["-p", "-o", "value", "-s", "UUID", file.path()]);
        String::from_utf8(said).unwrap().trim().to_owned()
    };
    assert_eq!((uuid(0), uuid(1)), ("ABCD-1234".to_owned(), id(3).to_string()));
}

#[test]
fn two_plans_of_one_disk_are_the_same() {
    let listing = || made(&layout(SectorSize::B512)).1.listing();
    assert_eq!(listing(), listing());
}

/// The bytes are part of what users build on: a change here changes images. The file systems have
/// pins of their own.
#[test]
fn the_table_is_pinned() {
    let listing = made(&layout(SectorSize::B512)).1.listing();
    let table = listing.lines().filter(|line| line.contains(" gpt/") || line.contains(" edge of"));
    insta::assert_snapshot!("table", table.collect::<Vec<_>>().join("\n"));
}
