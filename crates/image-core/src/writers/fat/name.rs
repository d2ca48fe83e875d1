//! Names: the long one as it is, and a short one of 8.3 for readers that know no other.
//!
//! A long name is UTF-16, up to 255 units, and compared without regard to case. Short names follow
//! the "basis-name" and "numeric-tail" rules of Microsoft's document: what fits 8.3 keeps its name,
//! the rest is cut and ends in `~1`, `~2` …, counted in the order of the tree. The case flags that
//! Windows NT keeps in `DIR_NTRes` are not used: not every firmware knows them.

use std::collections::{BTreeMap, BTreeSet};

use super::FatError;
use crate::tree::Node;

/// The most units of UTF-16 in a long name.
const LONG_MAX: usize = 255;

/// A name as a directory holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// Base and extension, padded with spaces.
    pub(super) short: [u8; 11],
    /// The units of the long name; empty where the short one says it all.
    pub(super) long: Vec<u16>,
}

/// Names everything in a directory, in the order of the tree.
pub(super) fn of_children(directory: Node<'_>) -> Result<Vec<Name>, FatError> {
    let texts: Vec<&str> = directory.children().map(checked).collect::<Result<_, _>>()?;
    let mut folded = BTreeMap::new();
    for (child, text) in directory.children().zip(&texts) {
        if let Some(other) = folded.insert(text.to_uppercase(), child) {
            let (path, other) = (child.path(), other.path());
            return Err(FatError::Case { path, other });
        }
    }
    let mut shorts: Vec<Basis> = texts.iter().map(|text| Basis::of(text)).collect();
    // Names that fit go first: a made-up name must not take one of theirs.
    let mut taken: BTreeSet<[u8; 11]> =
        shorts.iter().filter(|basis| basis.fits).map(|basis| basis.name).collect();
    let mut tails = BTreeMap::new();
    for basis in shorts.iter_mut().filter(|basis| !basis.fits) {
        basis.number(&mut tails, &mut taken);
    }
    let named = texts.iter().zip(shorts).map(|(text, basis)| {
        let plain = basis.shown() == text.as_bytes();
        let long = if plain { Vec::new() } else { text.encode_utf16().collect() };
        Name { short: basis.name, long }
    });
    Ok(named.collect())
}

/// Returns the name as text, if FAT can hold it.
fn checked(node: Node<'_>) -> Result<&str, FatError> {
    let error = |reason: String| FatError::Name { path: node.path(), reason };
    let Ok(text) = std::str::from_utf8(node.name()) else {
        return Err(error("it is no UTF-8".to_owned()));
    };
    let forbidden = |c: char| c.is_ascii_control() || "\"*:<>?\\|".contains(c);
    if let Some(found) = text.chars().find(|c| forbidden(*c)) {
        return Err(error(format!("it holds {found:?}")));
    }
    if text.ends_with(['.', ' ']) {
        return Err(error("readers drop a dot or space at the end".to_owned()));
    }
    match text.encode_utf16().count() {
        units if units > LONG_MAX => {
            Err(error(format!("it has {units} UTF-16 units, {LONG_MAX} are allowed")))
        }
        _ => Ok(text),
    }
}

/// A short name before and after its number.
struct Basis {
    name: [u8; 11],
    base: usize,
    /// Nothing but case was lost.
    fits: bool,
}

impl Basis {
    fn of(text: &str) -> Self {
        let stripped = text.trim_start_matches(['.', ' ']);
        let (base, extension) = stripped.rsplit_once('.').unwrap_or((stripped, ""));
        let (base, lossless_base) = short_part(base, 8);
        let (extension, lossless_extension) = short_part(extension, 3);
        let base = if base.is_empty() { vec![b'_'] } else { base };
        let mut name = [b' '; 11];
        name[..base.len()].copy_from_slice(&base);
        name[8..8 + extension.len()].copy_from_slice(&extension);
        let fits = lossless_base && lossless_extension && stripped.len() == text.len();
        Self { name, base: base.len(), fits }
    }

    /// Replaces the end of the base by the first `~n` that is free.
    fn number(&mut self, tails: &mut BTreeMap<[u8; 9], u32>, taken: &mut BTreeSet<[u8; 11]>) {
        let mut key = [b' '; 9];
        key[..6].copy_from_slice(&self.name[..6]);
        key[6..].copy_from_slice(&self.name[8..]);
        let next = tails.entry(key).or_insert(1);
        loop {
            let tail = format!("~{next}");
            *next += 1;
            let keep = self.base.min(8 - tail.len().min(7));
            let mut name = self.name;
            name[keep..8].fill(b' ');
            name[keep..].iter_mut().zip(tail.bytes()).for_each(|(to, from)| *to = from);
            if taken.insert(name) {
                self.name = name;
                return;
            }
        }
    }

