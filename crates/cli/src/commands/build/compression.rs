//! How an archive is compressed: what was asked for, or what the name of the output tells.

use std::path::Path;
use std::str::FromStr;

use calve_image_core::pack::{Codec, codec};

use crate::failure::Failure;

/// What `--compress` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Compression(codec::Compression);

impl FromStr for Compression {
    type Err = codec::ParseError;

    fn from_str(text: &str) -> Result<Self, codec::ParseError> {
        codec::Compression::parse(text).map(Self)
    }
}

impl Compression {
    const PLAIN: Self = Self(codec::Compression::Plain);

    /// Decides between what was asked for, what the ending of the output says, and the default,
    /// which is a word of `--compress`.
    pub(super) fn resolve(
        asked: Option<Self>,
        output: Option<&Path>,
        default: &str,
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
            (asked, named) => match asked.or(named) {
                Some(decided) => Ok(decided),
                None => default.parse().map_err(Failure::internal),
            },
        }
    }

    /// What the name of a file says, `.tar` or `.tar.zst`; others say nothing.
    fn told_by(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let usual = Codec::DEFAULTS.map(|codec| Self(codec::Compression::With(codec)));
        let mut known = std::iter::once(Self::PLAIN).chain(usual);
        known.find(|known| name.ends_with(&known.ending()))
    }

    /// What packing does; `None` where the archive stays as it is.
    pub(super) fn codec(self) -> Option<Codec> {
        self.0.codec()
    }

    /// The ending of an archive's name: `.tar.zst`.
    pub(super) fn ending(self) -> String {
        let ending = self.0.ending().map(|ending| format!(".{ending}"));
        format!(".tar{}", ending.unwrap_or_default())
    }

    fn word(self) -> &'static str {
        self.codec().map_or("none", Codec::name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings() {
        let of = |name: &str| Compression::told_by(Path::new(name)).map(Compression::word);
        assert_eq!(of("a/web.tar"), Some("none"));
        assert_eq!(of("web.TAR.ZST"), Some("zstd"));
        assert_eq!(of("web.tar.xz"), Some("xz"));
        assert_eq!(of("web.tar.gz"), Some("gzip"));
        for name in ["web", "web.zst", "web.wsl", "-", "/", "tar"] {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn the_default_is_what_nobody_contradicts() {
        let resolved = |asked: &str, output: &str| {
            let asked = (!asked.is_empty()).then(|| asked.parse().map_err(Failure::internal));
            let decided = Compression::resolve(asked.transpose()?, Some(Path::new(output)), "zstd");
            decided.map(Compression::codec)
        };
        assert!(matches!(resolved("", "web"), Ok(Some(Codec::Zstd(9)))));
        assert!(matches!(resolved("", "web.tar.xz"), Ok(Some(Codec::Xz(6)))));
        assert!(matches!(resolved("xz:1", "web.tar.xz"), Ok(Some(Codec::Xz(1)))));
        assert!(matches!(resolved("none", "web"), Ok(None)));
        assert!(resolved("none", "web.tar.xz").is_err());
    }
}
