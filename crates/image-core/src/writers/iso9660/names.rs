//! What the entries are called where Rock Ridge is not read: in plain ISO 9660 and in Joliet.
//!
//! Neither can say every name. Each rule makes of a name the nearest one that it can say; of names
//! that come out alike, one that was changed gets a mark, eight digits of the SHA-256 of what it was. Names
//! that could be said as they are come first, so a mangled one never takes their place. The order of the
//! tree decides the rest, so the same tree gives the same names.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::tree::{Kind, Node, NodeId, Tree};

/// By which rule entries are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// ECMA-119, level 3: up to 31 of A to Z, 0 to 9 and `_`, in files with one dot among them.
    Primary,
    /// The Joliet Specification (1995): up to 64 units of UCS-2, without some of ASCII.
    Joliet,
}

/// Names by the position of what they name, encoded, without version numbers.
#[derive(Debug)]
pub(super) struct Names(BTreeMap<NodeId, Box<[u8]>>);

impl Names {
    /// Names everything that the rule has a name for.
    pub(super) fn of(tree: &Tree, rule: Rule) -> Self {
        let mut names = BTreeMap::new();
        for directory in tree.iter().filter(|node| node.is_directory()) {
            let children: Vec<_> = directory.children().filter(|node| rule.has(*node)).collect();
            let mut used = BTreeSet::new();
            let (exact, changed): (Vec<_>, Vec<_>) = children
                .into_iter()
                .map(|node| (node, Said::of(node, rule)))
                .partition(|(_, said)| said.exact);
            for (node, said) in exact.into_iter().chain(changed) {
                let name = said.unique(node.name(), &used);
                names.insert(node.id(), rule.encode(&name));
                used.insert(key(&name).to_vec());
            }
        }
        Self(names)
    }

    /// Returns the name of an entry; none where the rule leaves it out.
    pub(super) fn get(&self, node: NodeId) -> Option<&[u8]> {
        self.0.get(&node).map(AsRef::as_ref)
    }
}

impl Rule {
    /// Tells whether an entry is there at all: who reads Joliet knows no links and no devices.
    fn has(self, node: Node<'_>) -> bool {
        match (self, node.kind()) {
            (Self::Primary, _) | (Self::Joliet, Kind::Directory | Kind::File(_)) => true,
            (Self::Joliet, Kind::Symlink(_) | Kind::Device(_) | Kind::Fifo) => false,
        }
    }

    /// Units in a name, the dot included and the version number not.
    fn longest(self) -> usize {
        match self {
            Self::Primary => 31,
            Self::Joliet => 64,
        }
    }

    /// Says a character as the rule can.
    fn unit(self, c: char) -> u16 {
        let said = match self {
            Self::Primary => Some(c.to_ascii_uppercase()).filter(char::is_ascii_alphanumeric),
            Self::Joliet => Some(c).filter(|c| !c.is_control() && !r"*/:;?\".contains(*c)),
        };
        // Beyond UCS-2 there are surrogates, which are UTF-16.
        said.and_then(|c| u16::try_from(u32::from(c)).ok()).unwrap_or(u16::from(b'_'))
    }

    /// Adds the version number, which only files have: always the first.
    pub(super) fn with_version(self, name: &[u8]) -> Vec<u8> {
        match self {
            Self::Primary => [name, b";1"].concat(),
            Self::Joliet => [name, b"\0;\x001"].concat(),
        }
    }

    fn encode(self, units: &[u16]) -> Box<[u8]> {
        match self {
            Self::Primary => units.iter().map(|unit| u8::try_from(*unit).unwrap_or(b'_')).collect(),
            Self::Joliet => units.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
        }
    }
}

/// Returns what readers leave of a name: they drop the dot of one without extension.
fn key(name: &[u16]) -> &[u16] {
    name.strip_suffix(&[u16::from(b'.')]).unwrap_or(name)
}

/// A name as a rule can say it, in parts.
struct Said {
    stem: Vec<u16>,
    /// What follows the last dot, and the dot.
    extension: Vec<u16>,
    longest: usize,
    /// Nothing was changed.
    exact: bool,
}

impl Said {
    fn of(node: Node<'_>, rule: Rule) -> Self {
        let text = String::from_utf8_lossy(node.name());
        let longest = rule.longest();
        let dot = text.rfind('.').filter(|at| {
            // What is long or comes first is no extension, nor has a directory of plain ISO 9660 one.
            let short = text[*at..].chars().count() <= longest / 3;
            *at > 0 && short && !(rule == Rule::Primary && node.is_directory())
        });
        let (stem, extension) = text.split_at(dot.unwrap_or(text.len()));
        let units = |part: &str| part.chars().map(|c| rule.unit(c)).collect::<Vec<u16>>();
        let stem = units(stem);
        let extension = match (rule, extension.strip_prefix('.')) {
            (Rule::Primary, None) if node.is_directory() => Vec::new(),
            (Rule::Joliet, None) => Vec::new(),
            (Rule::Primary, None) => vec![u16::from(b'.')],
            (_, Some(extension)) => [vec![u16::from(b'.')], units(extension)].concat(),
        };
        let mut said = Self { stem, extension, longest, exact: false };
        let name = said.marked("");
        let kept = String::from_utf16_lossy(&name);
        let bare = kept.strip_suffix('.').unwrap_or(&kept).as_bytes();
        said.exact = kept.as_bytes() == node.name() || bare == node.name();
        said
    }

