//! The registration text: what `nix-store --dump-db` prints and `--load-db` reads.
//!
//! Plain lines per path: the path, its NAR's hash, its NAR's size, the deriver (an empty line where
//! unknown), the number of references, one line per reference. `closureInfo`'s `registration` and an
//! image's `/nix-path-registration` are the same text, with hashes in any encoding Nix knows; the
//! writer uses base 16, as Nix does. The format has no signatures, content addresses or times.
//!
//! Follows Nix's `decodeValidPathInfo`; the text is read whole (100 bytes per reference).

use super::closure::PathInfo;
use super::nar_hash::{self, NarHash};
use super::store_path::{self, StorePath};

/// Where the loaders of images that are no ISO look for the text.
pub const FILE: &str = "/nix-path-registration";

/// Why a text is not a registration; lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text ends inside a record.
    #[error("line {line}: expected {expected}, found the end of the registration")]
    End {
        /// Where the next line should be.
        line: usize,
        /// What that line should hold.
        expected: &'static str,
    },
    /// A line holds something else than a path where one must be.
    #[error("line {line}: {expected} is malformed")]
    Path {
        /// The line at fault.
        line: usize,
        /// What that line should hold.
        expected: &'static str,
        /// What is wrong with it.
        source: store_path::Error,
    },
    /// A line holds something else than a NAR hash.
    #[error("line {line}: the NAR hash is malformed")]
    Hash {
        /// The line at fault.
        line: usize,
        /// What is wrong with it.
        source: nar_hash::Error,
    },
    /// A line holds something else than a number.
    #[error("line {line}: expected {expected}, found {found:?}")]
    Number {
        /// The line at fault.
        line: usize,
        /// What that line should hold.
        expected: &'static str,
        /// What it holds.
        found: String,
    },
}

/// Reads all records, in the order of the text.
pub fn parse(text: &str) -> Result<Vec<PathInfo>, Error> {
    let mut lines = Lines { rest: text.lines(), line: 0 };
    let mut infos = Vec::new();
    // An empty line in a path's place ends Nix's own reading, too.
    while let Some(first) = lines.rest.next().filter(|line| !line.is_empty()) {
        lines.line += 1;
        infos.push(record(first, &mut lines)?);
    }
    Ok(infos)
}

/// Writes records in the order given, byte for byte as `nix-store --dump-db` does.
pub fn write<'a>(infos: impl IntoIterator<Item = &'a PathInfo>) -> String {
    let mut text = String::new();
    for info in infos {
        let deriver = info.deriver.as_ref().map(ToString::to_string).unwrap_or_default();
        for field in [
            info.path.to_string(),
            info.nar_hash.base16(),
            info.nar_size.to_string(),
            deriver,
            info.references.len().to_string(),
        ] {
            text.push_str(&field);
            text.push('\n');
        }
        for reference in &info.references {
            text.push_str(&reference.to_string());
            text.push('\n');
        }
    }
    text
}

/// The text's lines with their number.
struct Lines<'a> {
    rest: std::str::Lines<'a>,
    line: usize,
}

impl<'a> Lines<'a> {
    fn take(&mut self, expected: &'static str) -> Result<&'a str, Error> {
        self.line += 1;
        self.rest.next().ok_or(Error::End { line: self.line, expected })
    }

    fn path(&self, text: &str, expected: &'static str) -> Result<StorePath, Error> {
        text.parse().map_err(|source| Error::Path { line: self.line, expected, source })
    }

    fn number<N: std::str::FromStr>(&mut self, expected: &'static str) -> Result<N, Error> {
        let text = self.take(expected)?;
        text.parse().map_err(|_| Error::Number {
            line: self.line,
            expected,
            found: text.to_owned(),
        })
    }
}

/// Reads what follows a record's first line.
fn record(first: &str, lines: &mut Lines<'_>) -> Result<PathInfo, Error> {
    let path = lines.path(first, "a store path")?;
    let hash = lines.take("a NAR hash")?;
    let nar_hash =
        hash.parse::<NarHash>().map_err(|source| Error::Hash { line: lines.line, source })?;
    let nar_size = lines.number("a NAR size in bytes")?;
    let deriver = match lines.take("a deriver or an empty line")? {
        "" => None,
        text => Some(lines.path(text, "the deriver")?),
    };
    let count: usize = lines.number("a number of references")?;
    let mut references = Vec::new();
    for _ in 0..count {
        let text = lines.take("a reference")?;
        references.push(lines.path(text, "a reference")?);
    }
    Ok(PathInfo {
        path,
        nar_hash,
        nar_size,
        references,
        deriver,
        signatures: Vec::new(),
        ca: None,
        ultimate: false,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::inputs::closure::Closure;

    /// Read off real NixOS systems: one as `nix-store --dump-db` printed it, whole.
    const UEFI: &str = include_str!("../../testdata/real/minimal-uefi/registration");
    const LXC: &str = include_str!("../../testdata/real/proxmox-lxc/registration");

    #[test]
    fn real_registrations_round_trip_byte_for_byte() {
        for text in [UEFI, LXC] {
            let infos = parse(text).unwrap();
            assert!(infos.len() > 200, "{}", infos.len());
            assert_eq!(write(&infos), text);
        }
    }

    #[test]
    fn real_registrations_are_closed() {
        let infos = parse(UEFI).unwrap();
        let count = infos.len();
        let toplevel = infos
            .iter()
            .find(|info| info.path.name().starts_with("nixos-system-"))
            .map(|info| info.path.clone())
            .unwrap();
        let closure = Closure::of(infos, &[toplevel]).unwrap();
        assert_eq!(closure.paths().len(), count);
    }

    #[test]
    fn other_hash_encodings_are_read() {
        let path = "/nix/store/p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-x";
        let hash = "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";
        let infos = parse(&format!("{path}\n{hash}\n112\n\n1\n{path}\n")).unwrap();
        assert_eq!(infos[0].references[0], infos[0].path);
        assert_eq!(infos[0].nar_hash.base16()[..8], *"e3b0c442");
    }

    #[test]
    fn errors_name_line_and_expectation() {
        let path = "/nix/store/p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-x";
        let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let cases = [
            (format!("{path}\n"), "line 2: expected a NAR hash, found the end of the registration"),
            (format!("{path}\nx\n"), "line 2: the NAR hash is malformed"),
            (format!("{path}\n{hash}\n-1\n"), "line 3: expected a NAR size in bytes, found \"-1\""),
            (format!("{path}\n{hash}\n1\nx\n"), "line 4: the deriver is malformed"),
            (
                format!("{path}\n{hash}\n1\n\n99999999999\n"),
                "line 6: expected a reference, found the end of the registration",
            ),
            (format!("{path}\n{hash}\n1\n\n1\n/tmp\n"), "line 6: a reference is malformed"),
            ("/tmp\n".to_owned(), "line 1: a store path is malformed"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(&text).unwrap_err().to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn a_damaged_registration_is_read_or_refused(at in 0usize..LXC.len(), byte in 32u8..127) {
            let mut bytes = LXC.as_bytes().to_vec();
            bytes[at] = byte;
            let _ = parse(std::str::from_utf8(&bytes).unwrap());
        }
    }
}
