//! What other programs say that an archive holds, written as `Tree::listing` writes it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use calve_image_core::tree::listing::escape;
use calve_image_core::tree::{Kind, Tree, TreePath};
use sha2::{Digest, Sha256};
use tar::EntryType;

use crate::args;
use crate::contract::{oracle, walk};

/// The SHA-256 of every file, by its path.
pub(crate) type DigestsByPath = BTreeMap<TreePath, String>;

/// Whether the `tar` crate is asked for attributes: it ends their values at the first newline.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attributes {
    Show,
    Skip,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Hashes the sources of a tree.
pub(crate) fn tree_digests(tree: &Tree) -> DigestsByPath {
    let files = tree.iter().filter_map(|node| match node.kind() {
        Kind::File(source) => Some((node.path(), hex(&Sha256::digest(walk::read(source))))),
        Kind::Directory | Kind::Symlink(_) | Kind::Device(_) | Kind::Fifo => None,
    });
    files.collect()
}

/// Lists what the `tar` crate reads, in the order of the archive.
pub(crate) fn crate_listing(archive: &Path, attributes: Attributes) -> String {
    let mut text = String::new();
    let mut archive = tar::Archive::new(File::open(archive).unwrap());
    for entry in archive.entries_with_seek().unwrap() {
        let mut entry = entry.unwrap();
        crate_line(&mut text, &entry).unwrap();
        if attributes == Attributes::Show {
            for record in entry.pax_extensions().unwrap().into_iter().flatten() {
                let record = record.unwrap();
                if let Some(name) = record.key_bytes().strip_prefix(b"SCHILY.xattr.") {
                    write!(text, " {}={}", escape(name), hex(record.value_bytes())).unwrap();
                }
            }
        }
        text.push('\n');
    }
    text
}

fn crate_line<R: Read>(text: &mut String, entry: &tar::Entry<'_, R>) -> std::fmt::Result {
    let header = entry.header();
    assert_eq!(
        (header.username_bytes(), header.groupname_bytes()),
        (Some(&b""[..]), Some(&b""[..]))
    );
    let path = entry.path_bytes();
    let directory = header.entry_type() == EntryType::Directory;
    assert_eq!(path.ends_with(b"/"), directory);
    let path = path.strip_suffix(b"/").unwrap_or(&path);
    let (mode, mtime) = (header.mode().unwrap(), header.mtime().unwrap());
    let (uid, gid) = (header.uid().unwrap(), header.gid().unwrap());
    let device = || {
        let major = header.device_major().unwrap().unwrap();
        format!(" {major},{}", header.device_minor().unwrap().unwrap())
    };
    let target = || format!(" -> {}", escape(&entry.link_name_bytes().unwrap()));
    let (letter, rest) = match header.entry_type().as_byte() {
        b'5' => ('d', String::new()),
        b'0' => ('f', format!(" {}", entry.size())),
        b'2' => ('l', target()),
        b'3' => ('c', device()),
        b'4' => ('b', device()),
        b'6' => ('p', String::new()),
        other => panic!("typeflag {other}"),
    };
    write!(text, "/{} {letter} {mode:04o} {uid}:{gid} {mtime}{rest}", escape(path))
}

/// Hashes the files that the `tar` crate reads.
pub(crate) fn crate_data(archive: &Path) -> DigestsByPath {
    let mut digests = DigestsByPath::new();
    let mut archive = tar::Archive::new(File::open(archive).unwrap());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type() == EntryType::Regular {
            let path = TreePath::parse(entry.path_bytes()).unwrap();
            let mut data = Vec::new();
            entry.read_to_end(&mut data).unwrap();
            digests.insert(path, hex(&Sha256::digest(data)));
        }
    }
    digests
}

/// Lists what GNU tar lists, in the order of the archive.
pub(crate) fn gnu_listing(tar: &Path, archive: &Path) -> String {
    let args = args!["--numeric-owner", "--full-time", "--quoting-style=c", "-tvf", archive];
    let said = String::from_utf8(oracle::expect(tar, args)).unwrap();
    said.lines().fold(String::new(), |text, line| text + &gnu_line(line) + "\n")
}

/// Rewrites `drwxr-xr-x 0/0 0 1970-01-01 00:00:01 "dir/"`.
fn gnu_line(line: &str) -> String {
    let (fields, name) = line.split_once(" \"").unwrap();
    let mut fields = fields.split_ascii_whitespace();
    let mut field = || fields.next().unwrap();
    let (mode, owner, size) = (field(), field().replace('/', ":"), field());
    let time = seconds(field(), field());
    let (name, after) = unquote(name);
    let (letter, rest) = match mode.as_bytes()[0] {
        b'-' => ('f', format!(" {size}")),
        b'l' => {
            let (target, _) = unquote(after.strip_prefix(" -> \"").unwrap());
            ('l', format!(" -> {}", escape(&target)))
        }
        letter @ (b'b' | b'c') => (char::from(letter), format!(" {size}")),
        letter => (char::from(letter), String::new()),
    };
    let name = name.strip_suffix(b"/").unwrap_or(&name);
    format!("/{} {letter} {:04o} {owner} {time}{rest}", escape(name), bits(&mode[1..]))
}

