//! The GUID partition table, in both copies, with the MBR that protects it.
//!
//! Follows the UEFI specification 2.10, sections 5.2 (protective MBR) and 5.3 (GPT). Everything is
//! an argument: there is no default GUID and no random one. Nothing else of an MBR is written: no
//! boot code, no hybrid records. Why not the `gpt` crate: `docs/decisions/0002-gpt.md`.

use uuid::Uuid;

use crate::plan::{Label, Plan, PlanBuilder, PlanError};
use crate::units::{Bytes, SectorSize};

/// Entries in a table: what the specification asks room for, and everybody writes.
pub const ENTRIES: usize = 128;
/// The size of an entry: `SizeOfPartitionEntry`.
const ENTRY: usize = 128;
/// Units of UTF-16 in a partition's name.
pub const NAME_UNITS: usize = 36;
/// `HeaderSize`: up to the end of the last field.
const HEADER: u32 = 92;

/// A partition table.
#[derive(Clone, Debug)]
pub struct Gpt {
    /// What the disk calls a sector.
    pub sector: SectorSize,
    /// The size of the disk.
    pub size: Bytes,
    /// The disk's GUID.
    pub id: Uuid,
    /// The partitions, in the order of their numbers.
    pub entries: Vec<Entry>,
}

/// A partition as the table has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is for: `PartitionTypeGUID`.
    pub kind: Uuid,
    /// Which one it is: `UniquePartitionGUID`.
    pub id: Uuid,
    /// The first byte.
    pub start: Bytes,
    /// Its size.
    pub size: Bytes,
    /// Flags; most depend on the type.
    pub attributes: u64,
    /// Its name: up to [`NAME_UNITS`] units of UTF-16.
    pub name: String,
}

/// Partitions that no table can hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GptError {
    /// Too many of them.
    #[error("{found} partitions: expected at most {ENTRIES}")]
    TooMany {
        /// How many there are.
        found: usize,
    },
    /// A name is too long.
    #[error("the partition name {name:?} has {found} UTF-16 units: expected at most {NAME_UNITS}")]
    Name {
        /// The name.
        name: String,
        /// Its length.
        found: usize,
    },
    /// A partition lies where the table does, or within sectors.
    #[error(
        "partition {name:?} at byte {start} with {size} bytes: expected whole sectors between bytes {first} and {end}"
    )]
    Place {
        /// Which partition.
        name: String,
        /// Its first byte.
        start: u64,
        /// Its size.
        size: u64,
        /// The first byte that partitions may have.
        first: u64,
        /// The byte after the last that they may have.
        end: u64,
    },
    /// The pieces make no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// Which copy of the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Copy {
    Primary,
    Backup,
}

impl Gpt {
    /// Returns the first byte that partitions may have, and the one after the last.
    pub fn usable(&self) -> std::ops::Range<Bytes> {
        let sector = self.sector.bytes();
        let table = Bytes::from_len(ENTRIES * ENTRY).align_up(sector);
        let size = self.size.align_down(sector);
        sector * 2 + table..size - (sector + table)
    }

    /// Plans both copies and the protective MBR; what lies between them is a gap.
    ///
    /// # Errors
    /// Partitions that the table cannot hold.
    pub fn plan(&self) -> Result<Plan, GptError> {
        let entries = self.encode_entries()?;
        let sector = self.sector.bytes();
        let last = self.size.align_down(sector) - sector;
        let usable = self.usable();
        let mut plan = PlanBuilder::new();
        plan.bytes(Bytes::ZERO, Label::new("protective mbr"), self.protective_mbr());
        plan.bytes(sector, Label::new("header"), self.header(Copy::Primary, &entries));
        plan.bytes(sector * 2, Label::new("entries"), entries.clone());
        plan.bytes(last, Label::new("backup header"), self.header(Copy::Backup, &entries));
        plan.bytes(usable.end, Label::new("backup entries"), entries);
        Ok(plan.finish(self.size)?)
    }

    /// Counts the sectors before a byte, which is its LBA.
    fn lba(&self, at: Bytes) -> u64 {
        at.get() / self.sector.bytes().get()
    }

