//! What Unix knows about a file, in the system use field of its directory record.
//!
//! The fields are those of the Rock Ridge Interchange Protocol 1.12 (IEEE P1282 draft): PX, PN, SL, NM, TF. Deep
//! directories stay where they are instead of being moved (CL, PL, RE): ECMA-119's eight levels bind
//! no reader of Rock Ridge, and moved directories confuse some. Sparse files (SF) are not written.

use super::date::Date;
use super::ondisk::both32;
use super::susp::{Field, field};
use crate::tree::{Kind, Meta, Node};

/// `NM` and `SL`: what is said goes on in the next field of that name.
const CONTINUE: u8 = 1;
/// `SL`, component: the directory itself.
const CURRENT: u8 = 1 << 1;
/// `SL`, component: the directory above.
const PARENT: u8 = 1 << 2;
/// `SL`, component: the root.
const ROOT: u8 = 1 << 3;
/// `TF`: modification, access and attribute change follow, seven bytes each.
const TIMES: u8 = 1 << 1 | 1 << 2 | 1 << 3;

/// What a field holds besides its header and flags.
const ROOM: usize = 250;

/// Describes an entry under its own name; `links` are the names that lead to it.
pub(super) fn named(node: Node<'_>, links: u32) -> Vec<Field> {
    let mut fields = described(node, links);
    match node.kind() {
        Kind::Symlink(target) => fields.extend(link(target)),
        Kind::Device(device) => {
            // The low half alone, as a `dev_t` of 32 bits was: the one form that Linux and
            // libarchive read alike.
            let low = device.major << 8 | device.minor;
            fields.push(field(*b"PN", &[both32(0), both32(low)].concat()));
        }
        Kind::Directory | Kind::File(_) | Kind::Fifo => {}
    }
    fields.extend(name(node.name()));
    fields
}

/// Describes a directory in records that give it no name: its own and its children's.
pub(super) fn described(node: Node<'_>, links: u32) -> Vec<Field> {
    let Meta { mode, uid, gid, mtime, .. } = *node.meta();
    let kind: u32 = match node.kind() {
        Kind::Directory => 0o040_000,
        Kind::File(_) => 0o100_000,
        Kind::Symlink(_) => 0o120_000,
        Kind::Device(device) if device.block => 0o060_000,
        Kind::Device(_) => 0o020_000,
        Kind::Fifo => 0o010_000,
    };
    let serial = u32::try_from(node.id().next().index()).unwrap_or(u32::MAX);
    let numbers = [kind | u32::from(mode.bits()), links, uid, gid, serial];
    let date = Date::of(mtime).short();
    vec![
        field(*b"PX", &numbers.map(both32).concat()),
        field(*b"TF", &[&[TIMES][..], &date, &date, &date].concat()),
    ]
}

/// Names an entry, in as many fields as it takes.
fn name(name: &[u8]) -> Vec<Field> {
    let parts: Vec<_> = name.chunks(ROOM).collect();
    let last = parts.len() - 1;
    let flags = |index| if index < last { CONTINUE } else { 0 };
    let part = |(index, part): (usize, &&[u8])| field(*b"NM", &[&[flags(index)], *part].concat());
    parts.iter().enumerate().map(part).collect()
}

/// Says where a link leads, component by component, in as many fields as it takes.
///
/// Empty components stand for doubled and trailing slashes, so that the target is kept as it is.
fn link(target: &[u8]) -> Vec<Field> {
    let mut parts = vec![Vec::new()];
    let rest = match target.strip_prefix(b"/") {
        Some(rest) => {
            component(&mut parts, ROOT, b"", rest.is_empty());
            rest
        }
        None => target,
    };
    let mut names = rest.split(|byte| *byte == b'/').peekable();
    while let Some(name) = names.next() {
        let last = names.peek().is_none();
        match name {
            b"" if last && rest.is_empty() => {}
            b"." => component(&mut parts, CURRENT, name, last),
            b".." => component(&mut parts, PARENT, name, last),
            name => component(&mut parts, 0, name, last),
        }
    }
    let last = parts.len() - 1;
    let flags = |index| if index < last { CONTINUE } else { 0 };
    let parts = parts.iter().enumerate();
    parts.map(|(index, part)| field(*b"SL", &[&[flags(index)], &part[..]].concat())).collect()
}

/// Adds a component to the last field, or goes on with it in further ones.
///
/// A field that another one follows always ends within a component, if only before its last nothing:
/// libarchive forgets the slash between two fields.
fn component(parts: &mut Vec<Vec<u8>>, mut flags: u8, mut name: &[u8], last: bool) {
    loop {
        let room = ROOM - parts.last().map_or(0, Vec::len);
        let text = if flags == 0 { name } else { b"" };
        let needed = 2 + text.len() + if last { 0 } else { 2 };
        let whole = needed <= room;
        // What is torn apart is spelled out, dots too.
        let (now, later) =
            if whole { (text, &b""[..]) } else { name.split_at(name.len().min(room - 2)) };
        if let Some(part) = parts.last_mut() {
            part.push(if whole { flags } else { CONTINUE });
            part.push(u8::try_from(now.len()).unwrap_or(u8::MAX));
            part.extend(now);
        }
        if whole {
            return;
        }
        parts.push(Vec::new());
        (flags, name) = (0, later);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_said_in_components() {
        let said = |target: &[u8]| {
            link(target).iter().map(|field| field.bytes()[4..].to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(said(b"/"), [vec![0, ROOT, 0]]);
        assert_eq!(said(b"../a"), [vec![0, PARENT, 0, 0, 1, b'a']]);
        assert_eq!(said(b"/a//b/"), [vec![0, ROOT, 0, 0, 1, b'a', 0, 0, 0, 1, b'b', 0, 0]]);
        let long = said(&[b'x'; 600]);
        assert_eq!(long.iter().map(Vec::len).collect::<Vec<_>>(), [251, 251, 107]);
        assert_eq!((long[0][0], long[0][1], long[0][2]), (CONTINUE, CONTINUE, 248));
        assert_eq!((long[2][0], long[2][1], long[2][2]), (0, 0, 104));
        // 82 components of three bytes leave four, and one more leaves no room to go on.
        let many = said(&b"a/".repeat(100));
        assert_eq!(many[0][many[0].len() - 3..], [CONTINUE, 1, b'a']);
        assert_eq!(many[1][..6], [0, 0, 0, 0, 1, b'a']);
        let up = said(&b"../".repeat(200));
        assert_eq!(up[0][up[0].len() - 4..], [PARENT, 0, CONTINUE, 0]);
        assert_eq!(up[1][..7], [0, 0, 2, b'.', b'.', PARENT, 0]);
    }

    #[test]
    fn names_go_on_in_a_second_field() {
        let said = name(&[b'n'; 253]);
        assert_eq!(said.len(), 2);
        assert_eq!((said[0].bytes().len(), said[0].bytes()[4]), (255, CONTINUE));
        assert_eq!(said[1].bytes(), b"NM\x08\x01\0nnn");
    }
}
