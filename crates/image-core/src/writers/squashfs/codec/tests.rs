//! What each codec makes of blocks, read back by the library or, in `tests/squashfs`, by a program.

use std::io::Read;

use sha2::{Digest, Sha256};

use super::*;

const CODECS: [Codec; 5] = [Codec::Plain, Codec::Gzip(6), Codec::Xz(1), Codec::Lz4, Codec::Zstd(3)];

/// Text that compresses about as a store does: words in a row that is not periodic.
fn sample(seed: u32, size: usize) -> Vec<u8> {
    const WORDS: [&[u8]; 8] =
        [b"store ", b"nix ", b"\x7fELF", b"lib", b"python3.12 ", b"\0\0\0\0", b"so.6", b"share/"];
    let mut state = seed;
    let words = std::iter::from_fn(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some(WORDS[(state >> 29) as usize])
    });
    words.flatten().copied().take(size).collect()
}

fn noise(seed: u32, size: usize) -> Vec<u8> {
    let mut state = seed;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(size)
    .collect()
}

fn compressed(codec: Codec, data: &[u8]) -> (Word, Vec<u8>) {
    let mut out = b"before".to_vec();
    let word = codec.encoder().unwrap().compress(data, &mut out).unwrap();
    assert_eq!(word.size(), Bytes::from_len(out.len() - 6));
    (word, out.split_off(6))
}

fn unpacked(codec: Codec, word: Word, block: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    match codec {
        _ if word.is_plain() => out.extend(block),
        Codec::Plain => panic!("compressed by nothing"),
        Codec::Gzip(_) => drop(flate2::read::ZlibDecoder::new(block).read_to_end(&mut out)),
        Codec::Xz(_) => drop(liblzma::read::XzDecoder::new(block).read_to_end(&mut out)),
        Codec::Lz4 => out = lz4_flex::block::decompress(block, size).unwrap(),
        Codec::Zstd(_) => out = ::zstd::bulk::decompress(block, size).unwrap(),
    }
    out
}

#[test]
fn blocks_come_back() {
    for codec in CODECS {
        for size in [1, 2, 100, 4096, 8192, 70_000, 1 << 20] {
            for data in [sample(1, size), noise(2, size), vec![7; size]] {
                let (word, block) = compressed(codec, &data);
                assert!(block.len() <= size, "{codec}, {size}");
                assert_eq!(word.is_plain(), block.len() == size, "{codec}, {size}");
                assert!(unpacked(codec, word, &block, size) == data, "{codec}, {size}");
            }
        }
    }
}

#[test]
fn what_does_not_shrink_is_stored_as_it_is() {
    for codec in CODECS {
        let data = noise(1, 100_000);
        let (word, block) = compressed(codec, &data);
        assert!(block == data, "{codec}");
        assert_eq!(word.bits(), 100_000 | 1 << 24, "{codec}");
    }
    let (word, _) = compressed(Codec::Zstd(3), &sample(1, 100_000));
    assert_eq!(u64::from(word.bits()), word.size().get());
}

#[test]
fn a_block_does_not_depend_on_those_before() {
    let blocks = [sample(1, 80_000), noise(2, 70_000), sample(3, 150_000), vec![0; 100_000]];
    for codec in CODECS {
        let mut encoder = codec.encoder().unwrap();
        let mut out = Vec::with_capacity(1 << 20);
        for block in blocks.iter().chain(blocks.iter().rev()) {
            let start = out.len();
            let word = encoder.compress(block, &mut out).unwrap();
            assert!((word, out[start..].to_vec()) == compressed(codec, block), "{codec}");
        }
    }
}

