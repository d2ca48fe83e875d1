//! A tree as text: one line an entry, complete, and the same for every reader.
//!
//! Tests hold an image up against its tree by making this text from both: from the tree here, and
//! from what an outside program (debugfs, mtools, the kernel) says the image holds.
//!
//! ```text
//! /nix/store d 1775 0:30000 1
//! /nix/store/x/bin/sh f 0555 0:0 1 941320
//! /nix/store/x/lib l 0777 0:0 1 -> ../y/lib
//! /dev/console c 0600 0:0 1 5,1
//! ```
//!
//! Bytes outside printable ASCII, spaces and backslashes in names are written `\xNN`, so that the
//! text is injective. Extended attributes follow as ` name=hex`.

use std::fmt::Write;

use super::entry::Kind;
use super::{Node, Tree};

impl Tree {
    /// Writes the tree as text, in path order.
    pub fn listing(&self) -> String {
        self.iter().fold(String::new(), |mut text, node| {
            text.push_str(&line(node));
            text.push('\n');
            text
        })
    }
}

/// Writes one entry as [`Tree::listing`] does, without the line's end.
pub fn line(node: Node<'_>) -> String {
    let meta = node.meta();
    let letter = match node.kind() {
        Kind::Directory => 'd',
        Kind::File(_) => 'f',
        Kind::Symlink(_) => 'l',
        Kind::Device(device) if device.block => 'b',
        Kind::Device(_) => 'c',
        Kind::Fifo => 'p',
    };
    let path = escape(node.path().relative());
    let (mode, uid, gid, mtime) = (meta.mode.bits(), meta.uid, meta.gid, meta.mtime.seconds());
    let mut text = format!("/{path} {letter} {mode:04o} {uid}:{gid} {mtime}");
    // Writing to a String cannot fail.
    let _ = match node.kind() {
        Kind::Directory | Kind::Fifo => Ok(()),
        Kind::File(source) => write!(text, " {}", source.size().get()),
        Kind::Symlink(target) => write!(text, " -> {}", escape(target)),
        Kind::Device(device) => write!(text, " {},{}", device.major, device.minor),
    };
    for (name, value) in meta.xattrs.iter() {
        let _ = write!(text, " {}=", escape(name));
        for byte in value {
            let _ = write!(text, "{byte:02x}");
        }
    }
    text
}

/// Writes bytes so that they read as one word and can be told from any others.
pub fn escape(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_graphic() && *byte != b'\\' {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "\\x{byte:02x}");
        }
        text
    })
}
