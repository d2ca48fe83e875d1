//! Compressed archives as other people's programs see them: zstd, xz, gzip, busybox, bsdtar, GNU tar.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

mod contract;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use calve_image_core::pack::{Block, Codec};
use calve_image_core::units::{Bytes, MIB};
use contract::corpus::noise;
use contract::oracle;

const CODECS: [Codec; 9] = [
    Codec::Zstd(1),
    Codec::Zstd(9),
    Codec::Zstd(19),
    Codec::Xz(0),
    Codec::Xz(6),
    Codec::Xz(9),
    Codec::Gzip(1),
    Codec::Gzip(7),
    Codec::Gzip(9),
];

/// The program that a codec is named after, with the endings by which tar knows its files.
fn program(codec: Codec) -> Option<(PathBuf, &'static str)> {
    let ending = match codec {
        Codec::Zstd(_) => "zst",
        Codec::Xz(_) => "xz",
        Codec::Gzip(_) => "gz",
    };
    oracle::need(codec.name()).map(|program| (program, ending))
}

/// Writes the blocks as a file; returns it with what is known of each block.
fn file(codec: Codec, contents: &[&[u8]], path: &Path) -> Vec<Block> {
    let mut encoder = codec.encoder().unwrap();
    let mut file = codec.before();
    let mut blocks = Vec::new();
    for data in contents {
        let start = Bytes::of(&file);
        let tag = encoder.encode(data, &mut file).unwrap();
        let size = Bytes::of(&file).saturating_sub(start);
        blocks.push(Block { start, size, unpacked: Bytes::of(data), tag });
    }
    file.extend(codec.after(blocks.iter()));
    fs::write(path, file).unwrap();
    blocks
}

/// Text that compresses, then data that does not, and text again.
fn contents() -> Vec<u8> {
    let text =
        |from: u32| (from..from + 60_000).map(|n| format!("/nix/store/{n:08x}-{}\n", n % 97));
    let texts = |from| text(from).collect::<String>().into_bytes();
    [texts(0), noise(1, 700_000), texts(50_000), vec![0; 300_000]].concat()
}

/// Cuts data into blocks of many sizes, the smallest of none and of one byte.
fn cut(data: &[u8]) -> Vec<&[u8]> {
    let mut sizes = [0, 1, 2, 65_535, 65_536, 300_001, 1_000_000, 65_537].into_iter().cycle();
    let mut rest = data;
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        let size = sizes.next().unwrap().min(rest.len());
        let (block, after) = rest.split_at(size);
        blocks.push(block);
        rest = after;
    }
    blocks
}

fn assert_unpacks(program: &Path, args: &[&OsStr], data: &[u8]) {
    assert!(oracle::expect(program, args) == data, "{} {args:?} differs", program.display());
}

#[test]
fn programs_unpack_what_was_packed() {
    let dir = tempfile::tempdir().unwrap();
    let data = contents();
    let busybox = oracle::need("busybox");
    for codec in CODECS {
        let Some((program, ending)) = program(codec) else { continue };
        let path = dir.path().join(format!("file.{ending}"));
        file(codec, &cut(&data), &path);
        oracle::expect(&program, args!["-t", &path]);
        assert_unpacks(&program, args!["-dc", &path], &data);
        if codec.name() != "gzip" {
            assert_unpacks(&program, args!["-T2", "-dc", &path], &data);
        }
        // It has decoders of its own, and the one for xz is that of the kernel.
        if let Some(busybox) = busybox.as_ref().filter(|_| codec.name() != "zstd") {
            assert_unpacks(busybox, args![codec.name(), "-dc", &path], &data);
        }
    }
}

#[test]
fn a_damaged_block_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let data = noise(1, 100_000);
    for codec in [Codec::Zstd(3), Codec::Xz(1), Codec::Gzip(7)] {
        let Some((program, ending)) = program(codec) else { continue };
        let path = dir.path().join(format!("file.{ending}"));
        let blocks = file(codec, &[&data, &data], &path);
        let mut bytes = fs::read(&path).unwrap();
        // The middle of a block that could only be stored: nothing but a check sum can tell.
        let middle = blocks[1].start + Bytes::new(blocks[1].size.get() / 2);
        bytes[middle.to_len().unwrap()] ^= 1;
        fs::write(&path, bytes).unwrap();
        let output = oracle::run(&program, args!["-t", &path]);
        assert!(!output.status.success(), "{codec}");
    }
}

