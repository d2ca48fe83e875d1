//! Images made by mksquashfs, whole and damaged.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::inspect::tests::run;

/// A tree with what is hard: empty, tiny, around a block, larger, incompressible, sparse.
fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let noise = |size: u32| -> Vec<u8> {
        let step = |n: &u32| Some(n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        let draw = std::iter::successors(Some(1), step);
        draw.map(|n| n.to_be_bytes()[0]).take(size as usize).collect()
    };
    let text = |size: usize| b"the quick brown fox ".iter().copied().cycle().take(size).collect();
    let files: [(&str, Vec<u8>); 8] = [
        ("empty", Vec::new()),
        ("tiny", b"hello".to_vec()),
        ("block", text(4096)),
        ("blocks", text(3 * 4096 + 17)),
        ("noise", noise(20_000)),
        ("holes", [vec![0; 8192], text(100), vec![0; 9000]].concat()),
        ("deep/er/and/deeper", text(300)),
        ("b\u{e4}r", text(4095)),
    ];
    for (name, contents) in &files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }
    for index in 0..600 {
        fs::write(dir.join(format!("deep/{index}")), format!("file {index}")).unwrap();
    }
    std::os::unix::fs::symlink("../tiny", dir.join("deep/link")).unwrap();
    let mut all: BTreeMap<_, _> =
        files.into_iter().map(|(name, contents)| (format!("/{name}"), contents)).collect();
    all.extend((0..600).map(|index| (format!("/deep/{index}"), format!("file {index}").into())));
    all.insert("/deep/link".to_owned(), b"-> ../tiny".to_vec());
    all
}

/// Makes an image of a directory; none where mksquashfs is not there.
fn squashfs(dir: &Path, compressor: &str) -> Option<PathBuf> {
    let path = dir.with_extension(compressor);
    let (from, to) = (dir.to_str().unwrap(), path.to_str().unwrap());
    let settings = ["-comp", compressor, "-b", "4096", "-noappend", "-quiet", "-no-progress"];
    run("mksquashfs", &[&[from, to][..], &settings].concat()).then_some(path)
}

/// Reads all of an image.
fn contents(image: &Path) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let file = fs::File::open(image).unwrap();
    let disk = Disk::open(&file)?;
    let squashfs = Squashfs::open(&disk, Bytes::ZERO, disk.size)?.unwrap();
    let mut files = BTreeMap::new();
    let mut open = vec![(String::new(), squashfs.root()?)];
    while let Some((path, inode)) = open.pop() {
        assert!(open.len() < 10_000, "no end to it");
        match inode.kind {
            Kind::Directory(listing) => {
                let entries = squashfs.list(listing)?.into_iter();
                open.extend(entries.map(|(name, inode)| {
                    (format!("{path}/{}", String::from_utf8_lossy(&name)), inode)
                }));
            }
            Kind::File(file) => {
                let mut all = Vec::new();
                squashfs.read(&file, &mut |bytes| all.extend_from_slice(bytes))?;
                files.insert(path, all);
            }
            Kind::Symlink(target) => {
                files.insert(path, [b"-> ", target.as_slice()].concat());
            }
            Kind::Special => panic!("{path}"),
        }
    }
    Ok(files)
}

#[test]
fn images_of_mksquashfs_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let expected = tree(&dir.path().join("tree"));
    for compressor in ["gzip", "xz", "lz4", "zstd"] {
        let Some(image) = squashfs(&dir.path().join("tree"), compressor) else { return };
        let found = contents(&image).unwrap();
        assert!(found == expected, "{compressor}");
    }
}

#[test]
fn damage_is_found_or_harmless_but_never_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    tree(&dir.path().join("tree"));
    let Some(image) = squashfs(&dir.path().join("tree"), "gzip") else { return };
    let whole = fs::read(&image).unwrap();
    let mut found = 0;
    for at in (0..whole.len()).step_by(whole.len() / 150).chain(0..96) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x41;
        fs::write(&image, &damaged).unwrap();
        if damaged.starts_with(b"hsqs") {
            found += u32::from(contents(&image).is_err());
        }
    }
    assert!(found > 80, "{found}");
    fs::write(&image, &whole[..whole.len() / 2]).unwrap();
    let error = contents(&image).unwrap_err().to_string();
    assert!(error.ends_with("it is cut short"), "{error}");
}
