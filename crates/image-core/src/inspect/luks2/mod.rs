//! Reads LUKS2 volumes in userspace: header, keyslots, and what is encrypted.
//!
//! - this file: the header, of whichever copy is whole and newer
//! - `open`: a passphrase tried on the keyslots, and the payload in the clear
//!
//! It trusts no byte: both copies are bounded and checked before their JSON is looked at, areas
//! must lie where the format has them, and no header makes it take more memory than `cryptsetup`
//! would. Kinds and members that it does not know it passes over. It writes and repairs nothing.
//! What it does not open is said to be unsupported: other ciphers than `aes-xts-plain64` with
//! 512-bit keys, integrity, volumes in the middle of a re-encryption.
//!
//! Follows the LUKS2 On-Disk Format Specification 1.1.0; writing is `disk::luks2`.

mod open;

use serde::Serialize;

pub use open::Opened;

use super::Medium;
use crate::disk::luks2::header::{self, SECOND_OFFSETS, SIZE, Which};
use crate::disk::luks2::kdf::DeriveError;
use crate::disk::luks2::metadata::{Crypt, KeyDerivation, Keyslot, Metadata, Segment};
use crate::disk::luks2::{digest, keyslot};
use crate::units::{Bytes, KIB, SectorSize};

/// Why a volume cannot be read or opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image cannot be read.
    #[error(transparent)]
    Medium(#[from] super::Error),
    /// Neither copy of the header is whole.
    #[error("the LUKS2 header is damaged: the first copy {first}, the second {second}")]
    Damaged {
        /// What is wrong with the first copy.
        first: String,
        /// And with the second.
        second: String,
    },
    /// The volume is of a kind that is not read here.
    #[error("the LUKS2 volume has {what} {found}: expected {expected}")]
    Unsupported {
        /// What of it.
        what: &'static str,
        /// What is known here.
        expected: &'static str,
        /// What it has.
        found: String,
    },
    /// The header's numbers contradict each other or the device.
    #[error("the LUKS2 header contradicts itself: expected {expected}, found {found}")]
    Contradiction {
        /// What would make sense.
        expected: String,
        /// What it says.
        found: String,
    },
    /// A keyslot could not be tried, and no other one opened.
    #[error("keyslot {number} cannot be tried, and no other one opens")]
    Keyslot {
        /// Which one.
        number: u32,
        /// Why not.
        source: Box<Error>,
    },
    /// A keyslot's key cannot be derived.
    #[error(transparent)]
    Derive(#[from] DeriveError),
    /// No keyslot opens.
    #[error("none of the {tried} keyslots opens with this passphrase")]
    WrongPassphrase {
        /// How many were tried.
        tried: usize,
    },
    /// There is nothing to try.
    #[error("the LUKS2 volume has no keyslots: nothing opens it any more")]
    NoKeyslots,
}

/// The header of a volume.
#[derive(Clone, Debug)]
pub struct Header {
    copy: Copy,
    /// What is wrong with the copy that was not taken.
    flaw: Option<(Which, String)>,
    start: Bytes,
    size: Bytes,
}

/// A copy that is whole.
#[derive(Clone, Debug)]
struct Copy {
    header: header::Header,
    metadata: Metadata,
}

/// A keyslot, as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyslotInfo {
    /// Its number.
    pub number: u32,
    /// How its key is derived: function and costs.
    pub kdf: String,
    /// Whether it is a recovery key's.
    pub recovery: bool,
}

/// What is encrypted, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Where it starts in the volume.
    pub offset: Bytes,
    /// How long it is: whole sectors.
    pub size: Bytes,
    /// Its sectors.
    pub sector: SectorSize,
    /// What is added to the number of a sector, in units of 512 bytes.
    tweak: u64,
}

