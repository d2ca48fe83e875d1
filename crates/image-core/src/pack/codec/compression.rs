//! Compression as a person asks for it: `zstd`, `xz:release`, `gzip:9`, `none`.
//!
//! Levels have names, because a number means something else for each codec.

use std::fmt;
use std::ops::RangeInclusive;

use super::Codec;

/// Whether an archive is compressed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// By a codec.
    With(Codec),
}

/// A text that names no compression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The part before the colon.
    #[error("expected {expected}, found {found:?}")]
    Codec {
        /// The names that there are.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// The part after the colon.
    #[error(
        "expected fast, default, release or a level of {codec} from {first} to {last}, found {found:?}"
    )]
    Level {
        /// The codec.
        codec: &'static str,
        /// Its lowest level.
        first: u8,
        /// Its highest level.
        last: u8,
        /// What was found.
        found: String,
    },
    /// A colon where there is nothing to tune.
    #[error("expected {codec} without a level, found {found:?}")]
    NoLevels {
        /// The codec.
        codec: &'static str,
        /// What was found.
        found: String,
    },
}

impl Compression {
    /// Reads `zstd`, `xz`, `gzip` or `none`; after a colon `fast`, `default`, `release` or a number.
    ///
    /// # Errors
    /// Says which part was not understood, and what would be.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let (name, level) = parts(text);
        if let Some(codec) = Codec::DEFAULTS.into_iter().find(|codec| codec.name() == name) {
            return leveled(codec, level.unwrap_or("default")).map(Self::With);
        }
        match (name, level) {
            ("none", None) => Ok(Self::Plain),
            ("none", Some(level)) => {
                Err(ParseError::NoLevels { codec: "none", found: level.to_owned() })
            }
            (other, _) => Err(ParseError::Codec {
                expected: "zstd, xz, gzip or none",
                found: other.to_owned(),
            }),
        }
    }

    /// Returns the codec, if there is one.
    pub fn codec(self) -> Option<Codec> {
        match self {
            Self::Plain => None,
            Self::With(codec) => Some(codec),
        }
    }

    /// Returns how the file's name ends, after a dot.
    pub fn ending(self) -> Option<&'static str> {
        self.codec().map(|codec| match codec {
            Codec::Zstd(_) => "zst",
            Codec::Xz(_) => "xz",
            Codec::Gzip(_) => "gz",
        })
    }
}

/// A text that [`Compression::parse`] reads as the same.
impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("none"),
            Self::With(codec) => codec.fmt(f),
        }
    }
}

/// Reads a level; what is meant by default is the level that `codec` has.
fn leveled(codec: Codec, word: &str) -> Result<Codec, ParseError> {
    // zlib-rs' levels 1 and 2 make more than `gzip -1` does.
    let (fast, release) = match codec {
        Codec::Zstd(_) => (3, 19),
        Codec::Xz(_) => (1, 9),
        Codec::Gzip(_) => (3, 9),
    };
    let named = Named { fast, default: codec.level(), release };
    let level = level(codec.name(), codec.levels(), named, word)?;
    Ok(match codec {
        Codec::Zstd(_) => Codec::Zstd(level),
        Codec::Xz(_) => Codec::Xz(level),
        Codec::Gzip(_) => Codec::Gzip(level),
    })
}

/// The levels that have names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named {
    pub(crate) fast: u8,
    pub(crate) default: u8,
    pub(crate) release: u8,
}

/// Divides a text into the name of a codec and what stands behind its colon.
pub(crate) fn parts(text: &str) -> (&str, Option<&str>) {
    text.split_once(':').map_or((text, None), |(name, level)| (name, Some(level)))
}

/// Reads a level: one of the names, or a number that the codec has.
pub(crate) fn level(
    codec: &'static str,
    levels: RangeInclusive<u8>,
    named: Named,
    word: &str,
) -> Result<u8, ParseError> {
    let level = match word {
        "fast" => Some(named.fast),
        "default" => Some(named.default),
        "release" => Some(named.release),
        number => number.parse().ok().filter(|level| levels.contains(level)),
    };
    let (first, last) = levels.into_inner();
    let found = word.to_owned();
    level.ok_or(ParseError::Level { codec, first, last, found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_name_levels() {
        let cases = [
            ("zstd", Codec::Zstd(9)),
            ("zstd:fast", Codec::Zstd(3)),
            ("zstd:default", Codec::Zstd(9)),
            ("zstd:release", Codec::Zstd(19)),
            ("zstd:1", Codec::Zstd(1)),
            ("xz", Codec::Xz(6)),
            ("xz:fast", Codec::Xz(1)),
            ("xz:release", Codec::Xz(9)),
            ("xz:0", Codec::Xz(0)),
            ("gzip", Codec::Gzip(7)),
            ("gzip:fast", Codec::Gzip(3)),
            ("gzip:6", Codec::Gzip(6)),
            ("gzip:release", Codec::Gzip(9)),
        ];
        for (text, codec) in cases {
            assert_eq!(Compression::parse(text), Ok(Compression::With(codec)), "{text}");
        }
        assert_eq!(Compression::parse("none"), Ok(Compression::Plain));
    }

    #[test]
    fn all_that_is_printed_is_read_as_the_same() {
        let leveled = Codec::DEFAULTS.into_iter().flat_map(|codec| {
            codec.levels().map(move |level| leveled(codec, &level.to_string()).unwrap())
        });
        let all: Vec<_> = leveled.map(Compression::With).chain([Compression::Plain]).collect();
        assert_eq!(all.len(), 19 + 10 + 9 + 1);
        for compression in all {
            assert_eq!(Compression::parse(&compression.to_string()), Ok(compression));
        }
    }

    #[test]
    fn file_names_end_as_programs_expect() {
        let ending = |text| Compression::parse(text).unwrap().ending();
        assert_eq!(ending("zstd"), Some("zst"));
        assert_eq!(ending("xz"), Some("xz"));
        assert_eq!(ending("gzip"), Some("gz"));
        assert_eq!(ending("none"), None);
    }

    #[test]
    fn errors_say_what_would_be_understood() {
        let error = |text| Compression::parse(text).unwrap_err().to_string();
        let words = "expected zstd, xz, gzip or none, found";
        assert_eq!(error("zst"), format!("{words} \"zst\""));
        assert_eq!(error(""), format!("{words} \"\""));
        assert_eq!(error("ZSTD:3"), format!("{words} \"ZSTD\""));
        let levels = "expected fast, default, release or a level of";
        assert_eq!(error("zstd:22"), format!("{levels} zstd from 1 to 19, found \"22\""));
        assert_eq!(error("xz:best"), format!("{levels} xz from 0 to 9, found \"best\""));
        assert_eq!(error("gzip:"), format!("{levels} gzip from 1 to 9, found \"\""));
        assert_eq!(error("gzip:256"), format!("{levels} gzip from 1 to 9, found \"256\""));
        assert_eq!(error("none:fast"), "expected none without a level, found \"fast\"");
    }
}