#[test]
fn streams_are_those_that_the_kernel_reads() {
    let data = sample(1, 1 << 20);
    // RFC 1950: deflate, a window of 32 KiB.
    assert_eq!(compressed(Codec::Gzip(9), &data).1[0], 0x78);
    // The .xz File Format, 2.1.1.2: CRC32. 3.1: the header of a block of both sizes ends in LZMA2 and the
    // dictionary, of which the kernel takes no more than a block.
    for (preset, size, dictionary) in
        [(6, 1 << 20, 16), (9, 1 << 20, 16), (0, 1 << 20, 12), (6, 8192, 2)]
    {
        let (_, block) = compressed(Codec::Xz(preset), &data[..size]);
        assert_eq!(block[..8], [0xFD, b'7', b'z', b'X', b'Z', 0, 0, 1]);
        let filter = block[12..].windows(2).position(|it| it == [0x21, 1]).unwrap();
        assert_eq!(block[12 + filter + 2], dictionary, "xz:{preset}");
    }
    // RFC 8878, 3.1.1.1: either the contents are the window, or it is told and no larger than a block.
    for level in ZSTD_LEVELS {
        let (_, block) = compressed(Codec::Zstd(level), &data);
        let (descriptor, window) = (block[4], block[5]);
        let window = (8 + u64::from(window & 7)) << (7 + (window >> 3));
        assert!(descriptor & 0x20 != 0 || window <= 1 << 20, "zstd:{level}");
    }
}

#[test]
fn options_are_those_of_squashfs_tools() {
    assert_eq!(Codec::Gzip(6).options(), [6, 0, 0, 0, 15, 0, 0, 0]);
    assert_eq!(Codec::Lz4.options(), [1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(Codec::Zstd(19).options(), [19, 0, 0, 0]);
    for codec in [Codec::Plain, Codec::Gzip(9), Codec::Xz(9), Codec::Zstd(15)] {
        assert!(codec.options().is_empty(), "{codec}");
    }
}

#[test]
fn zstd_takes_the_memory_that_is_told() {
    use ::zstd::zstd_safe::{self, CCtx, CParameter};
    let data = sample(7, 1 << 20);
    for level in ZSTD_LEVELS {
        let mut context = CCtx::create();
        context.set_parameter(CParameter::CompressionLevel(level.into())).unwrap();
        let mut out = vec![0; zstd_safe::compress_bound(data.len())];
        context.compress2(&mut out[..], &data).unwrap();
        let (taken, told) = (Bytes::from_len(context.sizeof()), zstd_memory(level));
        assert!(taken <= told, "level {level}: {taken} > {told}");
        assert!(level < 8 || told - taken < MIB * 2, "level {level}: {taken}, told {told}");
    }
}

#[test]
fn what_comes_out_is_pinned() {
    // The cache holds what other versions made: where this changes, `version` must too.
    let data = sample(1, 300_000);
    let cases = [
        (Codec::Gzip(6), "1f1695de23abbfba", "gzip:6 by zlib-rs 0.6.8, squashfs revision 2"),
        (
            Codec::Xz(6),
            "3efed399fb50b853",
            "xz:6 by xz:6 by liblzma-sys 0.4.9, revision 1, squashfs revision 2",
        ),
        (Codec::Lz4, "3ce8551697f7b745", "lz4 by lz4_flex 0.11.6, squashfs revision 2"),
        (Codec::Zstd(3), "eecfe1a08f3cb028", "zstd:3 by zstd 1.5.7, squashfs revision 2"),
        (Codec::Zstd(19), "b491274215a08333", "zstd:19 by zstd 1.5.7, squashfs revision 2"),
    ];
    for (codec, pinned, version) in cases {
        let digest = Sha256::digest(compressed(codec, &data).1);
        let digest: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((digest.as_str(), codec.version().as_str()), (pinned, version));
    }
}

#[test]
fn versions_name_the_libraries_that_are_linked() {
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock");
    let lock = std::fs::read_to_string(lock).unwrap();
    for library in [lz4::LIBRARY, gzip::LIBRARY] {
        let (name, version) = library.split_once(' ').unwrap();
        let package = format!("name = \"{name}\"\nversion = \"{version}\"\n");
        assert!(lock.contains(&package), "{library} is not what Cargo.lock has");
    }
}

#[test]
fn levels_that_are_not_there_are_refused() {
    for (codec, message) in [
        (Codec::Zstd(0), "zstd cannot compress: level 0 is not in 1 to 22"),
        (Codec::Zstd(23), "zstd cannot compress: level 23 is not in 1 to 22"),
        (Codec::Xz(10), "xz cannot compress: level 10 is not in 0 to 9"),
        (Codec::Gzip(0), "gzip cannot compress: level 0 is not in 1 to 9"),
    ] {
        assert_eq!(codec.encoder().unwrap_err().to_string(), message);
    }
}
