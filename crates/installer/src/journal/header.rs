//! What is installed where: what must be the same when an installation goes on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::line::Line;
use super::{Error, Known};

/// The beginning of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The host, as its user calls it.
    pub host: String,
    /// The system that is installed.
    pub toplevel: String,
    /// The [`digest`] of all that decides what is made.
    pub digest: String,
    /// From which the ids are derived.
    #[serde(with = "seed")]
    pub seed: [u8; 32],
    /// By what the kernel knows the time since it was started (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
    /// The disks, by the names that the layout gives them.
    pub disks: BTreeMap<String, Known>,
}

impl Header {
    /// Holds an installation against how things are now; returns the lines that bring this up to date.
    pub(super) fn changes(&self, now: &Self) -> Result<Vec<Line>, Error> {
        let compared = [
            ("the system", &self.toplevel, &now.toplevel),
            ("what is to be made (its digest)", &self.digest, &now.digest),
        ];
        for (what, expected, found) in compared {
            if expected != found {
                let (expected, found) = (expected.clone(), found.clone());
                return Err(Error::Differs { what, expected, found });
            }
        }
        let names = |header: &Self| header.disks.keys().cloned().collect::<Vec<_>>().join(", ");
        let (expected, found) = (names(self), names(now));
        if expected != found {
            return Err(Error::Differs { what: "the disks", expected, found });
        }
        let is_same_boot = self.boot == now.boot;
        let mut lines = Vec::new();
        if !is_same_boot {
            lines.push(Line::Boot(now.boot.clone()));
        }
        for ((name, known), found) in self.disks.iter().zip(now.disks.values()) {
            known.must_be(name, found, is_same_boot)?;
            if known != found {
                lines.push(Line::Disk { name: name.clone(), disk: found.clone() });
            }
        }
        Ok(lines)
    }
}

/// The digest of all that decides what is made, part by part: the profile, the names of the steps.
pub fn digest<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // The length first, so that no two lists of parts are the same.
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(part);
    }
    hex(&hash.finalize())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes as hexadecimal digits.
mod seed {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(seed: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::hex(seed))
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || D::Error::custom("expected 64 hexadecimal digits");
        let mut seed = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(wrong());
        }
        for (byte, digits) in seed.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(seed)
    }
}
