//! What is pressed and placed gives the files back, whatever slabs they were cut into.

use std::io::Read;
use std::os::unix::fs::FileExt;

use proptest::prelude::*;

use super::super::{Codec, Data, sample, serial};
use super::*;
use crate::epoch::Epoch;

const BLOCK: usize = 4096;

type Files<'a> = [(&'a str, Vec<u8>)];

fn settings(codec: Codec) -> Settings {
    let block = Bytes::from_len(BLOCK);
    Settings { block, ..Settings::new(codec, Epoch::STORE) }
}

/// Makes an image of nothing but data, with the offsets that it would have.
fn image(stored: &Stored, start: Bytes) -> Vec<u8> {
    let mut image = vec![0xD1; start.to_len().unwrap()];
    for run in stored.runs() {
        assert_eq!(run.at, Bytes::of(&image), "runs without gaps");
        let mut bytes = vec![0; run.len.to_len().unwrap()];
        run.file.open().unwrap().read_exact_at(&mut bytes, run.start.get()).unwrap();
        image.extend(bytes);
    }
    assert_eq!(stored.end(), Bytes::of(&image));
    image
}

fn unpacked(image: &[u8], at: Bytes, word: Word) -> Vec<u8> {
    let (at, size) = (at.to_len().unwrap(), word.size().to_len().unwrap());
    let bytes = &image[at..at + size];
    if word.is_plain() {
        return bytes.to_vec();
    }
    let mut out = Vec::new();
    flate2::read::ZlibDecoder::new(bytes).read_to_end(&mut out).unwrap();
    out
}

/// Reads a file as a reader of the image would.
fn contents(stored: &Stored, image: &[u8], node: NodeId, size: usize) -> Vec<u8> {
    let data = stored.data(node);
    if let Some(Fragment { index, offset }) = data.fragment {
        let (start, word) = stored.fragments()[index as usize];
        let fragment = unpacked(image, start, word);
        assert!(fragment.len() <= BLOCK && data.words.is_empty() && size < BLOCK);
        return fragment[offset as usize..offset as usize + size].to_vec();
    }
    let (mut out, mut at, mut sparse) = (Vec::new(), data.start, 0);
    for word in data.words {
        let left = BLOCK.min(size - out.len());
        if *word == Word::SPARSE {
            out.resize(out.len() + left, 0);
            sparse += left;
        } else {
            out.extend(unpacked(image, at, *word));
            at += word.size();
        }
    }
    assert_eq!(data.sparse, Bytes::from_len(sparse));
    out
}

/// Presses files in slabs that end at these offsets, places them and reads them back.
fn place(files: &Files<'_>, codec: Codec, ends: &[usize]) -> Stored {
    let settings = settings(codec);
    let tree = sample::tree(files);
    let slabs = sample::spool(&sample::press(files, &settings, ends));
    let stored = Stored::of_slabs(&tree, &slabs, &settings).unwrap();
    let image = image(&stored, settings.data_start());
    for (node, (name, data)) in tree.iter().skip(1).zip(files) {
        assert!(contents(&stored, &image, node.id(), data.len()) == *data, "{name}");
    }
    stored
}

fn node(files: &Files<'_>, name: &str) -> NodeId {
    sample::tree(files).root().child(name.as_bytes()).unwrap().id()
}

fn total(files: &Files<'_>) -> usize {
    files.iter().map(|(_, data)| data.len()).sum()
}

#[test]
fn files_around_a_block_come_back() {
    let sizes = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK - 1];
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let files: Vec<_> = names.into_iter().zip(sizes.map(|size| sample::noise(7, size))).collect();
    for codec in [Codec::Plain, Codec::Gzip(6)] {
        let stored = place(&files, codec, &[total(&files)]);
        let data = |name| stored.data(node(&files, name));
        assert_eq!(data("a"), Data::default());
        assert!(data("c").fragment.is_some() && data("c").words.is_empty());
        assert!(data("d").fragment.is_none() && data("d").words.len() == 1);
        assert_eq!(data("e").words.len(), 2);
        assert_eq!(data("e").words[1].size().get(), 1);
        // The two small files fill a fragment to its last byte.
        assert_eq!(stored.fragments().len(), 1);
        assert_eq!(stored.runs().len(), 1);
    }
}

