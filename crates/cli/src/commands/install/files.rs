//! Directories of this machine as they are sent: read once, by the rules of overlays, as a tar stream.

use std::io::{self, Write};

use calve_image_core::epoch::Epoch;
use calve_image_core::inputs::etc_dir::EtcDir;
use calve_image_core::inputs::overlay::{Overlay, Overlays};
use calve_image_core::region::{Keys, Reader};
use calve_image_core::tree::TreeBuilder;
use calve_image_core::units::{Bytes, MIB};
use calve_image_core::writers::tar;

/// How much is read at once.
const CHUNK: Bytes = MIB;

/// Sends one directory.
pub(super) fn send(
    overlay: &Overlay,
    etc: EtcDir,
    epoch: Epoch,
    sink: &mut dyn Write,
) -> io::Result<()> {
    let mut tree = TreeBuilder::new(epoch);
    let overlays = std::slice::from_ref(overlay);
    Overlays { overlays, rules: &[], etc, epoch }.add(&mut tree).map_err(io::Error::other)?;
    let tree = tree.build().map_err(io::Error::other)?;
    let archive = tar::archive(&tree).map_err(io::Error::other)?;
    let keys = Keys::none();
    let reader = Reader::new(&archive.plan, &keys).map_err(io::Error::other)?;
    let mut buffer = vec![0; usize::try_from(CHUNK.get()).map_err(io::Error::other)?];
    let (mut at, end) = (Bytes::ZERO, archive.plan.size());
    while at < end {
        let size = CHUNK.min(end - at);
        let chunk = usize::try_from(size.get()).ok().and_then(|size| buffer.get_mut(..size));
        let chunk = chunk.unwrap_or_default();
        reader.read(at, chunk).map_err(io::Error::other)?;
        sink.write_all(chunk)?;
        at += size;
    }
    Ok(())
}
