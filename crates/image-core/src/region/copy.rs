//! A range of a host file, copied inside the kernel.
//!
//! btrfs and xfs share the blocks instead of copying them when both offsets are aligned, which
//! image writers see to. Holes of the file stay holes. A system that cannot copy a range is no
//! failure: the rest of it is read and written instead, which also finds out whose fault it was.

use std::fs::File;

use rustix::fs::{SeekFrom, copy_file_range, seek};

use super::Cancel;
use super::fill::ended;
use crate::tree::HostFile;
use crate::tree::source::SourceError;
use crate::units::Bytes;

/// How much the kernel copies between two looks at [`Cancel`].
const STEP: Bytes = Bytes::new(8 << 20);

/// Copies `len` bytes of `source` from `start` on to `offset` of `target`; returns how many the
/// kernel took, which is fewer where it cannot go on or was cancelled.
pub(super) fn copy(
    source: &HostFile,
    start: Bytes,
    len: Bytes,
    target: (&File, Bytes),
    cancel: &Cancel,
) -> Result<Bytes, SourceError> {
    let (target, offset) = target;
    let open = source.open()?;
    let end = start + len;
    let mut at = start;
    while at < end && !cancel.is_cancelled() {
        let (data, hole) = next_data(&open, at, end);
        at = data;
        if at >= hole {
            continue;
        }
        let (mut from, mut to) = (at.get(), (offset + (at - start)).get());
        let step = STEP.min(hole - at).to_len().unwrap_or(1);
        match copy_file_range(&open, Some(&mut from), target, Some(&mut to), step) {
            Ok(0) => return Err(ended(source, &open, at)),
            Ok(count) => at += Bytes::from_len(count),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => break,
        }
    }
    source.check(&open)?;
    Ok(at - start)
}

/// Finds the next range that holds data, both ends within `end`; all is data where the file system
/// does not tell.
fn next_data(file: &File, at: Bytes, end: Bytes) -> (Bytes, Bytes) {
    let data = match seek(file, SeekFrom::Data(at.get())) {
        Ok(data) => Bytes::new(data).min(end),
        Err(rustix::io::Errno::NXIO) => end,
        Err(_) => return (at, end),
    };
    match seek(file, SeekFrom::Hole(data.get())) {
        Ok(hole) => (data, Bytes::new(hole).min(end)),
        Err(_) => (data, end),
    }
}
