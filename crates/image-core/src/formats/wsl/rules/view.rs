//! A tree looked at as the running system would: links followed, files read.

use std::io::Read;

use super::{Subject, is_wsls_own};
use crate::formats::wsl::conf::Conf;
use crate::formats::wsl::{Error, TEXT_MAX};
use crate::tree::source::SourceError;
use crate::tree::{Kind, Mode, Node, Source, TreePath};
use crate::units::Bytes;

/// How many links are followed; the kernel's own number.
const LINKS_MAX: usize = 40;

/// The permission of the owner that makes a file a program.
const EXECUTABLE: u16 = 0o100;

impl<'a> Subject<'a> {
    /// Finds what a path leads to, links followed.
    pub(super) fn find(self, path: &str) -> Option<Node<'a>> {
        self.follow(path).ok()
    }

    /// Follows a path; an error is where it left the tree.
    fn follow(self, path: &str) -> Result<Node<'a>, TreePath> {
        let mut left: Vec<String> = parts(path);
        let mut node = self.tree.root();
        let mut links = 0;
        while let Some(part) = left.pop() {
            if part == ".." {
                node = node.parent().unwrap_or(node);
                continue;
            }
            let next = node.child(part.as_bytes());
            let Some(next) = next else {
                let missing = TreePath::parse(&part).unwrap_or_default();
                return Err(node.path().join(&missing));
            };
            let Kind::Symlink(target) = next.kind() else {
                node = next;
                continue;
            };
            links += 1;
            if links > LINKS_MAX {
                return Err(next.path());
            }
            let target = String::from_utf8_lossy(target);
            if target.starts_with('/') {
                node = self.tree.root();
            }
            left.extend(parts(&target));
        }
        Ok(node)
    }

    /// Whether a path leads to a program, be it one that WSL brings.
    pub(super) fn is_program(self, path: &str) -> bool {
        match self.follow(path) {
            Ok(node) => {
                let is_file = matches!(node.kind(), Kind::File(_));
                is_file && node.meta().mode.bits() & EXECUTABLE != 0
            }
            Err(missing) => is_wsls_own(&missing),
        }
    }

    /// The paths of a list that are there.
    pub(super) fn present(self, paths: &[&str]) -> Result<Option<String>, Error> {
        let mut found = Vec::new();
        for path in paths {
            if self.tree.find(&TreePath::parse(path)?).is_some() {
                found.push(*path);
            }
        }
        Ok((!found.is_empty()).then(|| found.join(", ")))
    }

    /// Says what is wrong with a file that must be root's, mode 0644.
    pub(super) fn not_a_root_file(self, path: &str) -> Option<String> {
        let node = TreePath::parse(path).ok().and_then(|path| self.tree.find(&path));
        let Some(node) = node else { return Some(format!("no {path}")) };
        let meta = node.meta();
        let is_kept = matches!(node.kind(), Kind::File(_))
            && meta.mode == Mode::F644
            && (meta.uid, meta.gid) == (0, 0);
        (!is_kept).then(|| {
            format!("{path} of {}:{} with mode {:04o}", meta.uid, meta.gid, meta.mode.bits())
        })
    }

    /// Reads one of WSL's files; an absent one is empty.
    pub(super) fn conf(self, path: &str) -> Result<Conf, Error> {
        self.text(path).map(Conf::of)
    }

    /// Reads a text; an absent one is empty.
    pub(crate) fn text(self, path: &str) -> Result<String, Error> {
        let bytes = self.read(path, TEXT_MAX)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Reads a file; `None` where there is none, or a larger one.
    pub(super) fn read(self, path: &str, limit: Bytes) -> Result<Option<Vec<u8>>, Error> {
        let Some(Kind::File(source)) = self.find(path).map(Node::kind) else { return Ok(None) };
        if source.size() > limit {
            return Ok(None);
        }
        match source {
            Source::Bytes(bytes) => Ok(Some(bytes.to_vec())),
            Source::Host(file) => {
                let mut bytes = Vec::new();
                let read = file.open()?.take(limit.get()).read_to_end(&mut bytes);
                read.map_err(|source| SourceError::Io {
                    action: "read",
                    path: file.path(),
                    source,
                })?;
                Ok(Some(bytes))
            }
            // No configuration file is an image.
            Source::Plan(_) => Ok(None),
        }
    }
}

/// The components of a path from the last to the first, those that change nothing left out.
fn parts(path: &str) -> Vec<String> {
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
    parts.rev().map(str::to_owned).collect()
}
