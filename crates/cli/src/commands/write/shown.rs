//! What is on the device and what comes, in words and as data.

use calve_installer::write::Image;
use calve_installer::write::image::{Kind, Packing};
use serde::Serialize;

use super::survey::Subject;
use crate::device;

/// The device with what is on it, and the image.
pub(super) fn text(subject: &Subject, image: &Image) -> String {
    let Subject { device, contents, path, .. } = subject;
    let typed = path.display().to_string();
    let name = format!("/dev/{}", device.name);
    let link = if typed == name { String::new() } else { format!(" ({typed})") };
    let mut text = format!("device    {name}{link}: {}\n", device::words(device));
    let partitions = device::table(&contents.partitions);
    text.push_str(&format!("on it     {}\n{partitions}", device::contents(contents)));
    text.push_str(&format!("image     {}\n", image_title(image)));
    text.push_str(&device::table(&image.about().partitions));
    text
}

fn image_title(image: &Image) -> String {
    let about = image.about();
    let mut words = vec![kind(&about.kind).to_owned()];
    words.extend(about.holds.as_ref().map(device::holding));
    words.push(match image.size() {
        Some(size) => size.to_string(),
        None if image.least_size().is_zero() => "of unknown size".to_owned(),
        None => format!("{} unpacked", image.least_size()),
    });
    match image.packing() {
        Packing::Raw => {}
        packing @ (Packing::Qcow2 | Packing::Zstd | Packing::Xz | Packing::Gzip) => {
            words.push(packing.to_string());
        }
    }
    format!("{}: {}", image.path().display(), words.join(", "))
}

fn kind(kind: &Kind) -> &'static str {
    match kind {
        Kind::Gpt => "GPT",
        Kind::Mbr => "MBR",
        Kind::Iso => "ISO",
        Kind::Bare => "no partition table",
    }
}

/// An image as data.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImageReport {
    path: String,
    kind: &'static str,
    packing: String,
    /// Not known before it is unpacked, for compressed ones.
    size: Option<u64>,
}

impl ImageReport {
    pub(super) fn of(image: &Image) -> Self {
        Self {
            path: image.path().display().to_string(),
            kind: kind(&image.about().kind),
            packing: image.packing().to_string(),
            size: image.size().map(calve_image_core::units::Bytes::get),
        }
    }
}