#[test]
fn small_files_share_fragments_in_order_until_the_next_does_not_fit() {
    let names = ["a", "b", "c", "d"];
    let files: Vec<_> =
        names.into_iter().zip([1, 2, 3, 4].map(|seed| sample::noise(seed, 1500))).collect();
    let stored = place(&files, Codec::Plain, &[6000]);
    let expected = [(0, 0), (0, 1500), (1, 0), (1, 1500)];
    for ((name, _), (index, offset)) in files.iter().zip(expected) {
        let fragment = stored.data(node(&files, name)).fragment;
        assert_eq!(fragment, Some(Fragment { index, offset }), "{name}");
    }
    // Fragments do not reach from one slab into another.
    let stored = place(&files, Codec::Plain, &[1500, 6000]);
    assert_eq!(stored.fragments().len(), 3);
}

#[test]
fn what_is_the_same_is_stored_once() {
    let (small, large) = (sample::noise(1, 1000), sample::noise(2, 10_000));
    let files = [
        ("a", small.clone()),
        ("b", large.clone()),
        ("c", small.clone()),
        ("d", vec![5; 3000]),
        ("e", large.clone()),
        ("f", large[..9000].to_vec()),
        ("g", small),
        ("h", large),
    ];
    let size = total(&files);
    // The first slab ends before d, the second in the midst of e, the third in h.
    let ends = [12_000, 15_000 + 2 * BLOCK, size - 10_000 + BLOCK, size];
    let stored = place(&files, Codec::Plain, &ends);
    let data = |name| stored.data(node(&files, name));
    assert_eq!(data("a"), data("c"));
    assert_ne!(data("a"), data("g"), "of another slab");
    assert!(data("b") == data("e") && data("b") == data("h"));
    assert_ne!(data("b").start, data("f").start);
    assert_eq!(stored.words.len(), 6);
    assert_eq!(stored.end().get(), 96 + 1000 + 10_000 + 3000 + 9000 + 1000);
}

#[test]
fn the_same_sums_are_not_taken_for_the_same_files() {
    let files = [("a", sample::noise(1, 10_000)), ("b", sample::noise(2, 10_000))];
    let settings = settings(Codec::Plain);
    let mut slabs = sample::press(&files, &settings, &[20_000]);
    let (bytes, block) = &mut slabs[0];
    let data = bytes.len() - block.tag as usize;
    let mut index = Index::decode(&bytes[data..]).unwrap();
    for number in 0..3 {
        index.blocks[3 + number].sum = index.blocks[number].sum;
    }
    bytes.truncate(data);
    index.encode(bytes);
    let tree = sample::tree(&files);
    let stored = Stored::of_slabs(&tree, &sample::spool(&slabs), &settings).unwrap();
    let image = image(&stored, settings.data_start());
    for (name, data) in &files {
        assert!(contents(&stored, &image, node(&files, name), data.len()) == *data, "{name}");
    }
    assert_eq!(stored.runs().len(), 1);
}

#[test]
fn zeros_take_no_space() {
    let mut first = vec![0; 5 * BLOCK + 10];
    first[2 * BLOCK] = 1;
    let files = [
        ("a", first),
        ("b", vec![0; 2 * BLOCK]),
        ("c", vec![0; 100]),
        ("d", vec![0; BLOCK + 1]),
        ("e", vec![0; BLOCK + 2]),
    ];
    let size = total(&files);
    for ends in [vec![size], vec![BLOCK, 3 * BLOCK, 5 * BLOCK + 10, size]] {
        let stored = place(&files, Codec::Gzip(9), &ends);
        let data = |name| stored.data(node(&files, name));
        assert_eq!(data("a").sparse.get(), 4 * 4096 + 10);
        assert_eq!(data("b").words, [Word::SPARSE, Word::SPARSE]);
        assert!(data("c").fragment.is_some());
        assert_eq!((data("d").sparse.get(), data("e").sparse.get()), (4097, 4098));
    }
}

