//! What is stored of a large file, wherever slabs cut it.

use std::sync::Arc;

use super::PlaceError;
use crate::plan::{Label, PlanBuilder};
use crate::region::{Keys, Reader};
use crate::tree::{HostFile, Source};
use crate::units::{Bytes, MIB};

/// A range of the file that holds a slab.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    pub(super) file: Arc<HostFile>,
    pub(super) start: Bytes,
    pub(super) len: Bytes,
}

/// Compares what is stored of two files, a part at a time.
///
/// # Errors
/// What cannot be read.
pub(super) fn same(first: &[Stretch], second: &[Stretch]) -> Result<bool, PlaceError> {
    let size = |stretches: &[Stretch]| stretches.iter().map(|it| it.len).sum::<Bytes>();
    let half = size(first);
    if half != size(second) {
        return Ok(false);
    }
    // One plan of both, the second behind the first.
    let (mut plan, mut at) = (PlanBuilder::new(), Bytes::ZERO);
    for Stretch { file, start, len } in first.iter().chain(second) {
        plan.range(at, Label::new("copy"), &Source::Host(Arc::clone(file)), *start, *len);
        at += *len;
    }
    let (plan, keys) = (plan.finish(at)?, Keys::none());
    let reader = Reader::new(&plan, &keys)?;
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let mut done = Bytes::ZERO;
    while done < half {
        let len = MIB.min(half - done);
        for (part, start) in [(&mut one, done), (&mut other, half + done)] {
            part.resize(len.to_len().unwrap_or_default(), 0);
            reader.read(start, part)?;
        }
        if one != other {
            return Ok(false);
        }
        done += len;
    }
    Ok(true)
}
