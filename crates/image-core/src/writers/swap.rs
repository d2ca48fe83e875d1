//! A swap area, as `mkswap` makes it: one page of header, and pages that nobody has used yet.
//!
//! The kernel reads the header's page and nothing else before it has written the rest, so the rest is
//! a gap. Only the first 64 KiB are zeros: `blkid` looks for the signatures of other page sizes there.
//! Pages are of 4096 bytes, which is what NixOS' kernels have on every platform that disks are made
//! for; a kernel with other pages takes no such area.
//!
//! Follows the kernel's `union swap_header` (include/linux/swap.h) and util-linux' `swapheader.h`.

use uuid::Uuid;

use super::ondisk::on_disk;
use crate::plan::{Label, Plan, PlanBuilder, PlanError};
use crate::units::{Bytes, KIB};

/// The page size of x86_64, and the usual one of aarch64.
const PAGE: Bytes = Bytes::new(4096);

/// `MIN_GOODPAGES`: mkswap makes none with fewer.
const LEAST_PAGES: u64 = 10;

/// `SWAP_VERSION`.
const VERSION: u32 = 1;

/// `SWAP_SIGNATURE`, the last bytes of the first page.
const SIGNATURE: [u8; 10] = *b"SWAPSPACE2";

/// Signatures of other page sizes, the largest of them 64 KiB, lie within this.
const SIGNATURES: Bytes = Bytes::new(64 * KIB.get());

on_disk! {
    /// `struct swap_header_v1_2` and the signature.
    Header: 4096 {
        /// Room for a boot block or a disk label.
        0x0 bootbits: [u8; 1024],
        /// [`VERSION`].
        0x400 version: u32,
        /// The number of the last page, counted from 0.
        0x404 last_page: u32,
        /// How many pages are bad.
        0x408 nr_badpages: u32,
        /// UUID.
        0x40C uuid: [u8; 16],
        /// Label.
        0x41C volume_name: [u8; 16],
        /// Reserved.
        0x42C padding: [u32; 117],
        /// Numbers of the bad pages, up to the signature.
        0x600 badpages: [u8; 2550],
        /// [`SIGNATURE`].
        0xFF6 signature: [u8; 10],
    }
}

/// A swap area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    /// How large it is; what lies after the last whole page is not used.
    pub size: Bytes,
    /// Its label; none: it has none.
    pub label: Option<String>,
    /// Its UUID.
    pub uuid: Uuid,
}

/// A swap area that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SwapError {
    /// The label does not fit.
    #[error("the swap label {found:?}: expected at most 16 bytes, none of them NUL")]
    Label {
        /// The label.
        found: String,
    },
    /// There are too few or too many pages.
    #[error("a swap area of {found}: expected {} to 16 TiB", Swap::LEAST)]
    Size {
        /// The size asked for.
        found: Bytes,
    },
    /// The pieces make no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

impl Swap {
    /// The smallest that mkswap makes.
    pub const LEAST: Bytes = Bytes::new(PAGE.get() * LEAST_PAGES);

    /// Plans the area.
    ///
    /// # Errors
    /// Sizes and labels that the header cannot hold.
    pub fn plan(&self) -> Result<Plan, SwapError> {
        let found = self.size;
        let last =
            (found.get() / PAGE.get()).checked_sub(1).filter(|last| *last + 1 >= LEAST_PAGES);
        let last =
            last.and_then(|last| u32::try_from(last).ok()).ok_or(SwapError::Size { found })?;
        let header = Header {
            version: VERSION,
            last_page: last,
            uuid: *self.uuid.as_bytes(),
            volume_name: self.volume_name()?,
            signature: SIGNATURE,
            ..Header::ZERO
        };
        let mut plan = PlanBuilder::new();
        plan.bytes(Bytes::ZERO, Label::new("header"), header.encode());
        let label = Label::new("signatures of other page sizes");
        plan.zeros(PAGE, SIGNATURES.min(self.size) - PAGE, label);
        Ok(plan.finish(self.size)?)
    }

    fn volume_name(&self) -> Result<[u8; 16], SwapError> {
        let mut field = [0; 16];
        let label = self.label.as_deref().unwrap_or_default();
        match field.get_mut(..label.len()).filter(|_| !label.contains('\0')) {
            Some(place) => place.copy_from_slice(label.as_bytes()),
            None => return Err(SwapError::Label { found: label.to_owned() }),
        }
        Ok(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn swap(size: u64, label: &str) -> Result<Plan, SwapError> {
        Swap { size: Bytes::new(size), label: Some(label.to_owned()), uuid: Uuid::from_u128(7) }
            .plan()
    }

    #[test]
    fn the_header_is_one_page_and_the_rest_nobody_reads() {
        let plan = swap(1 << 20, "swap").unwrap();
        assert_eq!(
            plan.listing()
                .lines()
                .skip(1)
                .map(|line| line.split(' ').take(3).collect())
                .collect::<Vec<Vec<_>>>(),
            [["0", "4096", "bytes"], ["4096", "61440", "zeros"], ["65536", "983040", "gap"]]
        );
        assert_eq!(swap(40 << 10, "").unwrap().size(), Swap::LEAST);
    }

    #[test]
    fn what_no_header_can_hold() {
        for (size, label) in
            [(0, ""), (40_959, ""), (1 << 20, "seventeen letters"), (1 << 20, "a\0")]
        {
            assert!(swap(size, label).is_err(), "{size} {label:?}");
        }
        assert!(swap(1 << 44, "sixteen letters!").is_ok() && swap((1 << 44) + 4096, "").is_err());
    }
}