impl Header {
    /// Reads the header of a volume of `size` bytes that begins at `start`; none where there is no
    /// LUKS2 volume.
    ///
    /// # Errors
    /// The medium cannot be read, or both copies are damaged.
    pub fn read(medium: &dyn Medium, start: Bytes, size: Bytes) -> Result<Option<Self>, Error> {
        let first = read_copy(medium, start, size, Bytes::ZERO, Which::First)?;
        let second = match &first {
            Ok(copy) => {
                let at = Bytes::new(copy.header.hdr_size);
                read_copy(medium, start, size, at, Which::Second)?
            }
            Err(_) => find_second(medium, start, size)?,
        };
        let (copy, flaw) = match (first, second) {
            (Ok(first), Ok(second)) if first.header.seqid < second.header.seqid => {
                (second, Some((Which::First, "is older".to_owned())))
            }
            (Ok(first), Ok(second)) if first.header.seqid > second.header.seqid => {
                (first, Some((Which::Second, "is older".to_owned())))
            }
            (Ok(first), Ok(_)) => (first, None),
            (Ok(first), Err(flaw)) => (first, Some((Which::Second, flaw.text()))),
            (Err(flaw), Ok(second)) => (second, Some((Which::First, flaw.text()))),
            (Err(Flaw::Nothing), Err(Flaw::Nothing)) => return Ok(None),
            (Err(first), Err(second)) => {
                return Err(Error::Damaged { first: first.text(), second: second.text() });
            }
        };
        Ok(Some(Self { copy, flaw, start, size }))
    }

    /// Returns the volume's id.
    pub fn uuid(&self) -> &str {
        &self.copy.header.uuid
    }

    /// Returns the volume's label, if it has one.
    pub fn label(&self) -> Option<&str> {
        Some(self.copy.header.label.as_str()).filter(|label| !label.is_empty())
    }

    /// Returns the volume's second label, if it has one.
    pub fn subsystem(&self) -> Option<&str> {
        Some(self.copy.header.subsystem.as_str()).filter(|label| !label.is_empty())
    }

    /// Tells what is wrong with the other copy of the header, if anything is.
    pub fn flaw(&self) -> Option<String> {
        self.flaw.as_ref().map(|(which, flaw)| match which {
            Which::First => format!("the first copy of the header {flaw}"),
            Which::Second => format!("the second copy of the header {flaw}"),
        })
    }

    /// Lists the keyslots that hold the volume key under a passphrase.
    pub fn keyslots(&self) -> Vec<KeyslotInfo> {
        let slots = self.slots();
        slots
            .map(|(number, slot)| KeyslotInfo {
                number,
                kdf: derivation(&slot.kdf),
                recovery: self.is_recovery(number),
            })
            .collect()
    }

    /// Tells where the payload lies and how it is encrypted.
    ///
    /// # Errors
    /// [`Error::Unsupported`], or [`Error::Contradiction`] with the size of the volume.
    pub fn payload(&self) -> Result<Payload, Error> {
        let metadata = &self.copy.metadata;
        let mandatory = &metadata.config.requirements.mandatory;
        if !mandatory.is_empty() {
            return Err(unsupported("the requirements", "none", mandatory.join(", ")));
        }
        let (_, crypt) = self.segment()?;
        if crypt.encryption != keyslot::CIPHER {
            return Err(unsupported("the cipher", keyslot::CIPHER, crypt.encryption.clone()));
        }
        if crypt.integrity.is_some() {
            return Err(unsupported("integrity", "none", "some".to_owned()));
        }
        let sector = SectorSize::from_bytes(Bytes::new(crypt.sector_size.into()));
        let sector = sector.ok_or_else(|| {
            unsupported("sectors of", "512 or 4096 bytes", crypt.sector_size.to_string())
        })?;
        payload(crypt, sector, self.size)
    }

    /// Tells whether a keyslot is said to be a recovery key's.
    fn is_recovery(&self, number: u32) -> bool {
        let tokens = self.copy.metadata.tokens.values();
        tokens
            .filter(|token| token.kind == "systemd-recovery")
            .any(|token| token.keyslots.iter().any(|slot| slot.0 == u64::from(number)))
    }

    fn slots(&self) -> impl Iterator<Item = (u32, &crate::disk::luks2::metadata::Slot)> {
        self.copy.metadata.keyslots.iter().filter_map(|(number, keyslot)| match keyslot {
            Keyslot::Luks2(slot) => Some((*number, slot)),
            Keyslot::Other => None,
        })
    }

    /// The only segment, and its number.
    fn segment(&self) -> Result<(u32, &Crypt), Error> {
        let segments = &self.copy.metadata.segments;
        match segments.iter().next() {
            Some((number, Segment::Crypt(crypt))) if segments.len() == 1 => Ok((*number, crypt)),
            Some((_, Segment::Crypt(_) | Segment::Other)) | None => {
                let found = match segments.len() {
                    1 => "one of another kind".to_owned(),
                    count => count.to_string(),
                };
                Err(unsupported("segments:", "one, encrypted", found))
            }
        }
    }
}

