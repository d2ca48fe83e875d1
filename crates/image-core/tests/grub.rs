//! GRUB's images, judged by the program that makes them elsewhere: `grub-mkimage`, with the same modules.
//!
//! The folders of GRUB are those that were installed with the judge: one `grub-mkimage` cannot judge
//! another version's files.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, missing_docs)]
#![allow(clippy::disallowed_methods, dead_code)]

mod contract;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use calve_image_core::boot::grub::{self, Error, Grub, Platform};
use calve_image_core::boot::systemd_boot::Machine;
use calve_image_core::inputs::closure::{Closure, PathInfo};
use calve_image_core::inputs::nar_hash::NarHash;
use calve_image_core::inputs::store::HostStore;
use calve_image_core::inputs::store_path::StorePath;
use contract::oracle::{expect, need, skip};

const PREFIX: &str = "/boot/grub";

/// Debian keeps platforms in packages of their own.
const PATHS: [(Platform, &str); 3] = [
    (Platform::Bios, "p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-grub-pc-bin-1"),
    (Platform::Efi(Machine::X86_64), "31nfjp6r58f3bm5ddfyc1f23kh7674vw-grub-efi-amd64-bin-1"),
    (Platform::Efi(Machine::Aarch64), "dkjkx193vdcfsb620i6awinym48z03lq-grub-efi-arm64-bin-1"),
];

/// A chroot store with the GRUB that lies beside the judge.
struct Sample {
    judge: PathBuf,
    root: tempfile::TempDir,
    store: HostStore,
    closure: Closure,
}

impl Sample {
    fn new() -> Option<Self> {
        let judge = need("grub-mkimage")?;
        let installed = judge.parent().unwrap().parent().unwrap().join("lib/grub");
        let root = tempfile::tempdir().unwrap();
        let mut paths = Vec::new();
        for (platform, base) in PATHS {
            let from = installed.join(platform.name());
            if from.is_dir() {
                let to = root.path().join("nix/store").join(base).join("usr/lib/grub");
                copy(&from, &to.join(platform.name()));
                paths.push(StorePath::from_base_name(base).unwrap());
            }
        }
        let closure = Closure::of(paths.iter().cloned().map(info), &paths).unwrap();
        let store = HostStore::at(root.path());
        Some(Self { judge, root, store, closure })
    }

    fn grub(&self) -> Grub {
        Grub::find(&self.store, &self.closure).unwrap().unwrap()
    }

    /// Whether the judge has the platform; where not, the reason has been printed.
    fn has(&self, platform: Platform) -> bool {
        let has = self.grub().is_for(platform);
        if !has {
            // CI has no foreign architecture's packages.
            eprintln!("SKIPPED: no GRUB for {platform} is installed");
        }
        has
    }

    fn file(&self, platform: Platform, name: &str) -> PathBuf {
        let (_, base) = PATHS.into_iter().find(|(known, _)| *known == platform).unwrap();
        let folder = self.root.path().join("nix/store").join(base).join("usr/lib/grub");
        folder.join(platform.name()).join(name)
    }

    /// What the judge makes of the same modules.
    fn judged(&self, platform: Platform, format: &str) -> Vec<u8> {
        let modules = grub::modules(&self.store, &self.grub(), platform).unwrap();
        let (config, out) = (self.root.path().join("early.cfg"), self.root.path().join("out"));
        fs::write(&config, early()).unwrap();
        let folder = self.file(platform, "");
        let mut args =
            args!["-O", format, "-p", PREFIX, "-c", &config, "-d", &folder, "-o", &out].to_vec();
        args.extend(modules.iter().map(std::ffi::OsStr::new));
        expect(&self.judge, &args);
        fs::read(&out).unwrap()
    }
}

fn early() -> String {
    grub::early_config("/EFI/marker")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        // Debian keeps images made in advance in folders below.
        if entry.path().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn info(path: StorePath) -> PathInfo {
    PathInfo {
        path,
        nar_hash: NarHash::from_bytes([0; 32]),
        nar_size: 1,
        references: Vec::new(),
        deriver: None,
        signatures: Vec::new(),
        ca: None,
        ultimate: false,
    }
}

/// The parts of an El Torito image: loaders, decompressor, and what that unpacks.
fn parts(image: &[u8], decompressor: usize) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let (loaders, core) = image.split_at(2048 + 512);
    let (head, packed) = core.split_at(decompressor);
    let number = |at| u32::from_le_bytes(head[at..at + 4].try_into().unwrap());
    assert_eq!(usize::try_from(number(8)).unwrap(), packed.len());
    let sectors = u16::from_le_bytes(loaders[2048 + 508..2048 + 510].try_into().unwrap());
    assert_eq!(usize::from(sectors), core.len().div_ceil(512));
    let mut options = liblzma::stream::LzmaOptions::new_preset(6).unwrap();
    options.dict_size(1 << 16).literal_context_bits(3).literal_position_bits(0).position_bits(2);
    let mut filters = liblzma::stream::Filters::new();
    filters.lzma1(&options);
    let stream = liblzma::stream::Stream::new_raw_decoder(&filters).unwrap();
    let mut memory = vec![0; usize::try_from(number(12)).unwrap()];
    liblzma::bufread::XzDecoder::new_stream(packed, stream).read_exact(&mut memory).unwrap();
    // What differs with the compressor.
    let (mut loaders, mut head) = (loaders.to_vec(), head.to_vec());
    loaders[2048 + 508..2048 + 510].fill(0);
    head[8..12].fill(0);
    (loaders, head, memory)
}

