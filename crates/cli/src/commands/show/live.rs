//! A live image shown: what firmware starts from it, and what its store's image says of itself.

use std::path::Path;

use calve_image_core::inspect::iso9660::BootImage;
use calve_image_core::inspect::{Image, Live};
use calve_image_core::units::Bytes;
use serde::Serialize;

use crate::disk_drawing::Disk;

/// An ISO as text; `disk` is what it is as a stick, if it can be one.
pub(super) fn text(path: &Path, live: &Live, disk: Option<&Image>) -> String {
    let Live { iso, store } = live;
    let mut text = format!("image {}, ISO 9660 of {}\n", path.display(), iso.size);
    text.push_str(&format!("volume id  {}\n", iso.volume));
    for entry in &iso.boot {
        let BootImage { platform, start, .. } = entry;
        let asleep = if entry.bootable { "" } else { ", not marked as bootable" };
        text.push_str(&format!("boots      {platform}, image at {}{asleep}\n", Bytes::new(*start)));
    }
    if iso.boot.is_empty() {
        text.push_str("boots      nothing: it has no El Torito catalog\n");
    }
    if let Some((name, store)) = store {
        text.push_str(&format!(
            "store      {name}, squashfs of {}: {}, blocks of {}, {} files, directories and links\n",
            store.size, store.compressor, store.block, store.inodes
        ));
    }
    match disk {
        Some(image) => text + "\nas a stick: " + &Disk::from(image).text(),
        None => text,
    }
}

/// What `--json` prints; sizes are in bytes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<'a> {
    volume_id: &'a str,
    size: u64,
    boot: &'a [BootImage],
    store: Option<StoreDocument<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StoreDocument<'a> {
    path: &'a str,
    size: u64,
    compressor: &'static str,
    block: u64,
    inodes: u32,
}

impl<'a> Document<'a> {
    pub(super) fn of(live: &'a Live) -> Self {
        let store = live.store.as_ref().map(|(path, store)| StoreDocument {
            path,
            size: store.size.get(),
            compressor: store.compressor,
            block: store.block.get(),
            inodes: store.inodes,
        });
        let iso = &live.iso;
        Self { volume_id: &iso.volume, size: iso.size.get(), boot: &iso.boot, store }
    }
}