    /// Puts the parts together around a mark, the stem as long as there is room.
    fn marked(&self, mark: &str) -> Vec<u16> {
        let mark: Vec<u16> = mark.encode_utf16().collect();
        let room = self.longest.saturating_sub(mark.len() + self.extension.len());
        let stem = self.stem.get(..room).unwrap_or(&self.stem);
        [stem, &mark, &self.extension].concat()
    }

    /// Returns the name, or the first one with a mark that nothing else is called.
    fn unique(&self, name: &[u8], used: &BTreeSet<Vec<u16>>) -> Vec<u16> {
        let plain = self.marked("");
        if !used.contains(key(&plain)) {
            return plain;
        }
        let mut salt = 0u32;
        loop {
            let digest = Sha256::new().chain_update(salt.to_le_bytes()).chain_update(name);
            let digest = digest.finalize();
            let mark = digest
                .iter()
                .take(4)
                .fold("_".to_owned(), |mark, byte| mark + &format!("{byte:02X}"));
            let marked = self.marked(&mark);
            if !used.contains(key(&marked)) {
                return marked;
            }
            salt = salt.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::Epoch;
    use crate::tree::{Entry, Meta, Mode, Source, TreeBuilder, TreePath};

    fn named(rule: Rule, names: &[&[u8]]) -> Vec<String> {
        let mut builder = TreeBuilder::new(Epoch::STORE);
        let layer = builder.layer("test");
        for name in names {
            let meta = Meta::root(Mode::F644, Epoch::STORE);
            let file = Entry::file(meta, Source::bytes(*b""));
            builder.add(layer, TreePath::parse(name).unwrap(), file);
        }
        let tree = builder.build().unwrap();
        let all = Names::of(&tree, rule);
        let shown = |path: &&[u8]| {
            let node = tree.find(&TreePath::parse(path).unwrap()).unwrap();
            let name = all.get(node.id()).unwrap();
            match rule {
                Rule::Primary => String::from_utf8(name.to_vec()).unwrap(),
                Rule::Joliet => {
                    let pairs = name.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
                    String::from_utf16(&pairs.collect::<Vec<_>>()).unwrap()
                }
            }
        };
        names.iter().map(shown).collect()
    }

    #[test]
    fn plain_names_are_what_isolinux_looks_for() {
        let names: [&[u8]; 4] = [b"isolinux.cfg", b"bzImage", b".hidden", b"initrd-6.12.5.img"];
        let said = named(Rule::Primary, &names);
        assert_eq!(said, ["ISOLINUX.CFG", "BZIMAGE.", "_HIDDEN.", "INITRD_6_12_5.IMG"]);
    }

    #[test]
    fn names_that_come_out_alike_are_told_apart() {
        let said = named(Rule::Primary, &[b"readme", b"README", b"Readme"]);
        assert_eq!(said[1], "README.");
        assert!(said[0].starts_with("README_") && said[2].starts_with("README_"), "{said:?}");
        assert_ne!(said[0], said[2]);
        let long = "n".repeat(80);
        let (first, second) = (format!("{long}1.txt"), format!("{long}2.txt"));
        let said =
            named(Rule::Joliet, &[first.as_bytes(), second.as_bytes(), b"a?", b"a_", b"\xff"]);
        assert_eq!(said[0], format!("{}.txt", "n".repeat(60)));
        assert!(said[1].len() == 64 && said[1].ends_with(".txt") && said[1] != said[0], "{said:?}");
        assert!(said[2].starts_with("a__"), "{said:?}");
        assert_eq!(said[3..], ["a_", "\u{fffd}"]);
    }
}
