//! Store paths: `/nix/store/<32 characters of Nix base 32>-<name>`, and files inside one.
//!
//! A [`StorePath`] holds the base name alone, so that ordering is by base name (the order in which
//! Nix itself sorts) and a chroot store needs no second type. The store directory is fixed: a NixOS
//! closure carries `/nix/store` in its very bytes, so another directory could not boot.
//!
//! Follows the Nix manual, "Store Path".

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::nix_base32;

/// The only store directory that a NixOS closure can have.
pub const STORE_DIR: &str = "/nix/store";

/// Characters of the hash part: 20 bytes in Nix base 32.
const HASH_CHARS: usize = 32;

/// Nix refuses longer names, so that `<hash>-<name>.drv.chroot` stays under 255 bytes.
const NAME_MAX: usize = 211;

/// Why a text is not a store path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text does not begin with the store directory.
    #[error("expected a path under {STORE_DIR}, found {found:?}")]
    OutsideStore {
        /// The text as given.
        found: String,
    },
    /// The first 32 characters are not a hash followed by a dash.
    #[error(
        "expected 32 characters of Nix base 32 and a dash at the start of a store path's name, \
         found {found:?}"
    )]
    Hash {
        /// The base name as given.
        found: String,
    },
    /// The part after the hash is empty, too long or has a character that Nix refuses.
    #[error(
        "expected 1 to {NAME_MAX} of the characters A-Z a-z 0-9 + - . _ ? = after the hash, found \
         {found:?}"
    )]
    Name {
        /// The base name as given.
        found: String,
    },
    /// A file's path inside a store path has `.`, `..`, an empty component or a NUL.
    #[error("expected a plain path inside a store path, found {found:?}")]
    Inner {
        /// The text as given.
        found: String,
    },
}

/// One path of the store, known to be well formed; nothing says that it exists.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorePath(Arc<str>);

impl StorePath {
    /// Reads `<hash>-<name>`.
    pub fn from_base_name(base: &str) -> Result<Self, Error> {
        let hash_is_well_formed = base.as_bytes().get(HASH_CHARS) == Some(&b'-')
            && base.bytes().take(HASH_CHARS).all(nix_base32::is_digit);
        if !hash_is_well_formed {
            return Err(Error::Hash { found: base.to_owned() });
        }
        // The first 33 bytes are ASCII, so the slice is at a character boundary.
        if !is_name(&base[HASH_CHARS + 1..]) {
            return Err(Error::Name { found: base.to_owned() });
        }
        Ok(Self(Arc::from(base)))
    }

    /// `<hash>-<name>`: the directory entry in the store.
    pub fn base_name(&self) -> &str {
        &self.0
    }

    /// The 32 characters before the dash.
    pub fn hash_part(&self) -> &str {
        &self.0[..HASH_CHARS]
    }

    /// What stands after the dash.
    pub fn name(&self) -> &str {
        &self.0[HASH_CHARS + 1..]
    }

    /// A file inside this path; `inner` has no leading slash and may be empty.
    pub fn join(&self, inner: &str) -> Result<StoreFile, Error> {
        let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
        if inner.is_empty() || inner.split('/').all(plain) {
            Ok(StoreFile { path: self.clone(), inner: inner.to_owned() })
        } else {
            Err(Error::Inner { found: format!("{self}/{inner}") })
        }
    }
}

/// Whether Nix takes the text as the name of a store path.
fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+-._?=".contains(&b);
    // A first component of only dots would read as a directory reference.
    let dots = name.split('-').next().is_some_and(|first| first == "." || first == "..");
    !name.is_empty() && name.len() <= NAME_MAX && name.bytes().all(allowed) && !dots
}

impl FromStr for StorePath {
    type Err = Error;

    /// Reads the absolute form, `/nix/store/<hash>-<name>`.
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::from_base_name(strip_store_dir(text)?)
    }
}

/// Takes `/nix/store/` off the front.
fn strip_store_dir(text: &str) -> Result<&str, Error> {
    text.strip_prefix(STORE_DIR)
        .and_then(|rest| rest.strip_prefix('/'))
        .ok_or_else(|| Error::OutsideStore { found: text.to_owned() })
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STORE_DIR}/{}", self.0)
    }
}