/// Reads `rwsr-xr-t` as mode bits.
fn bits(mode: &str) -> u32 {
    mode.bytes().zip((0..9).rev()).fold(0, |bits, (letter, place)| {
        let special = 1 << (9 + place / 3);
        bits | match letter {
            b'-' => 0,
            b'r' | b'w' | b'x' => 1 << place,
            b's' | b't' => 1 << place | special,
            b'S' | b'T' => special,
            _ => panic!("{mode}"),
        }
    })
}

/// Reads a date and a time of day, in UTC, as seconds since 1970.
fn seconds(date: &str, time: &str) -> i64 {
    let numbers = |text: &str, between: char| -> Vec<i64> {
        text.split(between).map(|number| number.parse().unwrap()).collect()
    };
    let (date, time) = (numbers(date, '-'), numbers(time, ':'));
    // Years that start in March: the leap day is the last one.
    let (year, month) =
        if date[1] > 2 { (date[0], date[1] - 3) } else { (date[0] - 1, date[1] + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400;
    let days = days + (153 * month + 2) / 5 + date[2] - 719_469;
    ((days * 24 + time[0]) * 60 + time[1]) * 60 + time[2]
}

/// Reads a text in C's notation up to its closing quote; returns what follows too.
fn unquote(text: &str) -> (Vec<u8>, &str) {
    let mut bytes = Vec::new();
    let mut at = 0;
    let text_bytes = text.as_bytes();
    while text_bytes[at] != b'"' {
        let plain = text_bytes[at] != b'\\';
        let (byte, length) =
            if plain { (text_bytes[at], 1) } else { escaped(&text_bytes[at + 1..]) };
        bytes.push(byte);
        at += length;
    }
    (bytes, &text[at + 1..])
}

/// Reads what follows a backslash; returns how long it was with it.
fn escaped(after: &[u8]) -> (u8, usize) {
    match after[0] {
        b'0'..=b'7' => {
            let digits = std::str::from_utf8(&after[..3]).unwrap();
            (u8::from_str_radix(digits, 8).unwrap(), 4)
        }
        b'a' => (7, 2),
        b'b' => (8, 2),
        b't' => (b'\t', 2),
        b'n' => (b'\n', 2),
        b'v' => (11, 2),
        b'f' => (12, 2),
        b'r' => (b'\r', 2),
        other => (other, 2),
    }
}

/// Lets bsdtar turn an archive into an mtree; returns its listing, and what its files hash to.
pub(crate) fn mtree(bsdtar: &Path, archive: &Path) -> (String, DigestsByPath) {
    let keywords = "type mode uid gid time size link device sha256";
    let keywords = keywords.split(' ').map(|keyword| format!(",mtree:{keyword}"));
    let options = format!("--options=mtree:!all{}", keywords.collect::<String>());
    let mut from = std::ffi::OsString::from("@");
    from.push(archive);
    let said = oracle::expect(bsdtar, args!["-cf", "-", "--format=mtree", &options, &from]);
    let said = String::from_utf8(said).unwrap();
    let (mut lines, mut hashes) = (BTreeMap::new(), DigestsByPath::new());
    for line in said.lines().skip(1) {
        let (path, line, hash) = mtree_line(line);
        if let Some(hash) = hash {
            hashes.insert(path.clone(), hash);
        }
        lines.insert(path, line);
    }
    (lines.into_values().fold(String::new(), |text, line| text + &line + "\n"), hashes)
}

/// Rewrites `./path time=1.0 mode=644 gid=0 uid=0 type=file size=0 sha256digest=e3b0…`.
fn mtree_line(line: &str) -> (TreePath, String, Option<String>) {
    let mut words = line.split(' ');
    let path = plain(words.next().unwrap().strip_prefix("./").unwrap());
    let words: BTreeMap<&str, &str> = words.map(|word| word.split_once('=').unwrap()).collect();
    let device = || {
        let numbers = words["device"].strip_prefix("native,").unwrap();
        format!(" {numbers}")
    };
    let (letter, rest) = match words["type"] {
        "dir" => ('d', String::new()),
        "file" => ('f', format!(" {}", words["size"])),
        "link" => ('l', format!(" -> {}", escape(&plain(words["link"])))),
        "char" => ('c', device()),
        "block" => ('b', device()),
        "fifo" => ('p', String::new()),
        other => panic!("{other}"),
    };
    let (uid, gid) = (words["uid"], words["gid"]);
    let mode = u32::from_str_radix(words["mode"], 8).unwrap();
    let time = words["time"].strip_suffix(".0").unwrap();
    let text = format!("/{} {letter} {mode:04o} {uid}:{gid} {time}{rest}", escape(&path));
    let hash = words.get("sha256digest").map(|hash| (*hash).to_owned());
    (TreePath::parse(path).unwrap(), text, hash)
}

/// Reads a text in mtree's notation, where `\ooo` is a byte.
fn plain(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some(byte) = rest.first() {
        let (byte, length) = if *byte == b'\\' { escaped(&rest[1..]) } else { (*byte, 1) };
        bytes.push(byte);
        rest = &rest[length..];
    }
    bytes
}
