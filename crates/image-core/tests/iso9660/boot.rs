//! El Torito and the hybrid disk: what firmware finds.

use std::path::Path;

use calve_image_core::disk::hybrid::{self, Hybrid, HybridError};
use calve_image_core::ids::Ids;
use calve_image_core::tree::Source;
use calve_image_core::units::MIB;
use calve_image_core::writers::iso9660::{BiosBoot, BootInfo};

use super::*;
use crate::args;

/// Boot images as programs make them are not at hand everywhere; these have what is looked at.
fn isolinux() -> Vec<u8> {
    let mut image = corpus::noise(1, 40_003);
    // What xorriso knows an isolinux.bin by that starts from a disk too.
    image[64..68].copy_from_slice(&[0xFB, 0xC0, 0x78, 0x70]);
    image
}

fn tree(esp: Bytes) -> Tree {
    let mut corpus = corpus::Corpus::default();
    corpus
        .file("isolinux/isolinux.bin", isolinux())
        .file("grub/core.img", corpus::noise(2, 30_000));
    corpus.file("a/kernel", corpus::noise(3, 1_200_000)).file("version.txt", *b"26.05");
    let mut image = calve_image_core::plan::PlanBuilder::new();
    image.bytes(
        Bytes::ZERO,
        calve_image_core::plan::Label::new("boot sector"),
        corpus::noise(4, 512),
    );
    let image = image.finish(esp).unwrap();
    let image = Source::Plan(std::sync::Arc::new(image));
    corpus.add("boot/efi.img", Entry::file(corpus::meta(0o444), image));
    corpus.build()
}

fn hybrid(mbr: Option<&[u8]>) -> Hybrid<'_> {
    let ids = Ids::from_parts(&[b"test"]);
    Hybrid { id: ids.uuid("disk"), esp: ids.uuid("esp"), files: ids.uuid("files"), mbr }
}

