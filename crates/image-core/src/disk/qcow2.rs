//! qcow2: a disk image without the clusters that nobody uses.
//!
//! A transform from plan to plan: the pieces of the disk decide which clusters are stored. A cluster
//! of nothing but zeros and gaps is left out and reads as zeros. All tables come first and the
//! clusters after them in the order of the disk, so that the image can be streamed. What it does not
//! do: compression, backing files, snapshots, encryption by qcow2, splitting files' zeros off.
//!
//! Follows QEMU's `docs/interop/qcow2.txt`, version 3, with clusters of 64 KiB and refcounts of 16
//! bits, as `qemu-img create` makes it. All numbers are big-endian.

use crate::plan::{Cipher, Content, Label, Moved, Piece, Plan, PlanBuilder, PlanError};
use crate::units::{Bytes, MIB};

/// `cluster_bits`: 64 KiB.
const CLUSTER_BITS: u32 = 16;
/// The unit of allocation.
const CLUSTER: Bytes = Bytes::new(1 << CLUSTER_BITS);
/// 8-byte entries in a cluster of a table: how many clusters an L2 table maps.
const ENTRIES: u64 = CLUSTER.get() / 8;
/// 2-byte refcounts in a block: how many clusters of the image it counts.
const REFCOUNTS: u64 = CLUSTER.get() / 2;
/// `refcount_order`: 2^4 bits.
const REFCOUNT_ORDER: u32 = 4;
/// `header_length` of version 3 without optional fields.
const HEADER_LENGTH: u32 = 104;
/// Bit 63 of L1 and L2 entries: exactly one reference, so it may be written in place.
const COPIED: u64 = 1 << 63;
/// QEMU's `QCOW_MAX_L1_SIZE`: it opens no image with a larger table.
const MAX_L1: Bytes = Bytes::new(32 * MIB.get());

/// A disk that no qcow2 image can hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Qcow2Error {
    /// The disk ends within a sector.
    #[error("a qcow2 disk of {} bytes: expected a multiple of 512", size.get())]
    PartialSector {
        /// The size of the disk.
        size: Bytes,
    },
    /// The disk needs a larger L1 table than QEMU reads.
    #[error("a qcow2 disk of {size}: expected at most {most}")]
    TooLarge {
        /// The size of the disk.
        size: Bytes,
        /// The most that QEMU reads.
        most: Bytes,
    },
    /// The pieces make no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// Clusters of the disk that are stored, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    first: u64,
    end: u64,
}

/// Plans a qcow2 image of a disk.
///
/// # Errors
/// Sizes that qcow2 cannot hold.
pub fn plan(disk: &Plan) -> Result<Plan, Qcow2Error> {
    let size = disk.size();
    if !size.is_multiple_of(Bytes::new(512)) {
        return Err(Qcow2Error::PartialSector { size });
    }
    let most = CLUSTER * (ENTRIES * (MAX_L1.get() / 8));
    if size > most {
        return Err(Qcow2Error::TooLarge { size, most });
    }
    let runs = stored(disk);
    let tables = Tables::new(size, &runs);
    let mut image = PlanBuilder::new();
    tables.place(&mut image, size, &runs);
    let mut at = tables.data();
    let mut moves = Vec::with_capacity(runs.len());
    for run in &runs {
        let (from, stored) = (CLUSTER * run.first, CLUSTER * (run.end - run.first));
        let len = stored.min(size - from);
        moves.push(Moved { from, len, to: at });
        image.zeros(at + len, stored - len, Label::new("beyond the disk"));
        at += stored;
    }
    image.ranges(disk, moves);
    Ok(image.finish(at)?)
}

/// Finds the clusters that hold anything but zeros and gaps.
fn stored(disk: &Plan) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut add = |start: Bytes, end: Bytes| {
        let run = Run { first: start.get() / CLUSTER.get(), end: end.div_ceil(CLUSTER) };
        match runs.last_mut() {
            Some(last) if run.first <= last.end => last.end = last.end.max(run.end),
            Some(_) | None => runs.push(run),
        }
    };
    for piece in disk.pieces() {
        match &piece.content {
            Content::Zeros => {}
            Content::Bytes(_) | Content::Host { .. } | Content::Secret { .. } => {
                add(piece.offset, piece.end());
            }
            Content::Sealed { sealed, start } => {
                let Cipher::AesXtsPlain64 { sector } = sealed.cipher;
                for (from, to) in ciphertext(piece, &sealed.inner, *start, sector.bytes()) {
                    add(from, to);
                }
            }
        }
    }
    runs
}

/// Ranges of the disk that hold ciphertext: whole sectors around the inner pieces, zeros included,
/// because encrypted zeros are not zero.
fn ciphertext<'p>(
    piece: &'p Piece,
    inner: &'p Plan,
    start: Bytes,
    sector: Bytes,
) -> impl Iterator<Item = (Bytes, Bytes)> + 'p {
    let end = start + piece.len;
    let pieces = &inner.pieces()[inner.piece_after(start)..];
    pieces.iter().take_while(move |inner| inner.offset < end).map(move |inner| {
        let from = inner.offset.align_down(sector).max(start);
        let to = inner.end().align_up(sector).min(end);
        (piece.offset + (from - start), piece.offset + (to - start))
    })
}

/// What lies where before the first stored cluster, in clusters of the image.
#[derive(Debug)]
struct Tables {
    refcount_table: u64,
    refcount_blocks: u64,
    l1: u64,
    l1_entries: u64,
    /// Positions in the L1 table that have an L2 table.
    l2: Vec<u64>,
    /// Clusters of the whole image.
    total: u64,
}

