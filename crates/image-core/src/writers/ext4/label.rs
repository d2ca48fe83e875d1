//! The volume's label.

use super::error::Error;

/// A volume label: at most 16 bytes, none of them NUL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Label([u8; 16]);

impl Label {
    /// Takes a label.
    ///
    /// # Errors
    /// [`Error::Label`] for one that does not fit.
    pub fn new(label: impl AsRef<[u8]>) -> Result<Self, Error> {
        let label = label.as_ref();
        let mut field = [0; 16];
        if label.len() > field.len() || label.contains(&0) {
            return Err(Error::Label { found: String::from_utf8_lossy(label).into_owned() });
        }
        field[..label.len()].copy_from_slice(label);
        Ok(Self(field))
    }

    /// Returns `s_volume_name`.
    pub(super) fn field(self) -> [u8; 16] {
        self.0
    }
}

impl std::fmt::Display for Label {
    /// Writes the label; bytes that are no UTF-8 show as U+FFFD.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        f.write_str(&String::from_utf8_lossy(&self.0[..length]))
    }
}
