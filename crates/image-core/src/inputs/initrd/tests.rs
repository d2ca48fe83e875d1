//! Initrds made by GNU cpio and the compressors' own programs, and damaged ones.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;

/// One header and name, padded; enough to build archives without any program.
fn record(name: &str, mode: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "070701{:08X}{mode:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}",
        1,
        0,
        0,
        1,
        0,
        data.len(),
        0,
        0,
        0,
        0,
        name.len() + 1,
        0,
    )
    .into_bytes();
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(0);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// An archive of names, modes and data.
pub(crate) fn archive(records: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        records.iter().flat_map(|(name, mode, data)| record(name, *mode, data)).collect();
    bytes.extend(record("TRAILER!!!", 0, b""));
    bytes
}

/// Runs a filter; `None`, said aloud, where the program is missing (an error in CI).
fn filter(program: &str, arguments: &[&str], input: &[u8], directory: &Path) -> Option<Vec<u8>> {
    let child = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if std::env::var("CI").as_deref() == Ok("true") => {
            panic!("{program} is needed: {error}")
        }
        Err(error) => {
            eprintln!("SKIPPED: {program} cannot be run: {error}");
            return None;
        }
    };
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::Builder::new().spawn(move || stdin.write_all(&input)).unwrap();
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(output.status.success(), "{program} failed");
    Some(output.stdout)
}

const COMPRESSORS: [(&str, &[&str], Compression); 6] = [
    ("cat", &[], Compression::None),
    ("gzip", &["-9n"], Compression::Gzip),
    ("xz", &["--check=crc32", "-6"], Compression::Xz),
    ("zstd", &["-q", "-10"], Compression::Zstd),
    ("lz4", &["-l", "-q"], Compression::Lz4Legacy),
    ("lz4", &["-q"], Compression::Lz4),
];

/// A directory with a bit of everything, and the archive that GNU cpio makes of it.
fn gnu_archive() -> Option<(Vec<u8>, Vec<String>)> {
    let root = tempfile::tempdir().unwrap();
    let modules = root.path().join("nix/store/x-modules/lib/modules/6.1/kernel/fs");
    fs::create_dir_all(&modules).unwrap();
    fs::create_dir_all(root.path().join("etc")).unwrap();
    for (name, size) in [("ext4.ko.xz", 9), ("nls_iso8859-1.ko.zst", 4097), ("crc.ko", 0)] {
        fs::write(modules.join(name), vec![b'x'; size]).unwrap();
    }
    fs::write(root.path().join("nix/store/x-fstab"), "/dev/vda / ext4\n").unwrap();
    fs::write(root.path().join("large"), vec![7; 9 << 20]).unwrap();
    symlink("/nix/store/x-fstab", root.path().join("etc/fstab")).unwrap();
    symlink("/nix/store/x-modules/lib", root.path().join("lib")).unwrap();
    symlink("loop", root.path().join("loop")).unwrap();
    let names = filter("find", &["."], b"", root.path())?;
    let made = filter("cpio", &["-o", "-H", "newc"], &names, root.path())?;
    let listed = filter("cpio", &["-t"], &made, root.path())?;
    let listed = String::from_utf8(listed).unwrap();
    Some((made, listed.lines().filter(|name| *name != ".").map(str::to_owned).collect()))
}

#[test]
fn lists_what_cpio_lists_in_every_compression() {
    let Some((made, mut listed)) = gnu_archive() else { return };
    listed.sort();
    for (program, arguments, compression) in COMPRESSORS {
        let Some(packed) = filter(program, arguments, &made, Path::new("/")) else { return };
        let initrd = Initrd::list(packed.as_slice(), &Limits::default()).unwrap();
        let found: Vec<String> = initrd
            .entries()
            .filter(|(name, _)| !name.is_empty())
            .map(|(name, _)| String::from_utf8(name.to_vec()).unwrap())
            .collect();
        assert_eq!(found, listed, "{program} {arguments:?}");
        assert_eq!(initrd.segments()[0].compression, compression);

        let fstab = initrd.resolve(b"/etc/fstab").unwrap();
        assert_eq!(fstab, b"nix/store/x-fstab");
        let names = BTreeSet::from([fstab.clone()]);
        let contents = Initrd::extract(packed.as_slice(), &names, &Limits::default()).unwrap();
        assert_eq!(contents[&fstab], b"/dev/vda / ext4\n");
        assert!(initrd.resolve(b"lib/modules/6.1").is_some());
        assert_eq!(initrd.resolve(b"loop"), None);
        assert_eq!(initrd.resolve(b"nothing"), None);
        let modules: Vec<String> = initrd.modules().into_iter().collect();
        assert_eq!(modules, ["crc", "ext4", "nls_iso8859_1"]);
    }
}

#[test]
fn segments_follow_one_another() {
    let microcode = archive(&[("kernel/x86/microcode/AuthenticAMD.bin", 0o100_444, b"abc")]);
    let main = archive(&[("etc", 0o040_755, b""), ("etc/a", 0o100_444, b"first")]);
    let secrets = archive(&[("etc/a", 0o100_400, b"second"), ("./b", 0o100_400, b"")]);
    for (program, arguments, compression) in COMPRESSORS {
        let Some(packed) = filter(program, arguments, &main, Path::new("/")) else { return };
        let mut bytes = microcode.clone();
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        let second = bytes.len();
        bytes.extend(packed);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(&secrets);
        bytes.extend([0; 7]);
        let initrd = Initrd::list(bytes.as_slice(), &Limits::default()).unwrap();
        let counts: Vec<usize> = initrd.segments().iter().map(|s| s.entries).collect();
        assert_eq!(counts, [1, 2, 2], "{program}");
        assert_eq!(initrd.segments()[1].offset, u64::try_from(second).unwrap());
        assert_eq!(initrd.segments()[1].compression, compression);
        let names = BTreeSet::from([b"etc/a".to_vec()]);
        let contents = Initrd::extract(bytes.as_slice(), &names, &Limits::default()).unwrap();
        assert_eq!(contents[&b"etc/a".to_vec()], b"second");
        assert!(initrd.entries().any(|(name, _)| name == b"b"));
    }
}