/// Which loaders an image has.
struct Case {
    bios: Option<(&'static str, BootInfo)>,
    efi: Option<Bytes>,
}

impl Case {
    fn disk(&self) -> (Iso, Plan) {
        let tree = tree(self.efi.unwrap_or(MIB));
        let (efi, bios) =
            (path("boot/efi.img"), self.bios.map(|(image, info)| (path(image), info)));
        let bios = bios.as_ref().map(|(image, info)| BiosBoot { image, info: *info });
        let iso = planned(&tree, Boot { bios, efi: self.efi.map(|_| &efi) }).unwrap();
        assert_whole(&iso.plan);
        let code = corpus::noise(5, 432);
        let plan = hybrid::plan(&iso, &hybrid(bios.map(|_| &code[..]))).unwrap();
        assert_eq!((plan.covered(), plan.size()), (iso.plan.size(), iso.plan.size()));
        (iso, plan)
    }
}

/// The lines of xorriso's report that start with one of some words, as words and numbers.
fn lines<'r>(report: &'r str, starts: &[&str]) -> Vec<String> {
    report
        .lines()
        .filter(|line: &&'r str| starts.iter().any(|start| line.starts_with(start)))
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

fn assert_disk_is_clean(disk: &Path) {
    if let Some(sgdisk) = oracle::need("sgdisk") {
        let said = String::from_utf8(oracle::expect(&sgdisk, args!["-v", disk])).unwrap();
        assert!(said.contains("No problems found"), "{said}");
        assert!(!said.to_lowercase().contains("caution"), "{said}");
        assert!(!said.to_lowercase().contains("warning"), "{said}");
    }
    if let Some(blkid) = oracle::need("blkid") {
        let said = oracle::expect(&blkid, args!["-p", "-o", "export", disk]);
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains("TYPE=iso9660") && said.contains("PTTYPE=gpt"), "{said}");
        assert!(said.contains("LABEL=nixos-26.05-x86_64"), "{said}");
    }
}

#[test]
fn isolinux_and_uefi() {
    let bios = Some(("isolinux/isolinux.bin", BootInfo::Isolinux));
    let (iso, plan) = Case { bios, efi: Some(MIB * 3) }.disk();
    insta::assert_snapshot!("hybrid", plan.listing());
    let (_dir, disk) = written(&plan);
    assert_disk_is_clean(&disk);
    let (bios, efi) = (iso.bios.unwrap(), iso.efi.unwrap());
    assert!(efi.start.is_multiple_of(MIB));
    let Some(report) = readers::report(&disk) else { return };
    let (bios, efi) = (bios.at.get() / 2048, efi.start.get());
    assert_eq!(
        lines(&report, &["El Torito boot", "El Torito img"]),
        [
            format!("El Torito boot img : 1 BIOS y none 0x0000 0x00 4 {bios}"),
            format!("El Torito boot img : 2 UEFI y none 0x0000 0x00 6144 {}", efi / 2048),
            "El Torito img path : 1 /isolinux/isolinux.bin".to_owned(),
            "El Torito img opts : 1 boot-info-table isohybrid-suitable".to_owned(),
            "El Torito img path : 2 /boot/efi.img".to_owned(),
        ],
        "{report}"
    );
    let sectors = plan.size().get() / 512;
    assert_eq!(
        lines(&report, &["MBR partition  ", "GPT start", "GPT type", "GPT partition path"]),
        [
            format!("MBR partition : 1 0x00 0xee 1 {}", sectors - 1),
            "MBR partition : 2 0x80 0x00 0 1".to_owned(),
            "GPT type GUID : 1 a2a0d0ebe5b9334487c068b6b72699c7".to_owned(),
            format!("GPT start and size : 1 64 {}", efi / 512 - 64),
            "GPT type GUID : 2 28732ac11ff8d211ba4b00a0c93ec93b".to_owned(),
            format!("GPT start and size : 2 {} 6144", efi / 512),
            "GPT partition path : 2 /boot/efi.img".to_owned(),
        ],
        "{report}"
    );
}

#[test]
fn grub_and_uefi() {
    let bios = Some(("grub/core.img", BootInfo::Grub2));
    let (_, plan) = Case { bios, efi: Some(MIB * 2) }.disk();
    let (_dir, disk) = written(&plan);
    assert_disk_is_clean(&disk);
    let Some(report) = readers::report(&disk) else { return };
    let opts = lines(&report, &["El Torito img opts", "System area summary"]);
    assert_eq!(opts[0], "El Torito img opts : 1 boot-info-table grub2-boot-info", "{report}");
    assert!(opts[1].contains("grub2-mbr") && opts[1].contains("protective"), "{report}");
}

#[test]
fn uefi_alone_is_the_default() {
    let (_, plan) = Case { bios: None, efi: Some(MIB * 2) }.disk();
    let (_dir, disk) = written(&plan);
    assert_disk_is_clean(&disk);
    let Some(report) = readers::report(&disk) else { return };
    let images = lines(&report, &["El Torito boot img", "MBR partition  "]);
    assert!(
        images[0].starts_with("El Torito boot img : 1 UEFI y none 0x0000 0x00 4096 "),
        "{report}"
    );
    assert_eq!(images.len(), 2, "{report}");
}

#[test]
fn a_large_efi_image_is_counted_as_the_rest_of_the_volume() {
    let (iso, plan) = Case { bios: None, efi: Some(MIB * 100) }.disk();
    let (_dir, disk) = written(&plan);
    assert_disk_is_clean(&disk);
    assert_eq!(iso.efi.unwrap().end + TRAILER, plan.size());
    let Some(report) = readers::report(&disk) else { return };
    let images = lines(&report, &["El Torito boot img"]);
    assert!(images[0].starts_with("El Torito boot img : 1 UEFI y none 0x0000 0x00 0 "), "{report}");
    let partitions = lines(&report, &["GPT start and size"]);
    assert!(partitions[1].ends_with(" 204800"), "{report}");
}

#[test]
fn a_bios_image_alone() {
    let bios = Some(("isolinux/isolinux.bin", BootInfo::Isolinux));
    let (_, plan) = Case { bios, efi: None }.disk();
    let (_dir, disk) = written(&plan);
    assert_disk_is_clean(&disk);
    let Some(report) = readers::report(&disk) else { return };
    let images = lines(&report, &["El Torito boot img"]);
    assert!(images.len() == 1 && images[0].contains(" 1 BIOS y none "), "{report}");
}

#[test]
fn boot_images_that_are_not_there_are_refused() {
    let tree = tree(MIB);
    let error = |bios, efi| planned(&tree, Boot { bios, efi }).unwrap_err().to_string();
    let (missing, small, efi) = (path("missing"), path("version.txt"), path("boot/efi.img"));
    let directory = path("boot");
    let bios = |image| Some(BiosBoot { image, info: BootInfo::Grub2 });
    assert_eq!(
        error(bios(&missing), None),
        "the BIOS boot image /missing is not in the tree, or is no file"
    );
    assert_eq!(
        error(None, Some(&directory)),
        "the EFI boot image /boot is not in the tree, or is no file"
    );
    let said = error(bios(&small), None);
    assert!(said.contains("/version.txt has 5 bytes: expected at least 2556 in memory"), "{said}");
    assert!(error(bios(&efi), None).contains("/boot/efi.img has 0 bytes"));
    let (iso, _) = Case { bios: None, efi: Some(MIB) }.disk();
    let refused = hybrid::plan(&iso, &hybrid(Some(&[0; 440]))).unwrap_err();
    assert_eq!(refused, HybridError::NothingToStart);
}
