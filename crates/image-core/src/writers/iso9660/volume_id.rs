//! The name of a volume: what `/dev/disk/by-label` and `root=LABEL=` call it.
//!
//! ECMA-119 would have it of capital letters, digits and underscores. NixOS' names hold small letters,
//! dots and dashes, every reader takes them as they are, and a changed name would not be found at
//! boot: so bytes stay as they are, and what would not come back is refused.

/// A volume identifier: 1 to 32 characters of ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeId(String);

/// A text that is no volume identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the volume id {found:?}: expected 1 to {} characters of printable ASCII, no space at either end, no slash",
    VolumeId::LONGEST
)]
pub struct VolumeIdError {
    /// The text as given.
    pub found: String,
}

impl VolumeId {
    /// The size of the field: ECMA-119, 8.4.7.
    pub const LONGEST: usize = 32;

    /// Takes a name as it is.
    ///
    /// # Errors
    /// Names that are too long, and characters that readers would change or drop: the field is padded
    /// with spaces, and what is no ASCII is read in a different code on every system.
    pub fn new(text: &str) -> Result<Self, VolumeIdError> {
        let printable = |byte: u8| byte == b' ' || (byte.is_ascii_graphic() && byte != b'/');
        let fits = (1..=Self::LONGEST).contains(&text.len()) && text.bytes().all(printable);
        if fits && text.trim_matches(' ').len() == text.len() {
            return Ok(Self(text.to_owned()));
        }
        Err(VolumeIdError { found: text.to_owned() })
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nixos_names_are_kept_and_others_are_refused() {
        for text in ["nixos-minimal-26.05-x86_64", "NIXOS_ISO", "a b", &"x".repeat(32)] {
            assert_eq!(VolumeId::new(text).unwrap().as_str(), text);
        }
        for text in ["", " a", "a ", "a/b", "gr\u{fc}n", "a\n", &"x".repeat(33)] {
            let error = VolumeId::new(text).unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }
}
