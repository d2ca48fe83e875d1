//! What would not mount from inside of a volume: blocks that are smaller than its sectors.
//!
//! A volume of 4,096-byte sectors is a block device of such sectors, and the kernel refuses file
//! systems of smaller blocks there, at boot, when it is too late. Seen are superblocks that the
//! inner plan holds as bytes, which is how every writer here plans them.

use super::Error;
use crate::plan::{Content, Plan};
use crate::units::{Bytes, SectorSize};

/// Refuses file systems whose blocks are smaller than the sectors of the device they will lie on.
pub(super) fn check(inner: &Plan, sector: SectorSize) -> Result<(), Error> {
    let sector = sector.bytes().get();
    match ext4_block(inner).or_else(|| fat_sector(inner)) {
        Some((format, block)) if block < sector => {
            Err(Error::SmallBlocks { format, block, sector })
        }
        Some(_) | None => Ok(()),
    }
}

/// Kernel documentation, ext4 "Super Block": at byte 1,024; 0x18 `s_log_block_size`, 0x38 magic.
fn ext4_block(inner: &Plan) -> Option<(&'static str, u64)> {
    let magic = bytes::<2>(inner, 1024 + 0x38)?;
    let log = u32::from_le_bytes(bytes(inner, 1024 + 0x18)?);
    (magic == [0x53, 0xEF]).then_some(("ext4", 1024u64.checked_shl(log).unwrap_or(u64::MAX)))
}

/// Microsoft's FAT specification 1.03, 3.1: byte 11 `BPB_BytsPerSec`, 510 the signature.
fn fat_sector(inner: &Plan) -> Option<(&'static str, u64)> {
    let signature = bytes::<2>(inner, 510)?;
    let words: [[u8; 3]; 2] = [bytes(inner, 54)?, bytes(inner, 82)?];
    let is_fat = signature == [0x55, 0xAA] && words.contains(b"FAT");
    let sector = u64::from(u16::from_le_bytes(bytes(inner, 11)?));
    is_fat.then_some(("FAT", sector))
}

/// Bytes of a plan, where it holds them itself.
fn bytes<const N: usize>(plan: &Plan, at: u64) -> Option<[u8; N]> {
    let at = Bytes::new(at);
    let piece = plan.pieces().get(plan.piece_after(at))?;
    let skip = at.checked_sub(piece.offset)?.to_len()?;
    match &piece.content {
        Content::Bytes(data) => data.get(skip..)?.first_chunk().copied(),
        Content::Zeros | Content::Host { .. } | Content::Secret { .. } | Content::Sealed { .. } => {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Label, PlanBuilder};
    use crate::units::MIB;

    fn plan(at: u64, data: Vec<u8>) -> Plan {
        let mut plan = PlanBuilder::new();
        plan.bytes(Bytes::new(at), Label::new("superblock"), data);
        plan.finish(MIB).unwrap()
    }

    #[test]
    fn ext4_of_small_blocks_is_refused_on_large_sectors() {
        for (log, sector, refused) in [
            (0, SectorSize::B4096, Some(1024)),
            (1, SectorSize::B4096, Some(2048)),
            (2, SectorSize::B4096, None),
            (0, SectorSize::B512, None),
            (u8::MAX, SectorSize::B4096, None),
        ] {
            for start in [0, 1024] {
                let mut data = vec![0; 2048 - start];
                data[1024 - start + 0x38..][..2].copy_from_slice(&[0x53, 0xEF]);
                data[1024 - start + 0x18] = log;
                let start = u64::try_from(start).unwrap();
                let found = check(&plan(start, data), sector);
                let expected = refused.map_or(Ok(()), |block| {
                    Err(Error::SmallBlocks { format: "ext4", block, sector: 4096 })
                });
                assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn fat_of_small_sectors_is_refused_on_large_ones() {
        let mut data = vec![0; 512];
        data[11..13].copy_from_slice(&512u16.to_le_bytes());
        data[82..87].copy_from_slice(b"FAT32");
        data[510..].copy_from_slice(&[0x55, 0xAA]);
        let refused = Error::SmallBlocks { format: "FAT", block: 512, sector: 4096 };
        assert_eq!(check(&plan(0, data.clone()), SectorSize::B4096), Err(refused));
        assert_eq!(check(&plan(0, data), SectorSize::B512), Ok(()));
        assert_eq!(check(&plan(0, vec![0; 4096]), SectorSize::B4096), Ok(()));
    }
}