#[test]
fn no_blocks_make_a_file_of_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for codec in [Codec::Zstd(3), Codec::Xz(6), Codec::Gzip(7)] {
        let Some((program, ending)) = program(codec) else { continue };
        let path = dir.path().join(format!("file.{ending}"));
        file(codec, &[], &path);
        oracle::expect(&program, args!["-t", &path]);
        assert_unpacks(&program, args!["-dc", &path], &[]);
    }
}

#[test]
fn xz_lists_the_blocks_as_they_are() {
    let Some(xz) = oracle::need("xz") else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file.xz");
    let data = contents();
    let blocks = file(Codec::Xz(6), &cut(&data), &path);
    let listing = oracle::expect(&xz, args!["--robot", "-lvv", &path]);
    let listing = String::from_utf8(listing).unwrap();
    let listed: Vec<Vec<&str>> = listing
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .filter(|columns| columns[0] == "block")
        .collect();
    assert_eq!(listed.len(), blocks.len());
    for (columns, block) in listed.iter().zip(&blocks) {
        // Columns 4, 6 and 7: offset, size with padding, size unpacked. 12: both sizes are in the header, by
        // which xz decodes blocks side by side.
        let size = block.size.get().to_string();
        let unpacked = block.unpacked.get().to_string();
        assert_eq!(columns[4], block.start.get().to_string(), "{columns:?}");
        assert_eq!((columns[6], columns[7]), (size.as_str(), unpacked.as_str()), "{columns:?}");
        assert_eq!((columns[9], columns[12]), ("CRC32", "cu"), "{columns:?}");
    }
    assert!(listing.contains("--lzma2=dict=4KiB\n"), "{listing}");
}

#[test]
fn zstd_knows_how_much_comes_out() {
    let Some(zstd) = oracle::need("zstd") else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file.zst");
    let data = contents();
    let blocks = file(Codec::Zstd(9), &cut(&data), &path);
    let listing = String::from_utf8(oracle::expect(&zstd, args!["-lv", &path])).unwrap();
    assert!(listing.contains(&format!("Frames: {}\n", blocks.len())), "{listing}");
    assert!(listing.contains(&format!("({} B)", data.len())), "{listing}");
    assert!(listing.contains("Check: XXH64"), "{listing}");
}

#[test]
fn xz_takes_the_memory_that_is_told() {
    let Some(xz) = oracle::need("xz") else { return };
    for preset in 0..=9 {
        // The largest dictionary is 16 MiB, a limit that presets up to 7 are below.
        let dictionary = if preset > 7 { ",dict=16MiB" } else { "" };
        let chain = format!("--lzma2=preset={preset}{dictionary}");
        let output =
            oracle::run(&xz, args!["-vv", "-T1", "--format=raw", &chain, "-c", "/dev/null"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let told = Codec::Xz(preset).memory();
        let expected = format!("{} MiB of memory is required", told.get() / MIB.get());
        assert!(said.contains(&format!("xz: {expected}")), "preset {preset}: {expected}: {said}");
    }
}

#[test]
fn tars_list_and_unpack_compressed_archives() {
    let (Some(tar), Some(bsdtar)) = (oracle::need("tar"), oracle::need("bsdtar")) else { return };
    let dir = tempfile::tempdir().unwrap();
    let files = dir.path().join("files");
    fs::create_dir(&files).unwrap();
    for number in 0..40u32 {
        fs::write(files.join(format!("file {number}")), noise(number.into(), 30_000)).unwrap();
    }
    let plain = oracle::expect(&tar, args!["-cf", "-", "--sort=name", "-C", &files, "."]);
    let list = |program: &Path, path: &Path| oracle::expect(program, args!["-tf", path]);
    let all = dir.path().join("all.tar");
    fs::write(&all, &plain).unwrap();
    let expected = list(&tar, &all);
    for codec in [Codec::Zstd(3), Codec::Xz(1), Codec::Gzip(7)] {
        let Some((_, ending)) = program(codec) else { continue };
        let path = dir.path().join(format!("all.tar.{ending}"));
        file(codec, &cut(&plain), &path);
        assert!(list(&tar, &path) == expected, "{codec} by tar");
        assert!(list(&bsdtar, &path) == expected, "{codec} by bsdtar");
        let out = dir.path().join(ending);
        fs::create_dir(&out).unwrap();
        oracle::expect(&bsdtar, args!["-xf", &path, "-C", &out]);
        for number in 0..40u32 {
            let unpacked = fs::read(out.join(format!("file {number}"))).unwrap();
            assert!(unpacked == noise(number.into(), 30_000), "{codec}: file {number}");
        }
    }
}