#[test]
fn slabs_that_are_cut_wrongly_are_refused() {
    let files = [("a", vec![1; 100]), ("b", vec![2; 10_000])];
    let settings = settings(Codec::Plain);
    let tree = sample::tree(&files);
    let slabs = sample::spool(&sample::press(&files, &settings, &[100, 10_100]));
    let error = |slabs: &[Slab]| Stored::of_slabs(&tree, slabs, &settings).unwrap_err();
    assert_eq!(error(&slabs[..1]).to_string(), "100 bytes are packed, but the files have 10100");
    let resized = |first, second| {
        let mut slabs = slabs.clone();
        slabs[0].1.unpacked = Bytes::new(first);
        slabs[1].1.unpacked = Bytes::new(second);
        std::error::Error::source(&error(&slabs)).unwrap().to_string()
    };
    let border = "expected a border between blocks";
    let cut = format!("its data have a file of 100 bytes up to byte 50: {border}");
    assert_eq!(resized(50, 10_050), cut);
    assert_eq!(resized(100 + 4096, 10_000 - 4096), "it tells of 0 blocks: expected 1");
    let mut long = slabs.clone();
    long[1].1.tag = 1 << 40;
    assert_eq!(error(&long).to_string(), "the index of packed block 1 is damaged");
}

#[test]
fn a_damaged_index_is_an_error() {
    let files = [
        ("a", sample::noise(1, 1000)),
        ("b", sample::noise(2, 10_000)),
        ("c", vec![0; 5000]),
        ("d", vec![1; 10]),
    ];
    let settings = settings(Codec::Gzip(6));
    let tree = sample::tree(&files);
    let slabs = sample::press(&files, &settings, &[total(&files)]);
    let (bytes, block) = &slabs[0];
    let fails = |bytes: &[u8], block: pack::Block| {
        let slab = sample::spool(&[(bytes.to_vec(), block)]);
        Stored::of_slabs(&tree, &slab, &settings).is_err()
    };
    assert!(!fails(bytes, *block));
    let data = bytes.len() - block.tag as usize;
    for at in data..bytes.len() {
        for flip in [1, 0x80, 0xFF] {
            let mut bytes = bytes.clone();
            bytes[at] ^= flip;
            assert!(fails(&bytes, *block), "byte {at}");
        }
    }
    for tag in 0..block.tag + 10 {
        assert_eq!(fails(bytes, pack::Block { tag, ..*block }), tag != block.tag, "{tag}");
    }
    // Who can make a check sum is held against the files.
    let right = Index::decode(&bytes[data..]).unwrap();
    let forged = |change: fn(&mut Index)| {
        let (mut forged, mut bytes) = (right.clone(), bytes[..data].to_vec());
        change(&mut forged);
        forged.encode(&mut bytes);
        let size = Bytes::of(&bytes);
        fails(&bytes, pack::Block { size, tag: size.get() - data as u64, ..*block })
    };
    assert!(!forged(|_| ()));
    assert!(forged(|it| it.blocks.truncate(4)));
    assert!(forged(|it| it.small.truncate(1)));
    assert!(forged(|it| it.fragments.clear()));
    assert!(forged(|it| it.fragments.push(Word::from_bits(1))));
    assert!(forged(|it| it.small[0].fragment = 1));
    assert!(forged(|it| it.small[0].offset = 3097));
    assert!(forged(|it| it.small[0].offset = u32::MAX));
    // b, whose last block is short, before c, which is nothing but zeros.
    assert!(forged(|it| it.blocks.swap(0, 2)));
    assert!(forged(|it| it.blocks[3].word = Word::from_bits(1 << 24)));
    assert!(forged(|it| it.fragments[0] = Word::from_bits(1 << 31 | it.fragments[0].bits())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn files_come_back_however_they_are_cut(
        sizes in prop::collection::vec((0u32..4, 0usize..5, 0usize..BLOCK + 2), 0..12),
        more in 0u64..40_000,
    ) {
        let names: Vec<String> = (0..sizes.len()).map(|number| format!("{number:02}")).collect();
        let contents = sizes.iter().map(|(seed, blocks, rest)| {
            let size = blocks * BLOCK + rest;
            if *seed == 0 { vec![0; size] } else { sample::noise(*seed, size) }
        });
        let files: Vec<_> = names.iter().map(String::as_str).zip(contents).collect();
        let row = serial(&sample::tree(&files), &settings(Codec::Plain)).unwrap();
        let slabs = row.blocks(Bytes::ZERO, row.end(), Bytes::new(4096 + more));
        let ends: Vec<_> = slabs.iter().map(|(at, len)| (*at + *len).to_len().unwrap()).collect();
        place(&files, Codec::Gzip(1), &ends);
        // Large files are stored in the same way wherever they are cut.
        let whole: Vec<_> = ends.last().copied().into_iter().collect();
        let words = |ends: &[usize]| place(&files, Codec::Plain, ends).words;
        prop_assert_eq!(words(&ends), words(&whole));
    }
}