    fn encode_entries(&self) -> Result<Vec<u8>, GptError> {
        if self.entries.len() > ENTRIES {
            return Err(GptError::TooMany { found: self.entries.len() });
        }
        let mut out = Vec::with_capacity(ENTRIES * ENTRY);
        for entry in &self.entries {
            self.check(entry)?;
            let end = out.len() + ENTRY;
            out.extend(entry.kind.to_bytes_le()); // 0 PartitionTypeGUID
            out.extend(entry.id.to_bytes_le()); // 16 UniquePartitionGUID
            out.extend(self.lba(entry.start).to_le_bytes()); // 32 StartingLBA
            out.extend((self.lba(entry.start + entry.size) - 1).to_le_bytes()); // 40 EndingLBA
            out.extend(entry.attributes.to_le_bytes()); // 48 Attributes
            out.extend(entry.name.encode_utf16().flat_map(u16::to_le_bytes)); // 56 PartitionName
            out.resize(end, 0);
        }
        out.resize(ENTRIES * ENTRY, 0);
        Ok(out)
    }

    fn check(&self, entry: &Entry) -> Result<(), GptError> {
        let units = entry.name.encode_utf16().count();
        if units > NAME_UNITS {
            return Err(GptError::Name { name: entry.name.clone(), found: units });
        }
        let (usable, sector) = (self.usable(), self.sector.bytes());
        let end = entry.start + entry.size;
        let whole = entry.start.is_multiple_of(sector) && entry.size.is_multiple_of(sector);
        if whole && !entry.size.is_zero() && entry.start >= usable.start && end <= usable.end {
            return Ok(());
        }
        Err(GptError::Place {
            name: entry.name.clone(),
            start: entry.start.get(),
            size: entry.size.get(),
            first: usable.start.get(),
            end: usable.end.get(),
        })
    }

    fn header(&self, copy: Copy, entries: &[u8]) -> Vec<u8> {
        let usable = self.usable();
        let last = self.lba(self.size) - 1;
        let (own, other, table) = match copy {
            Copy::Primary => (1, last, 2),
            Copy::Backup => (last, 1, self.lba(usable.end)),
        };
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes();
        let encode = |crc: u32| {
            [
                &b"EFI PART"[..],
                &0x0001_0000u32.to_le_bytes(),         // 8 Revision 1.0
                &HEADER.to_le_bytes(),                 // 12 HeaderSize
                &crc.to_le_bytes(),                    // 16 HeaderCRC32
                &[0; 4],                               // 20 Reserved
                &own.to_le_bytes(),                    // 24 MyLBA
                &other.to_le_bytes(),                  // 32 AlternateLBA
                &self.lba(usable.start).to_le_bytes(), // 40 FirstUsableLBA
                &(self.lba(usable.end) - 1).to_le_bytes(), // 48 LastUsableLBA
                &self.id.to_bytes_le(),                // 56 DiskGUID
                &u64::to_le_bytes(table),              // 72 PartitionEntryLBA
                &count(ENTRIES),                       // 80 NumberOfPartitionEntries
                &count(ENTRY),                         // 84 SizeOfPartitionEntry
                &crc32fast::hash(entries).to_le_bytes(), // 88 PartitionEntryArrayCRC32
            ]
            .concat()
        };
        // The header's checksum is made while its own field is zero.
        let mut header = encode(crc32fast::hash(&encode(0)));
        header.resize(self.sector.bytes().to_len().unwrap_or(header.len()), 0);
        header
    }

    /// A record of type 0xEE over the whole disk, so that tools which know no GPT see no free space.
    pub(super) fn protective_mbr(&self) -> Vec<u8> {
        let sectors = u32::try_from(self.lba(self.size) - 1).unwrap_or(u32::MAX);
        let mut mbr = vec![0; 446];
        mbr.extend([0x00, 0x00, 0x02, 0x00]); // BootIndicator, StartingCHS: sector 1
        mbr.extend([0xEE, 0xFF, 0xFF, 0xFF]); // OSType, EndingCHS: beyond what CHS can say
        mbr.extend(1u32.to_le_bytes()); // StartingLBA
        mbr.extend(sectors.to_le_bytes()); // SizeInLBA
        mbr.resize(510, 0);
        mbr.extend([0x55, 0xAA]);
        mbr.resize(self.sector.bytes().to_len().unwrap_or(mbr.len()), 0);
        mbr
    }
}
