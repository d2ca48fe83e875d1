//! What is packed: the row of all contents, and where it may be cut.

use super::{Error, Settings};
use crate::plan::{Cuts, Label, PlanBuilder, Serial};
use crate::tree::{Kind, Tree};
use crate::units::Bytes;

/// Puts the contents of a tree's files in a row, in the order of the tree and with nothing between.
///
/// It may be cut where a file starts, and within a file between blocks.
///
/// # Errors
/// A block size that readers do not know, or contents larger than a plan can be.
pub fn serial(tree: &Tree, settings: &Settings) -> Result<Serial, Error> {
    settings.check()?;
    let mut plan = PlanBuilder::new();
    let mut starts = Vec::with_capacity(tree.size() + 1);
    let (mut cuts, mut at) = (Vec::new(), Bytes::ZERO);
    for node in tree.iter() {
        starts.push(at);
        if let Kind::File(source) = node.kind() {
            let number = u32::try_from(node.id().index()).unwrap_or(u32::MAX);
            plan.source(at, Label::numbered("contents", number), source);
            let blocks = source.size().div_ceil(settings.block);
            cuts.extend((0..blocks).map(|block| at + settings.block * block));
            at += source.size();
        }
    }
    starts.push(at);
    Ok(Serial::new(plan.finish(at)?, starts, Bytes::new(1), Cuts::Before(cuts)))
}

#[cfg(test)]
mod tests {
    use super::super::{Codec, sample};
    use super::*;
    use crate::epoch::Epoch;

    #[test]
    fn contents_are_cut_between_files_and_between_blocks() {
        let block = Bytes::new(4096);
        let settings = Settings { block, ..Settings::new(Codec::Plain, Epoch::STORE) };
        let files = [("a", 3000), ("b", 0), ("c", 9000), ("d", 4096), ("e", 10)];
        let tree = sample::tree(&files.map(|(name, size)| (name, vec![1; size])));
        let row = serial(&tree, &settings).unwrap();
        assert_eq!(row.plan.size().get(), 16_106);
        assert_eq!(row.plan.pieces().len(), 4);
        let blocks = row.blocks(Bytes::ZERO, row.end(), Bytes::new(4100));
        let cuts: Vec<u64> = blocks.into_iter().map(|(start, _)| start.get()).collect();
        assert_eq!(cuts, [0, 3000, 7096, 11_192, 12_000, 16_096]);
    }

    #[test]
    fn blocks_that_no_reader_knows_are_refused() {
        let tree = sample::tree(&[]);
        let settings = Settings::new(Codec::Plain, Epoch::STORE);
        assert!(serial(&tree, &Settings { block: Bytes::new(5000), ..settings }).is_err());
        assert!(serial(&tree, &settings).unwrap().plan.size().is_zero());
    }
}