fn payload(crypt: &Crypt, sector: SectorSize, volume: Bytes) -> Result<Payload, Error> {
    use crate::disk::luks2::decimal::Extent;
    let contradiction = |expected: &str, found: String| Error::Contradiction {
        expected: expected.to_owned(),
        found,
    };
    let offset = Bytes::new(crypt.offset.0);
    let room = volume.checked_sub(offset).filter(|_| offset.is_multiple_of(Bytes::new(512)));
    let room = room.ok_or_else(|| {
        let volume = volume.get();
        contradiction("a payload within the volume", format!("{} of {volume}", offset.get()))
    })?;
    let size = match crypt.size {
        Extent::Dynamic => room.align_down(sector.bytes()),
        Extent::Fixed(size) => Bytes::new(size),
    };
    if size > room || !size.is_multiple_of(sector.bytes()) {
        let found = format!("{} bytes where there are {}", size.get(), room.get());
        return Err(contradiction("a payload of whole sectors within the volume", found));
    }
    Ok(Payload { offset, size, sector, tweak: crypt.iv_tweak.0 })
}

fn unsupported(what: &'static str, expected: &'static str, found: String) -> Error {
    Error::Unsupported { what, expected, found }
}

/// Function and costs as text.
fn derivation(kdf: &KeyDerivation) -> String {
    let argon2 = |name: &str, params: &crate::disk::luks2::metadata::Argon2| {
        let memory = KIB * u64::from(params.memory);
        format!("{name}, {memory}, {} passes, {} lanes", params.time, params.cpus)
    };
    match kdf {
        KeyDerivation::Argon2i(params) => argon2("argon2i", params),
        KeyDerivation::Argon2id(params) => argon2("argon2id", params),
        KeyDerivation::Pbkdf2 { hash, iterations, .. } => {
            format!("pbkdf2-{hash}, {iterations} iterations")
        }
        KeyDerivation::Other => "an unknown function".to_owned(),
    }
}

/// Why a copy is not taken.
#[derive(Debug)]
enum Flaw {
    /// There is none.
    Nothing,
    /// There is one, but it is not whole.
    Damaged(String),
}

impl Flaw {
    fn text(self) -> String {
        match self {
            Self::Nothing => "is not there".to_owned(),
            Self::Damaged(text) => text,
        }
    }
}

/// Looks for the second copy wherever a first one of any size would end.
fn find_second(
    medium: &dyn Medium,
    start: Bytes,
    size: Bytes,
) -> Result<Result<Copy, Flaw>, Error> {
    let mut flaw = Flaw::Nothing;
    for at in SECOND_OFFSETS {
        match read_copy(medium, start, size, Bytes::new(at), Which::Second)? {
            Ok(copy) => return Ok(Ok(copy)),
            Err(Flaw::Nothing) => {}
            Err(damaged) => flaw = damaged,
        }
    }
    Ok(Err(flaw))
}

/// Reads one copy of the header: recognised, then summed, then parsed.
fn read_copy(
    medium: &dyn Medium,
    start: Bytes,
    size: Bytes,
    at: Bytes,
    which: Which,
) -> Result<Result<Copy, Flaw>, Error> {
    let mut head = [0; SIZE];
    medium.read(start + at, &mut head)?;
    if !header::is_header(&head, which) {
        return Ok(Err(Flaw::Nothing));
    }
    let header = header::decode(&head);
    let damaged = |text: String| Ok(Err(Flaw::Damaged(text)));
    if header.csum_alg != header::CHECKSUM {
        return damaged(format!("has a checksum by {:?}", header.csum_alg));
    }
    let is_size = SECOND_OFFSETS.contains(&header.hdr_size);
    if !is_size || header.hdr_offset != at.get() || at + Bytes::new(header.hdr_size) > size {
        let (size, at) = (header.hdr_size, header.hdr_offset);
        return damaged(format!("says that it has {size} bytes and lies at byte {at}"));
    }
    let mut copy = vec![0; usize::try_from(header.hdr_size).unwrap_or_default()];
    medium.read(start + at, &mut copy)?;
    if header.csum.get(..32) != Some(&header::checksum(&copy)[..]) {
        return damaged("has another checksum than it says".to_owned());
    }
    let json = copy.get(SIZE..).unwrap_or_default();
    let json = json.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(match serde_json::from_slice(json) {
        Ok(metadata) => Ok(Copy { header, metadata }),
        Err(error) => Err(Flaw::Damaged(format!("has metadata that make no sense: {error}"))),
    })
}

#[cfg(test)]
mod tests;
