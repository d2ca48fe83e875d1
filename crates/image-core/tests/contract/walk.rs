//! A mounted or extracted image as the text that `Tree::listing` makes, and its files compared with
//! their sources. Walks with the system's own calls, so that it is the kernel who answers.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, Metadata};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use calve_image_core::tree::listing::escape;
use calve_image_core::tree::{Kind, Source, Tree, TreePath};

/// Lists what a directory of the host holds as [`Tree::listing`] would.
pub fn listing(root: &Path) -> String {
    let mut lines = BTreeMap::new();
    walk(root, root, &mut lines);
    lines.into_values().fold(String::new(), |text, line| text + &line + "\n")
}

fn walk(root: &Path, path: &Path, lines: &mut BTreeMap<TreePath, String>) {
    let meta = fs::symlink_metadata(path).unwrap();
    let below = path.strip_prefix(root).unwrap().as_os_str().as_bytes();
    lines.insert(TreePath::parse(below).unwrap(), line(path, below, &meta));
    if meta.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| walk(root, &entry.unwrap().path(), lines));
    }
}

fn line(path: &Path, below: &[u8], meta: &Metadata) -> String {
    let kind = meta.file_type();
    let (major, minor) = (rustix::fs::major(meta.rdev()), rustix::fs::minor(meta.rdev()));
    let (letter, rest) = if kind.is_dir() {
        ('d', String::new())
    } else if kind.is_file() {
        ('f', format!(" {}", meta.size()))
    } else if kind.is_symlink() {
        ('l', format!(" -> {}", escape(&fs::read_link(path).unwrap().into_os_string().into_vec())))
    } else if kind.is_fifo() {
        ('p', String::new())
    } else {
        (if kind.is_block_device() { 'b' } else { 'c' }, format!(" {major},{minor}"))
    };
    let (mode, uid, gid, mtime) = (meta.mode() & 0o7777, meta.uid(), meta.gid(), meta.mtime());
    let path_text = escape(below);
    format!("/{path_text} {letter} {mode:04o} {uid}:{gid} {mtime}{rest}{}", xattrs(path))
}

fn xattrs(path: &Path) -> String {
    let mut names = vec![0; 64 << 10];
    let size = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let mut names: Vec<&[u8]> =
        names[..size].split(|byte| *byte == 0).filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.into_iter().fold(String::new(), |mut text, name| {
        let mut value = vec![0; 64 << 10];
        let size = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
        write!(text, " {}=", escape(name)).unwrap();
        value[..size].iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
        text
    })
}

/// Panics unless every file of `tree` has its source's bytes below `root`.
pub fn assert_same_data(tree: &Tree, root: &Path) {
    for node in tree.iter() {
        if let Kind::File(source) = node.kind() {
            let path = root.join(std::ffi::OsStr::from_bytes(node.path().relative()));
            assert_eq!(fs::read(&path).unwrap(), read(source), "{}", path.display());
        }
    }
}

/// Reads a source whole.
pub fn read(source: &Source) -> Vec<u8> {
    match source {
        Source::Bytes(data) => data.to_vec(),
        Source::Host(host) => {
            let mut data = Vec::new();
            host.open().unwrap().read_to_end(&mut data).unwrap();
            data
        }
        Source::Plan(_) => panic!("corpus trees hold no plans"),
    }
}