#[test]
fn damage_is_told_with_its_place() {
    let whole = archive(&[("a", 0o100_444, b"data")]);
    let list = |bytes: &[u8]| Initrd::list(bytes, &Limits::default()).unwrap_err().to_string();
    assert_eq!(
        list(&whole[..50]),
        "segment at byte 0, unpacked byte 50: expected an entry's header, found the end of the data"
    );
    assert_eq!(
        list(&whole[..112 + 2]),
        "segment at byte 0, unpacked byte 114: expected an entry's data, found the end of the data"
    );
    assert!(list(&whole[..120]).contains("expected an entry's header"));
    let unaligned: Vec<u8> = [&[0, 0][..], &whole].concat();
    assert!(list(&unaligned).starts_with("byte 2: an uncompressed archive must begin"));
    assert_eq!(
        list(b"hello world"),
        "byte 0: expected a cpio archive, plain or compressed, found bytes 68656c6c6f20"
    );
    assert!(list(b"BZh91AY").starts_with("byte 0: the segment is compressed with bzip2"));
    assert!(list(&whole[..110]).contains("expected an entry's name"));
    let mut odd = whole.clone();
    odd[0..6].copy_from_slice(b"070707");
    assert!(list(&odd).contains("newc form (070701), found \"070707\""));
    odd[0..6].copy_from_slice(b"070701");
    odd[100] = b'+';
    assert!(list(&odd).contains("eight hexadecimal digits"));
    for (program, arguments, compression) in &COMPRESSORS[1..] {
        let Some(packed) = filter(program, arguments, &whole, Path::new("/")) else { return };
        // Twelve bytes reach into the data of every form; an lz4 reader may do without an end mark.
        let cut = list(&packed[..packed.len() - 12]);
        assert!(cut.starts_with("segment at byte 0"), "{program}: {cut}");
        // The legacy form has no checksum, so damage there may be anything but a panic.
        if *compression != Compression::Lz4Legacy {
            let mut damaged = packed.clone();
            let last = damaged.len() - 5;
            damaged[last] ^= 0x55;
            assert!(Initrd::list(damaged.as_slice(), &Limits::default()).is_err(), "{program}");
        }
    }
}

#[test]
fn bombs_are_bounded() {
    let bomb = archive(&[("zeros", 0o100_444, &vec![0; 4 << 20])]);
    let Some(packed) = filter("zstd", &["-q"], &bomb, Path::new("/")) else { return };
    assert!(packed.len() < 4096);
    let limits = Limits { unpacked: MIB, ..Limits::default() };
    let found = Initrd::list(packed.as_slice(), &limits).unwrap_err();
    assert!(matches!(found, Error::Size { .. }), "{found}");
    let names = BTreeSet::from([b"zeros".to_vec()]);
    let found = Initrd::extract(packed.as_slice(), &names, &Limits::default()).unwrap_err();
    assert_eq!(found.to_string(), "\"zeros\" in the initrd is 4 MiB, expected at most 1 MiB");
    let limits = Limits { entries: 1, ..Limits::default() };
    let two = archive(&[("a", 0o100_444, b""), ("b", 0o100_444, b"")]);
    let found = Initrd::list(two.as_slice(), &limits).unwrap_err();
    assert!(matches!(found, Error::Entries { .. }), "{found}");
    let limits = Limits { names: Bytes::new(8), ..Limits::default() };
    for (name, target) in [("123456789", &b""[..]), ("1234", b"12345")] {
        let one = archive(&[(name, 0o120_777, target)]);
        let found = Initrd::list(one.as_slice(), &limits).unwrap_err();
        assert!(matches!(found, Error::Names { .. }), "{found}");
    }
}

/// Each real listing agrees with what [`module_name`] makes of its names.
#[test]
fn real_module_names() {
    let listing = include_str!("../../../testdata/real/minimal-uefi/initrd.list");
    let names: BTreeSet<String> = listing.lines().filter_map(module_name).collect();
    for name in ["ext4", "virtio_blk", "crc32c_intel"] {
        assert!(names.contains(name), "{name}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Initrd::list(bytes.as_slice(), &Limits::default());
    }

    #[test]
    fn garbage_behind_each_magic_is_read_or_refused(
        which in 0usize..6,
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let magics: [&[u8]; 6] = [
            b"070701",
            &[0x1f, 0x8b, 8, 0],
            b"\xfd7zXZ\0\0\x04",
            &[0x28, 0xb5, 0x2f, 0xfd],
            &lz4_legacy::MAGIC,
            &[0x04, 0x22, 0x4d, 0x18],
        ];
        let limits = Limits { unpacked: MIB, ..Limits::default() };
        let _ = Initrd::list([magics[which], &bytes].concat().as_slice(), &limits);
    }

    #[test]
    fn damaged_archives_are_read_or_refused(at in 0usize..700, byte in any::<u8>()) {
        let mut bytes = archive(&[
            ("etc", 0o040_755, b""),
            ("etc/a", 0o100_444, b"12345"),
            ("l", 0o120_777, b"etc/a"),
        ]);
        let place = at % bytes.len();
        bytes[place] = byte;
        let _ = Initrd::list(bytes.as_slice(), &Limits::default());
    }
}
