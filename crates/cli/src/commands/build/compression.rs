//! How archives are compressed, as people say it: `zstd`, `xz:release`, `gzip:9`, `none`.
//!
//! The names of levels mean the same everywhere: `fast` for a build that is looked at once, `default`,
//! and `release` for one that many download. Without words, the ending of the output's name tells.

use std::path::Path;
use std::str::FromStr;

use calve_image_core::pack::Codec;

use crate::failure::Failure;

/// What `--compress` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Compression(Option<Codec>);

/// A way to compress, with its words, its ending and its levels.
struct Method {
    word: &'static str,
    ending: &'static str,
    /// `fast`, `default` and `release`.
    named: [u8; 3],
    highest: u8,
    codec: fn(u8) -> Codec,
}

const METHODS: [Method; 3] = [
    Method { word: "zstd", ending: ".zst", named: [3, 9, 19], highest: 19, codec: Codec::Zstd },
    Method { word: "xz", ending: ".xz", named: [1, 6, 9], highest: 9, codec: Codec::Xz },
    Method { word: "gzip", ending: ".gz", named: [1, 6, 9], highest: 9, codec: Codec::Gzip },
];

const NONE: &str = "none";

const LEVELS: [&str; 3] = ["fast", "default", "release"];

/// A text that is no compression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ParseError {
    #[error("expected zstd, xz, gzip or none, perhaps with a level (zstd:fast), found {found:?}")]
    Method { found: String },
    #[error(
        "expected a level of {method}: fast, default, release or a number from 1 to {highest}, found {found:?}"
    )]
    Level { method: &'static str, highest: u8, found: String },
}

impl FromStr for Compression {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (word, level) = match text.split_once(':') {
            Some((word, level)) => (word, Some(level)),
            None => (text, None),
        };
        if word == NONE && level.is_none() {
            return Ok(Self(None));
        }
        let method = METHODS.iter().find(|method| method.word == word);
        let method = method.ok_or_else(|| ParseError::Method { found: text.to_owned() })?;
        method.at(level.unwrap_or("default"))
    }
}

impl Method {
    fn at(&self, level: &str) -> Result<Compression, ParseError> {
        let named = LEVELS.iter().zip(self.named).find(|(name, _)| **name == level);
        let number = named.map(|(_, number)| number).or_else(|| level.parse().ok());
        let number = number.filter(|number| (1..=self.highest).contains(number));
        let error = || ParseError::Level {
            method: self.word,
            highest: self.highest,
            found: level.to_owned(),
        };
        Ok(Compression(Some((self.codec)(number.ok_or_else(error)?))))
    }
}

impl Compression {
    /// The usual gzip.
    pub(super) const GZIP: Self = Self(Some(Codec::Gzip(6)));
    /// The usual zstd.
    pub(super) const ZSTD: Self = Self(Some(Codec::Zstd(9)));

    /// Decides between what was asked for, what the ending of the output says, and the default.
    pub(super) fn resolve(
        asked: Option<Self>,
        output: Option<&Path>,
        default: Self,
    ) -> Result<Self, Failure> {
        let named = output.and_then(Self::told_by);
        match (asked, named) {
            (Some(asked), Some(named)) if asked.word() != named.word() => {
                Err(Failure::usage(format!(
                    "--compress {} contradicts the ending of the output, {}",
                    asked.word(),
                    named.ending()
                )))
            }
            (asked, named) => Ok(asked.or(named).unwrap_or(default)),
        }
    }

    /// What the name of a file says, `.tar` or `.tar.zst`; others say nothing.
    fn told_by(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let usual = METHODS.iter().filter_map(|method| method.at("default").ok());
        let mut known = std::iter::once(Self(None)).chain(usual);
        known.find(|known| name.ends_with(&known.ending()))
    }

    /// What packing does; `None` where the archive stays as it is.
    pub(super) fn codec(self) -> Option<Codec> {
        self.0
    }

    /// The ending of an archive's name: `.tar.zst`.
    pub(super) fn ending(self) -> String {
        format!(".tar{}", self.method().map_or("", |method| method.ending))
    }

    fn word(self) -> &'static str {
        self.method().map_or(NONE, |method| method.word)
    }

    fn method(self) -> Option<&'static Method> {
        let word = match self.0? {
            Codec::Zstd(_) => "zstd",
            Codec::Xz(_) => "xz",
            Codec::Gzip(_) => "gzip",
        };
        METHODS.iter().find(|method| method.word == word)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parsed(text: &str) -> Result<Option<Codec>, String> {
        text.parse().map(Compression::codec).map_err(|error: ParseError| error.to_string())
    }

    #[test]
    fn words_and_levels() {
        for (text, codec) in [
            ("none", None),
            ("zstd", Some(Codec::Zstd(9))),
            ("zstd:fast", Some(Codec::Zstd(3))),
            ("zstd:release", Some(Codec::Zstd(19))),
            ("xz", Some(Codec::Xz(6))),
            ("xz:1", Some(Codec::Xz(1))),
            ("gzip:default", Some(Codec::Gzip(6))),
        ] {
            assert_eq!(parsed(text), Ok(codec), "{text}");
        }
        assert_eq!(parsed("zstd").unwrap(), Compression::ZSTD.codec());
        for text in ["", "zst", "zstd:", "zstd:0", "zstd:20", "xz:10", "none:fast", "gzip:best"] {
            let found = parsed(text).unwrap_err();
            assert!(found.starts_with("expected "), "{text}: {found}");
        }
    }

    #[test]
    fn endings() {
        let of = |name: &str| Compression::told_by(Path::new(name)).map(Compression::codec);
        assert_eq!(of("a/web.tar"), Some(None));
        assert_eq!(of("web.TAR.ZST"), Some(Some(Codec::Zstd(9))));
        assert_eq!(of("web.tar.xz"), Some(Some(Codec::Xz(6))));
        assert_eq!(of("web.tar.gz"), Some(Some(Codec::Gzip(6))));
        for name in ["web", "web.zst", "web.wsl", "-", "/", "tar"] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
