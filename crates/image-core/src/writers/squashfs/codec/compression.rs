//! A codec as a person asks for it: `zstd`, `xz:release`, `lz4`, `none`.
//!
//! Levels have names, because a number means something else for each codec; they are those of
//! archives.

use super::Codec;
use crate::pack::codec::ParseError;
use crate::pack::codec::compression::{Named, level, parts};

impl Codec {
    /// Reads `zstd`, `xz`, `lz4`, `gzip` or `none`; behind the first two and gzip, after a colon,
    /// `fast`, `default`, `release` or a number.
    ///
    /// # Errors
    /// Says which part was not understood, and what would be.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let (name, level) = parts(text);
        let expected = "zstd, xz, lz4, gzip or none";
        let found = name.to_owned();
        let codec = Self::DEFAULTS.into_iter().find(|codec| codec.name() == name);
        let codec = codec.ok_or(ParseError::Codec { expected, found })?;
        level.map_or(Ok(codec), |level| codec.leveled(level))
    }

    /// Reads a level; what is meant by default is the one that is there.
    fn leveled(self, word: &str) -> Result<Self, ParseError> {
        let codec = self.name();
        let Some((default, levels)) = self.level().zip(self.levels()) else {
            return Err(ParseError::NoLevels { codec, found: word.to_owned() });
        };
        let (fast, release) = match self {
            Self::Zstd(_) => (3, 19),
            Self::Xz(_) => (1, 9),
            Self::Gzip(_) | Self::Lz4 | Self::Plain => (3, 9),
        };
        let level = level(codec, levels, Named { fast, default, release }, word)?;
        Ok(match self {
            Self::Zstd(_) => Self::Zstd(level),
            Self::Xz(_) => Self::Xz(level),
            Self::Gzip(_) => Self::Gzip(level),
            Self::Lz4 | Self::Plain => self,
        })
    }
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
            ("zstd:22", Codec::Zstd(22)),
            ("xz", Codec::Xz(6)),
            ("xz:fast", Codec::Xz(1)),
            ("xz:release", Codec::Xz(9)),
            ("lz4", Codec::Lz4),
            ("gzip", Codec::Gzip(9)),
            ("gzip:fast", Codec::Gzip(3)),
            ("none", Codec::Plain),
        ];
        for (text, codec) in cases {
            assert_eq!(Codec::parse(text), Ok(codec), "{text}");
        }
    }

    #[test]
    fn all_that_is_printed_is_read_as_the_same() {
        let mut count = 0;
        for codec in Codec::DEFAULTS {
            assert_eq!(Codec::parse(&codec.to_string()), Ok(codec));
            for level in codec.levels().into_iter().flatten() {
                let leveled = codec.leveled(&level.to_string()).unwrap();
                assert_eq!(Codec::parse(&leveled.to_string()), Ok(leveled));
                count += 1;
            }
        }
        assert_eq!(count, 22 + 10 + 9);
    }

    #[test]
    fn errors_say_what_would_be_understood() {
        let error = |text| Codec::parse(text).unwrap_err().to_string();
        let words = "expected zstd, xz, lz4, gzip or none, found";
        assert_eq!(error("zst"), format!("{words} \"zst\""));
        assert_eq!(error(""), format!("{words} \"\""));
        let levels = "expected fast, default, release or a level of";
        assert_eq!(error("zstd:23"), format!("{levels} zstd from 1 to 22, found \"23\""));
        assert_eq!(error("xz:"), format!("{levels} xz from 0 to 9, found \"\""));
        assert_eq!(error("none:fast"), "expected none without a level, found \"fast\"");
        assert_eq!(error("lz4:1"), "expected lz4 without a level, found \"1\"");
    }
}