impl fmt::Debug for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for StorePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A file or directory inside a store path, or the path itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreFile {
    path: StorePath,
    inner: String,
}

impl StoreFile {
    /// The store path that the file lies in.
    pub fn path(&self) -> &StorePath {
        &self.path
    }

    /// Where it lies inside the store path, without a leading slash; empty for the path itself.
    pub fn inner(&self) -> &str {
        &self.inner
    }

    /// The last component: of `inner`, or the base name where the store path is the file itself.
    pub fn file_name(&self) -> &str {
        if self.inner.is_empty() {
            return self.path.base_name();
        }
        self.inner.rsplit('/').next().unwrap_or(&self.inner)
    }
}

impl From<StorePath> for StoreFile {
    fn from(path: StorePath) -> Self {
        Self { path, inner: String::new() }
    }
}

impl FromStr for StoreFile {
    type Err = Error;

    /// Reads the absolute form, `/nix/store/<hash>-<name>/<inner>`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let rest = strip_store_dir(text)?;
        let (base, inner) = rest.split_once('/').unwrap_or((rest, ""));
        StorePath::from_base_name(base)?.join(inner)
    }
}

impl fmt::Display for StoreFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.path, f)?;
        if self.inner.is_empty() { Ok(()) } else { write!(f, "/{}", self.inner) }
    }
}

impl fmt::Debug for StoreFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for StoreFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use proptest::prelude::*;

    use super::*;

    const BASE: &str = "p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-linux-6.12.107";

    #[test]
    fn parts_of_a_path() {
        let path: StorePath = format!("/nix/store/{BASE}").parse().unwrap();
        assert_eq!(path.base_name(), BASE);
        assert_eq!(path.hash_part(), "p1ghxi6s5ar9ga8i0wcsadlng4vqc25a");
        assert_eq!(path.name(), "linux-6.12.107");
        assert_eq!(path.to_string(), format!("/nix/store/{BASE}"));
    }

    #[test]
    fn parts_of_a_file() {
        let file: StoreFile = format!("/nix/store/{BASE}/dtbs/a.dtb").parse().unwrap();
        assert_eq!((file.inner(), file.file_name()), ("dtbs/a.dtb", "a.dtb"));
        let itself: StoreFile = format!("/nix/store/{BASE}").parse().unwrap();
        assert_eq!((itself.inner(), itself.file_name()), ("", BASE));
    }

    #[test]
    fn malformed_paths_are_refused() {
        let hash = "p1ghxi6s5ar9ga8i0wcsadlng4vqc25a";
        for bad in ["", "short", hash, &format!("{hash}-"), &format!("{hash}_x")] {
            assert!(StorePath::from_base_name(bad).is_err(), "{bad:?}");
        }
        // `e` is no digit of Nix base 32.
        assert!(StorePath::from_base_name(&format!("e{}-x", &hash[1..])).is_err());
        for bad in ["a/b", "a b", "ä", ".", "..", ".-x", "..-x", &"n".repeat(212)] {
            let found = StorePath::from_base_name(&format!("{hash}-{bad}"));
            assert!(matches!(found, Err(Error::Name { .. })), "{bad:?}");
        }
        assert!(StorePath::from_base_name(&format!("{hash}-{}", "n".repeat(211))).is_ok());
        assert!(StorePath::from_base_name(&format!("{hash}-.gitignore")).is_ok());
        for bad in ["/nix/store", "/nix/stores/x", "/gnu/store/x"] {
            assert!(matches!(bad.parse::<StorePath>(), Err(Error::OutsideStore { .. })));
        }
        for bad in ["../x", "a//b", "./a", "a/", "a\0"] {
            let found = format!("/nix/store/{BASE}/{bad}").parse::<StoreFile>();
            assert!(matches!(found, Err(Error::Inner { .. })), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
            let _ = StorePath::from_base_name(&text);
            if let Ok(file) = format!("/nix/store/{text}").parse::<StoreFile>() {
                prop_assert_eq!(file.to_string().parse::<StoreFile>().unwrap(), file);
            }
        }
    }
}