#[test]
fn the_bios_image_unpacks_to_what_grub_makes() {
    let Some(sample) = Sample::new() else { return };
    if !sample.has(Platform::Bios) {
        return skip("grub-pc-bin is not installed");
    }
    let ours = grub::bios_image(&sample.store, &sample.grub(), PREFIX, &early()).unwrap();
    let theirs = sample.judged(Platform::Bios, "i386-pc-eltorito");
    let decompressor = fs::read(sample.file(Platform::Bios, "lzma_decompress.img")).unwrap().len();
    let (mine, grubs) = (parts(&ours.eltorito, decompressor), parts(&theirs, decompressor));
    assert!(mine.0 == grubs.0, "cdboot.img and diskboot.img differ");
    assert!(mine.1 == grubs.1, "lzma_decompress.img differs");
    assert!(mine.2 == grubs.2, "kernel and payload differ");
    // The compressor is another one; it is not to be worse.
    assert!(ours.eltorito.len() <= theirs.len() + 1024);
    assert_eq!(ours.hybrid_mbr, fs::read(sample.file(Platform::Bios, "boot_hybrid.img")).unwrap());
}

#[test]
fn the_uefi_programs_are_what_grub_makes() {
    let Some(sample) = Sample::new() else { return };
    if !sample.has(Platform::Efi(Machine::X86_64)) {
        return skip("grub-efi-amd64-bin is not installed");
    }
    for machine in [Machine::X86_64, Machine::Aarch64] {
        let platform = Platform::Efi(machine);
        if !sample.has(platform) {
            continue;
        }
        let grub = sample.grub();
        let mut ours = grub::efi_image(&sample.store, &grub, platform, PREFIX, &early()).unwrap();
        let theirs = sample.judged(platform, platform.name());
        // GRUB writes a program for DOS there, which says that it is none for DOS.
        ours[2..60].copy_from_slice(&theirs[2..60]);
        ours[64..128].copy_from_slice(&theirs[64..128]);
        let first = ours.iter().zip(&theirs).position(|(mine, grubs)| mine != grubs);
        assert_eq!((first, ours.len()), (None, theirs.len()), "{platform}");
    }
}

#[test]
fn what_is_missing_or_malformed_is_named() {
    let Some(sample) = Sample::new() else { return };
    if !sample.has(Platform::Bios) {
        return skip("grub-pc-bin is not installed");
    }
    let fails = |name: &str, change: &dyn Fn(Vec<u8>) -> Option<Vec<u8>>, expected: &str| {
        let file = sample.file(Platform::Bios, name);
        let before = fs::read(&file).unwrap();
        match change(before.clone()) {
            Some(after) => fs::write(&file, after).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let found = grub::bios_image(&sample.store, &sample.grub(), PREFIX, &early()).unwrap_err();
        fs::write(&file, before).unwrap();
        let found = found.to_string();
        assert!(found.contains(name) && found.contains(expected), "{found}");
    };
    let gone = |_: Vec<u8>| None;
    fails("linux.mod", &gone, "is missing, which an ISO's menu needs");
    fails("relocator.mod", &gone, "is missing, which ");
    fails("cdboot.img", &gone, "cannot look at");
    fails("cdboot.img", &|bytes| Some(bytes[..2000].to_vec()), "has 2000 bytes, expected 2048");
    fails("lzma_decompress.img", &|bytes| Some(bytes[..10].to_vec()), "expected 4 at 8");
    fails("kernel.img", &|_| Some(b"GZIP the kernel".to_vec()), "expected ELF");
    fails("kernel.img", &|bytes| Some(bytes[..9000].to_vec()), "has 9000 bytes, expected ");
    fails("diskboot.img", &|_| Some(vec![0; 512]), "loads to segment 0x0, expected 0x820");

    let nul = grub::bios_image(&sample.store, &sample.grub(), "/boot\0", "").unwrap_err();
    assert_eq!(nul.to_string(), "the prefix has a NUL: \"/boot\\0\"");
    // 500 KiB of what does not compress have no room below 0x78000.
    let noise = contract::corpus::noise(1, 1_000_000);
    let text: String = noise.iter().map(|byte| char::from(b'!' + byte % 90)).collect();
    let found = grub::bios_image(&sample.store, &sample.grub(), PREFIX, &text).unwrap_err();
    assert!(matches!(found, Error::Room { what: "the core image", .. }), "{found}");
    fs::remove_file(sample.file(Platform::Bios, "halt.mod")).unwrap();
    let names = grub::modules(&sample.store, &sample.grub(), Platform::Bios).unwrap();
    assert!(!names.contains(&"halt".to_owned()) && names.contains(&"reboot".to_owned()));
}
