//! qcow2 images, judged by `qemu-img`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::as_conversions, clippy::disallowed_methods)]

mod contract;

use std::path::Path;

use calve_image_core::disk::qcow2::{self, Qcow2Error};
use calve_image_core::plan::{Cipher, Content, KeyId, Label, Plan, PlanBuilder, Sealed};
use calve_image_core::tree::HostDir;
use calve_image_core::units::{Bytes, GIB, KIB, MIB, SectorSize};
use contract::{corpus, image, oracle};

/// A disk of bytes and zeros wherever the seed says, some across clusters and L2 tables.
fn scattered(seed: u64, size: Bytes) -> Plan {
    let mut plan = PlanBuilder::new();
    let numbers = corpus::noise(seed, 400);
    let mut at = 0;
    for (number, bytes) in (0..).zip(numbers.chunks(4)) {
        let gap = u64::from(bytes[0]) * 700 * (size.get() >> 24).max(1);
        let len = u64::from(u16::from_le_bytes([bytes[1], bytes[2]])) * 3 + 1;
        let start = at + if bytes[3].is_multiple_of(3) { 0 } else { gap };
        if start + len > size.get() {
            break;
        }
        let label = Label::numbered("piece", number);
        if bytes[3] < 100 {
            plan.zeros(Bytes::new(start), Bytes::new(len), label);
        } else {
            plan.bytes(Bytes::new(start), label, corpus::noise(seed + start, len as usize));
        }
        at = start + len;
    }
    plan.finish(size).unwrap()
}

/// Panics unless the image is sound and holds, bit for bit, what the disk does.
fn assert_same(disk: &Plan) {
    let Some(qemu_img) = oracle::need("qemu-img") else { return };
    let image = qcow2::plan(disk).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let (raw, clean, poisoned) = (file("disk.raw"), file("clean.qcow2"), file("poisoned.qcow2"));
    image::write_sparse(disk, &raw);
    image::write_sparse(&image, &clean);
    check(&qemu_img, &clean);
    let info = oracle::expect(&qemu_img, args!["info", "--output=json", &clean]);
    let size = format!("\"virtual-size\": {},", disk.size().get());
    assert!(String::from_utf8(info).unwrap().contains(&size), "expected {size}");
    oracle::expect(&qemu_img, args!["compare", "-f", "raw", "-F", "qcow2", &raw, &clean]);
    if image.size() > GIB {
        return;
    }
    image::write_poisoned(&image, &poisoned, image::POISON);
    check(&qemu_img, &poisoned);
    let back = file("back.raw");
    oracle::expect(&qemu_img, args!["convert", "-O", "raw", &poisoned, &back]);
    if disk.size() <= GIB {
        let back = std::fs::read(back).unwrap();
        for piece in disk.pieces() {
            let range = piece.offset.to_len().unwrap()..piece.end().to_len().unwrap();
            let found = &back[range];
            match &piece.content {
                Content::Bytes(data) => assert!(found == &data[..], "{}", disk.label(piece)),
                Content::Zeros => {
                    assert!(found.iter().all(|byte| *byte == 0), "{}", disk.label(piece));
                }
                Content::Host { .. } | Content::Secret { .. } | Content::Sealed { .. } => {}
            }
        }
    }
}

fn check(qemu_img: &Path, image: &Path) {
    let said = oracle::expect(qemu_img, args!["check", "-f", "qcow2", image]);
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("No errors were found on the image."), "{said}");
}

#[test]
fn scattered_disks_come_back_as_they_were() {
    for seed in 1..12 {
        assert_same(&scattered(seed, MIB * 16 + KIB * seed));
    }
}

#[test]
fn disks_far_larger_than_their_contents_are_small() {
    assert_same(&PlanBuilder::new().finish(Bytes::ZERO).unwrap());
    assert_same(&PlanBuilder::new().finish(GIB * 600).unwrap());
    assert_same(&scattered(3, GIB * 2));
    let mut plan = PlanBuilder::new();
    let border = MIB * 512;
    plan.bytes(border - KIB * 100, Label::new("across two l2 tables"), corpus::noise(1, 300_000));
    plan.bytes(GIB * 900 - Bytes::new(1), Label::new("last byte"), *b"!");
    let disk = plan.finish(GIB * 900).unwrap();
    let image = qcow2::plan(&disk).unwrap();
    assert!(image.size() < MIB * 2, "{}", image.size());
    assert_same(&disk);
}

#[test]
fn more_clusters_than_one_refcount_block_counts() {
    let directory = tempfile::tempdir().unwrap();
    let size = GIB * 2 + KIB * 64;
    std::fs::File::create(directory.path().join("large")).unwrap().set_len(size.get()).unwrap();
    let source = HostDir::open(directory.path()).unwrap().file(b"large").unwrap();
    let mut plan = PlanBuilder::new();
    plan.source(MIB, Label::new("file"), &source);
    let image = qcow2::plan(&plan.finish(GIB * 5).unwrap()).unwrap();
    let Some(qemu_img) = oracle::need("qemu-img") else { return };
    let file = directory.path().join("image.qcow2");
    image::write_sparse(&image, &file);
    check(&qemu_img, &file);
}

#[test]
fn labels_keep_their_places_and_zeros_are_left_out() {
    let mut root = PlanBuilder::new();
    root.bytes(Bytes::new(0), Label::new("superblock"), *b"ext4");
    root.zeros(MIB, MIB, Label::new("journal"));
    let mut disk = PlanBuilder::new();
    disk.nest(MIB, "root", &root.finish(MIB * 4).unwrap());
    let image = qcow2::plan(&disk.finish(MIB * 8).unwrap()).unwrap();
    let listing = image.listing();
    assert!(listing.contains(" bytes root/superblock "), "{listing}");
    assert!(!listing.contains("journal"), "{listing}");
    assert_eq!(image.size(), KIB * 64 * 6);
}

#[test]
fn encrypted_parts_are_stored_where_they_hold_ciphertext() {
    let mut inner = PlanBuilder::new();
    inner.bytes(KIB * 70, Label::new("data"), *b"secret");
    inner.zeros(MIB * 2, KIB, Label::new("zeros, which are not zero when encrypted"));
    let inner = inner.finish(MIB * 4).unwrap();
    let cipher = Cipher::AesXtsPlain64 { sector: SectorSize::B4096 };
    let sealed = Sealed { inner, cipher, key: KeyId("key".into()) };
    let mut disk = PlanBuilder::new();
    disk.sealed(MIB, Label::new("payload"), sealed).unwrap();
    let image = qcow2::plan(&disk.finish(MIB * 8).unwrap()).unwrap();
    let sealed = |content: &Content| match content {
        Content::Sealed { start, .. } => Some(start.get() >> 10),
        Content::Bytes(_) | Content::Zeros | Content::Host { .. } | Content::Secret { .. } => None,
    };
    let starts: Vec<_> = image.pieces().iter().filter_map(|piece| sealed(&piece.content)).collect();
    assert_eq!(starts, [64, 2048]);
}

#[test]
fn disks_that_qcow2_cannot_hold_are_refused() {
    let disk = |size| PlanBuilder::new().finish(size).unwrap();
    let said = qcow2::plan(&disk(Bytes::new(513))).unwrap_err();
    assert_eq!(said.to_string(), "a qcow2 disk of 513 bytes: expected a multiple of 512");
    let said = qcow2::plan(&disk(GIB * (1 << 22))).unwrap_err();
    assert!(matches!(said, Qcow2Error::TooLarge { .. }), "{said}");
}