    /// The name as a reader without long names shows it.
    fn shown(&self) -> Vec<u8> {
        let trimmed = |part: &[u8]| part.trim_ascii_end().to_vec();
        let (base, extension) = (trimmed(&self.name[..8]), trimmed(&self.name[8..]));
        if extension.is_empty() { base } else { [&base[..], b".", &extension].concat() }
    }
}

/// Cuts a part to what a short name may hold; tells whether nothing but case was lost.
fn short_part(part: &str, max: usize) -> (Vec<u8>, bool) {
    let mut lossless = true;
    let mut out = Vec::with_capacity(max);
    for c in part.chars() {
        let byte = match c {
            '.' | ' ' => {
                lossless = false;
                continue;
            }
            'A'..='Z' | 'a'..='z' | '0'..='9' => c.to_ascii_uppercase(),
            c if "$%'-_@~`!(){}^#&".contains(c) => c,
            _ => {
                lossless = false;
                '_'
            }
        };
        if out.len() == max {
            return (out, false);
        }
        out.push(u8::try_from(byte).unwrap_or(b'_'));
    }
    (out, lossless)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::Epoch;
    use crate::tree::{Entry, Meta, Mode, Source, Tree, TreeBuilder, TreePath};

    fn tree(names: &[&[u8]]) -> Tree {
        let mut builder = TreeBuilder::new(Epoch::STORE);
        let layer = builder.layer("test");
        for name in names {
            let entry = Entry::file(Meta::root(Mode::F644, Epoch::STORE), Source::bytes(*b""));
            builder.add(layer, TreePath::parse(name).unwrap(), entry);
        }
        builder.build().unwrap()
    }

    fn shorts(names: &[&[u8]]) -> Vec<String> {
        let named = of_children(tree(names).root()).unwrap();
        let short = |name: Name| String::from_utf8(name.short.to_vec()).unwrap();
        named.into_iter().map(short).collect()
    }

    #[test]
    fn short_names_follow_the_rules() {
        let names: [&[u8]; 8] = [
            b".config",
            b"A.TXT",
            b"a b.c",
            b"b.html",
            b"loader.conf",
            b"systemd-bootx64.efi",
            b"systemd~1.efi",
            b"x.y.z",
        ];
        let expected = [
            "CONFIG~1   ",
            "A       TXT",
            "AB~1    C  ",
            "B~1     HTM",
            "LOADER~1CON",
            "SYSTEM~1EFI",
            "SYSTEM~2EFI",
            "XY~1    Z  ",
        ];
        assert_eq!(shorts(&names), expected);
        let fitting: [&[u8]; 3] = [b"SYSTEM~1.EFI", b"loader", b"systemd-bootx64.efi"];
        assert_eq!(shorts(&fitting), ["SYSTEM~1EFI", "LOADER     ", "SYSTEM~2EFI"]);
    }

    #[test]
    fn a_long_name_is_kept_unless_the_short_one_says_it_all() {
        let named = of_children(tree(&[b"BOOTX64.EFI", b"loader"]).root()).unwrap();
        assert_eq!(named[0].long.len(), 0);
        assert_eq!(String::from_utf16(&named[1].long).unwrap(), "loader");
        let named = of_children(tree(&["\u{1f980}".as_bytes()]).root()).unwrap();
        assert_eq!(
            (named[0].long.as_slice(), &named[0].short),
            (&[0xD83E, 0xDD80][..], b"_~1        ")
        );
    }

    #[test]
    fn twelve_thousand_names_alike_get_a_number_each() {
        let names: Vec<_> =
            (0..12_000).map(|n| format!("initrd-long-{n:05}").into_bytes()).collect();
        let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        let shorts = shorts(&names);
        assert_eq!(shorts.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert_eq!(shorts.last().map(String::as_str), Some("IN~12000   "));
    }

    #[test]
    fn names_that_fat_cannot_hold_are_refused_by_path() {
        for (name, reason) in [
            (&b"a/\xff"[..], "/a/\u{fffd}: FAT cannot hold this name: it is no UTF-8"),
            (b"a/b:c", "/a/b:c: FAT cannot hold this name: it holds ':'"),
            (b"a/b.", "/a/b.: FAT cannot hold this name: readers drop a dot or space at the end"),
        ] {
            let tree = tree(&[name]);
            let directory = tree.root().child(b"a").unwrap();
            assert_eq!(of_children(directory).unwrap_err().to_string(), reason);
        }
        let tree = tree(&["GR\u{dc}N".as_bytes(), "gr\u{fc}n".as_bytes()]);
        let said = of_children(tree.root()).unwrap_err().to_string();
        assert!(said.contains("/gr\u{fc}n") && said.contains("/GR\u{dc}N"), "{said}");
    }
}