impl Tables {
    fn new(size: Bytes, runs: &[Run]) -> Self {
        let l1_entries = size.div_ceil(CLUSTER * ENTRIES).max(1);
        let mut l2: Vec<u64> =
            runs.iter().flat_map(|run| run.first / ENTRIES..=(run.end - 1) / ENTRIES).collect();
        l2.dedup();
        let data: u64 = runs.iter().map(|run| run.end - run.first).sum();
        let mut tables = Self {
            refcount_table: 1,
            refcount_blocks: 1,
            l1: l1_entries.div_ceil(ENTRIES),
            l1_entries,
            l2,
            total: 0,
        };
        // Refcounts count themselves too: both numbers only grow, and more slowly each time.
        loop {
            let l2 = u64::try_from(tables.l2.len()).unwrap_or(u64::MAX);
            let counts = tables.refcount_table + tables.refcount_blocks;
            tables.total = 1 + counts + tables.l1 + l2 + data;
            let blocks = tables.total.div_ceil(REFCOUNTS);
            let table = blocks.div_ceil(ENTRIES);
            if (blocks, table) == (tables.refcount_blocks, tables.refcount_table) {
                return tables;
            }
            (tables.refcount_blocks, tables.refcount_table) = (blocks, table);
        }
    }

    fn refcount_block(&self, number: u64) -> Bytes {
        CLUSTER * (1 + self.refcount_table + number)
    }

    fn l1(&self) -> Bytes {
        self.refcount_block(self.refcount_blocks)
    }

    fn l2(&self, number: u64) -> Bytes {
        self.l1() + CLUSTER * (self.l1 + number)
    }

    fn data(&self) -> Bytes {
        self.l2(u64::try_from(self.l2.len()).unwrap_or(u64::MAX))
    }

    fn place(&self, image: &mut PlanBuilder, size: Bytes, runs: &[Run]) {
        whole(image, Bytes::ZERO, Label::new("qcow2 header"), self.header(size));
        let blocks = (0..self.refcount_blocks).map(|number| self.refcount_block(number).get());
        whole(image, CLUSTER, Label::new("refcount table"), table(blocks));
        let mut left = self.total;
        for number in 0..self.refcount_blocks {
            let counted = Bytes::new(left.min(REFCOUNTS)).to_len().unwrap_or(0);
            left = left.saturating_sub(REFCOUNTS);
            let ones = 1u16.to_be_bytes().repeat(counted);
            whole(image, self.refcount_block(number), label("refcount block", number), ones);
        }
        let mut l1 = vec![0; Bytes::new(self.l1_entries).to_len().unwrap_or(0)];
        for (number, position) in (0..).zip(&self.l2) {
            if let Some(entry) = Bytes::new(*position).to_len().and_then(|at| l1.get_mut(at)) {
                *entry = self.l2(number).get() | COPIED;
            }
        }
        whole(image, self.l1(), Label::new("l1 table"), table(l1));
        self.place_l2(image, runs);
    }

    fn place_l2(&self, image: &mut PlanBuilder, runs: &[Run]) {
        let mut next = self.data();
        let mut runs = runs.iter().copied().peekable();
        for (number, position) in (0..).zip(&self.l2) {
            let (first, end) = (position * ENTRIES, (position + 1) * ENTRIES);
            let mut entries = Vec::new();
            while let Some(run) = runs.peek_mut().filter(|run| run.first < end) {
                entries.resize(Bytes::new(run.first - first).to_len().unwrap_or(0), 0);
                for _ in run.first..run.end.min(end) {
                    entries.push(next.get() | COPIED);
                    next += CLUSTER;
                }
                if run.end > end {
                    run.first = end;
                    break;
                }
                runs.next();
            }
            whole(image, self.l2(number), label("l2 table", number), table(entries));
        }
    }

    fn header(&self, size: Bytes) -> Vec<u8> {
        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
        [
            &b"QFI\xfb"[..],
            &3u32.to_be_bytes(),            // 4 version
            &0u64.to_be_bytes(),            // 8 backing_file_offset
            &0u32.to_be_bytes(),            // 16 backing_file_size
            &CLUSTER_BITS.to_be_bytes(),    // 20 cluster_bits
            &size.get().to_be_bytes(),      // 24 size
            &0u32.to_be_bytes(),            // 32 crypt_method
            &narrow(self.l1_entries),       // 36 l1_size
            &self.l1().get().to_be_bytes(), // 40 l1_table_offset
            &CLUSTER.get().to_be_bytes(),   // 48 refcount_table_offset
            &narrow(self.refcount_table),   // 56 refcount_table_clusters
            &0u32.to_be_bytes(),            // 60 nb_snapshots
            &0u64.to_be_bytes(),            // 64 snapshots_offset
            &0u64.to_be_bytes(),            // 72 incompatible_features
            &0u64.to_be_bytes(),            // 80 compatible_features
            &0u64.to_be_bytes(),            // 88 autoclear_features
            &REFCOUNT_ORDER.to_be_bytes(),  // 96 refcount_order
            &HEADER_LENGTH.to_be_bytes(),   // 100 header_length
        ]
        .concat()
    }
}

fn label(what: &'static str, number: u64) -> Label {
    u32::try_from(number).map_or(Label::new(what), |number| Label::numbered(what, number))
}

fn table(entries: impl IntoIterator<Item = u64>) -> Vec<u8> {
    entries.into_iter().flat_map(u64::to_be_bytes).collect()
}

/// Places a table and zeros up to the end of its last cluster.
fn whole(image: &mut PlanBuilder, at: Bytes, label: Label, data: Vec<u8>) {
    let len = Bytes::of(&data);
    let rest = len.align_up(CLUSTER).max(CLUSTER) - len;
    image.bytes(at, label, data);
    image.zeros(at + len, rest, Label::new("end of table"));
}
