//! What all codecs promise. Other people's programs have their say in `tests/codec.rs`.

use std::io::Read;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;

/// One level for each codec that is quick, and the defaults.
const CODECS: [Codec; 6] =
    [Codec::Zstd(1), Codec::Zstd(9), Codec::Xz(0), Codec::Xz(6), Codec::Gzip(1), Codec::Gzip(7)];

/// Text-like data: words from a small set, drawn by a fixed generator.
fn sample(seed: u32, size: usize) -> Vec<u8> {
    let words: Vec<Vec<u8>> = (0..512u32)
        .map(|word| {
            draw(word).take(3 + word as usize % 9).map(|n| b'a' + (n >> 27) as u8).collect()
        })
        .collect();
    draw(seed).flat_map(|n| words[(n >> 23) as usize].iter().copied()).take(size).collect()
}

/// Data that does not compress.
fn noise(seed: u32, size: usize) -> Vec<u8> {
    draw(seed).map(|n| (n >> 24) as u8).take(size).collect()
}

/// Numbers of the generator of Numerical Recipes; their high bits are good.
fn draw(seed: u32) -> impl Iterator<Item = u32> {
    std::iter::successors(Some(seed.wrapping_mul(0x9E37_79B9)), |n| {
        Some(n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223))
    })
    .skip(1)
}

fn encoded(codec: Codec, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    codec.encoder().unwrap().encode(data, &mut out).unwrap();
    out
}

fn file(codec: Codec, contents: &[Vec<u8>]) -> Vec<u8> {
    let mut encoder = codec.encoder().unwrap();
    let mut file = codec.before();
    let blocks: Vec<Block> = contents
        .iter()
        .map(|data| {
            let start = Bytes::of(&file);
            let tag = encoder.encode(data, &mut file).unwrap();
            Block { start, size: Bytes::of(&file) - start, unpacked: Bytes::of(data), tag }
        })
        .collect();
    file.extend(codec.after(blocks.iter()));
    file
}

fn unpacked(codec: Codec, file: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    match codec {
        Codec::Zstd(_) => ::zstd::Decoder::new(file).unwrap().read_to_end(&mut data),
        Codec::Xz(_) => liblzma::read::XzDecoder::new(file).read_to_end(&mut data),
        Codec::Gzip(_) => flate2::read::GzDecoder::new(file).read_to_end(&mut data),
    }
    .unwrap();
    data
}

#[test]
fn bytes_are_pinned() {
    // Where these change and nothing in this folder did, a library's update did it. That is well, if
    // `version` changed too: caches must not mix.
    let cases = [
        (Codec::Zstd(9), "a393db4e81ed9ed7", "zstd:9 by zstd 1.5.7, revision 1"),
        (Codec::Xz(6), "0e2413e4c2e72539", "xz:6 by liblzma-sys 0.4.9, revision 1"),
        (Codec::Gzip(7), "26e56f51a8f9222c", "gzip:7 by zlib-rs 0.6.8, revision 1"),
    ];
    let data = [sample(1, 300_000), noise(1, 5_000), sample(2, 100_000)].concat();
    for (codec, pinned, version) in cases {
        let digest = Sha256::digest(encoded(codec, &data));
        let digest: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((digest.as_str(), codec.version().as_str()), (pinned, version));
    }
}

#[test]
fn versions_name_the_libraries_that_are_linked() {
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock");
    let lock = std::fs::read_to_string(lock).unwrap();
    for library in [xz::LIBRARY, gzip::LIBRARY] {
        let (name, version) = library.split_once(' ').unwrap();
        let package = format!("name = \"{name}\"\nversion = \"{version}\"\n");
        assert!(lock.contains(&package), "{library} is not what Cargo.lock has");
    }
}

#[test]
fn versions_tell_levels_apart() {
    assert_ne!(Codec::Zstd(3).version(), Codec::Zstd(9).version());
    assert_ne!(Codec::Xz(6).version(), Codec::Gzip(6).version());
}

#[test]
fn levels_that_are_not_there_are_refused() {
    for (codec, message) in [
        (Codec::Zstd(0), "zstd cannot compress: level 0 is not in 1 to 19"),
        (Codec::Zstd(20), "zstd cannot compress: level 20 is not in 1 to 19"),
        (Codec::Xz(10), "xz cannot compress: level 10 is not in 0 to 9"),
        (Codec::Gzip(0), "gzip cannot compress: level 0 is not in 1 to 9"),
    ] {
        assert_eq!(codec.encoder().unwrap_err().to_string(), message);
    }
}

#[test]
fn a_block_does_not_depend_on_those_before() {
    let blocks =
        [sample(1, 80_000), noise(2, 70_000), sample(3, 150_000), vec![0; 100_000], Vec::new()];
    for codec in CODECS {
        let mut encoder = codec.encoder().unwrap();
        // There is something before, and there is more room after than one block needs.
        let mut out = Vec::with_capacity(1 << 20);
        for block in blocks.iter().chain(blocks.iter().rev()) {
            let start = out.len();
            encoder.encode(block, &mut out).unwrap();
            assert!(out[start..] == encoded(codec, block), "{codec}");
        }
    }
}

#[test]
fn what_does_not_compress_hardly_grows() {
    let data = noise(1, 300_000);
    for codec in CODECS {
        let size = encoded(codec, &data).len();
        // Level 1 of zlib-rs stores nothing.
        let percent = if codec == Codec::Gzip(1) { 106 } else { 100 };
        assert!(size < data.len() / 100 * percent + 1000, "{codec}: {size}");
        assert!(unpacked(codec, &file(codec, std::slice::from_ref(&data))) == data, "{codec}");
    }
}

#[test]
fn fixed_codes_fit_where_all_bytes_take_nine_bits() {
    // Level 1 of zlib-rs stores nothing: bytes from 144 on take 9 bits each.
    let data: Vec<u8> = noise(1, 3 << 20).iter().map(|byte| 144 + byte % 112).collect();
    let file = file(Codec::Gzip(1), std::slice::from_ref(&data));
    assert!(unpacked(Codec::Gzip(1), &file) == data);
}

#[test]
fn no_blocks_and_small_blocks_are_files_too() {
    for codec in CODECS {
        for blocks in [vec![], vec![vec![]], vec![vec![1]], vec![vec![], vec![2], vec![], vec![3]]]
        {
            assert_eq!(unpacked(codec, &file(codec, &blocks)), blocks.concat(), "{codec}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn blocks_come_back(sizes in prop::collection::vec((any::<bool>(), any::<u32>(), 0usize..150_000), 0..5)) {
        let blocks: Vec<_> = sizes
            .into_iter()
            .map(|(random, seed, size)| if random { noise(seed, size) } else { sample(seed, size) })
            .collect();
        for codec in [Codec::Zstd(3), Codec::Xz(1), Codec::Gzip(7)] {
            prop_assert!(unpacked(codec, &file(codec, &blocks)) == blocks.concat());
        }
    }
}
