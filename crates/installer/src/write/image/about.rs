//! What an image says of itself in its first MiB.
//!
//! An ISO image comes first, as hybrid ones have partition tables, too, and many have such that no
//! reader would call sound. Else a GPT must be whole; an MBR is what is left; a file system without
//! any table is told by its signature.

use calve_image_core::inspect::{self, Medium};
use calve_image_core::units::{Bytes, SectorSize};

use crate::survey::contents::{self, Found};
use crate::survey::signature::{self, Holding};

/// Where the primary volume descriptor of ISO 9660 begins (ECMA-119, 6.7.1 and 8.4).
const PRIMARY: usize = 0x8000;

/// What an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A disk with a GPT.
    Gpt,
    /// A disk with an MBR.
    Mbr,
    /// An ISO image, hybrid or not.
    Iso,
    /// A bare file system, or something like it.
    Bare,
}

/// What an image says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// What it is.
    pub kind: Kind,
    /// What it holds as a whole: an ISO image and a bare file system do.
    pub holds: Option<Holding>,
    /// Its partitions.
    pub partitions: Vec<Found>,
    /// In which sectors its table counts.
    pub sector_size: Option<SectorSize>,
    /// Who says how long it is.
    pub claim: &'static str,
    /// How long it must be at least.
    pub claimed: Bytes,
}

/// The beginning of an image.
struct Head<'h>(&'h [u8]);

impl Medium for Head<'_> {
    fn read(&self, at: Bytes, buffer: &mut [u8]) -> Result<(), inspect::Error> {
        buffer.fill(0);
        let start = at.to_len().unwrap_or(usize::MAX);
        for (to, from) in buffer.iter_mut().zip(self.0.iter().skip(start)) {
            *to = *from;
        }
        Ok(())
    }
}

impl About {
    /// Says nothing yet.
    pub(super) fn nothing() -> Self {
        Self {
            kind: Kind::Bare,
            holds: None,
            partitions: Vec::new(),
            sector_size: None,
            claim: "nobody",
            claimed: Bytes::ZERO,
        }
    }

    /// Reads the beginning of an image; none where it is not the beginning of any.
    ///
    /// # Errors
    /// Its GPT is damaged.
    pub(super) fn of(head: &[u8]) -> Result<Option<Self>, inspect::Error> {
        let disk = Head(head);
        let holds = signature::recognise(&disk, Bytes::ZERO)?;
        if let Some(claimed) = iso_size(head) {
            let (claim, sector_size) = ("its volume descriptor", Some(SectorSize::B512));
            let partitions =
                contents::table(&disk, sector_size).map(|(_, found)| found).unwrap_or_default();
            let kind = Kind::Iso;
            return Ok(Some(Self { kind, holds, partitions, sector_size, claim, claimed }));
        }
        match inspect::table(&disk) {
            Ok(table) => {
                let partitions = contents::table(&disk, Some(table.sector_size));
                return Ok(Some(Self {
                    kind: Kind::Gpt,
                    partitions: partitions.map(|(_, found)| found).unwrap_or_default(),
                    sector_size: Some(table.sector_size),
                    claim: "its GPT",
                    claimed: table.disk_size,
                    ..Self::nothing()
                }));
            }
            Err(inspect::Error::NoTable) => {}
            Err(error) => return Err(error),
        }
        if holds.is_none()
            && let Some((_, partitions)) = contents::table(&disk, None)
        {
            let ends = partitions.iter().map(|found| found.start + found.size);
            return Ok(Some(Self {
                kind: Kind::Mbr,
                claim: "its MBR",
                claimed: ends.max().unwrap_or_default(),
                sector_size: Some(SectorSize::B512),
                partitions,
                ..Self::nothing()
            }));
        }
        Ok(holds.map(|holds| Self { holds: Some(holds), ..Self::nothing() }))
    }
}

/// The size that an ISO image says it has; none where it is none.
fn iso_size(head: &[u8]) -> Option<Bytes> {
    let descriptor = head.get(PRIMARY..)?;
    // Type 1, "CD001", version 1.
    if descriptor.get(..7)? != b"\x01CD001\x01" {
        return None;
    }
    // 80 VolumeSpaceSize and 128 LogicalBlockSize, both in both byte orders.
    let blocks = u32::from_le_bytes(descriptor.get(80..84)?.try_into().ok()?);
    let block = u16::from_le_bytes(descriptor.get(128..130)?.try_into().ok()?);
    Some(Bytes::new(block.into()) * u64::from(blocks))
}
