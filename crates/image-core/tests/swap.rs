//! Swap areas, held against `mkswap`, `swaplabel` and `blkid`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::as_conversions, clippy::disallowed_methods)]

mod contract;

use calve_image_core::units::{Bytes, KIB, MIB};
use calve_image_core::writers::swap::Swap;
use contract::{image, oracle};
use uuid::{Uuid, uuid};

const ID: Uuid = uuid!("5a4fd1fc-4b43-8e4e-9f5b-1d0c4b6c8d0e");

fn swap(size: Bytes, label: Option<&str>) -> Swap {
    Swap { size, label: label.map(str::to_owned), uuid: ID }
}

/// A file of a size with nothing in it.
fn blank(size: Bytes) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(size.get()).unwrap();
    file
}

#[test]
fn mkswap_makes_the_same_to_the_last_byte() {
    let Some(mkswap) = oracle::need("mkswap") else { return };
    for (size, label) in
        [(Swap::LEAST, None), (MIB * 3 + KIB * 5, Some("swap")), (MIB * 8, Some("fifteen letters"))]
    {
        let theirs = blank(size);
        let id = ID.to_string();
        let label = label.map(|label| ["-L", label]);
        let mut args = vec!["-p", "4096", "-U", &id];
        args.extend(label.iter().flatten());
        let mut args: Vec<&std::ffi::OsStr> = args.iter().map(std::ffi::OsStr::new).collect();
        args.push(theirs.path().as_os_str());
        oracle::expect(&mkswap, &args);
        let ours = tempfile::NamedTempFile::new().unwrap();
        let plan = swap(size, label.map(|[_, label]| label)).plan().unwrap();
        image::write_sparse(&plan, ours.path());
        let [ours, theirs] = [ours, theirs].map(|file| std::fs::read(file.path()).unwrap());
        assert!(ours == theirs, "{size} {label:?}");
    }
}

#[test]
fn it_is_found_by_label_and_uuid_whatever_lay_there() {
    let (Some(blkid), Some(swaplabel)) = (oracle::need("blkid"), oracle::need("swaplabel")) else {
        return;
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    // Signatures of pages of 8 to 64 KiB, and of a file system.
    let mut poison = vec![0xD1; 1 << 20];
    for end in [1 << 13, 1 << 14, 1 << 15, 1 << 16] {
        poison[end - 10..end].copy_from_slice(b"SWAPSPACE2");
    }
    poison[0x438..0x43A].copy_from_slice(b"\x53\xef");
    let plan = swap(MIB * 2, Some("cryptswap")).plan().unwrap();
    image::write_poisoned(&plan, file.path(), &poison);
    let found = oracle::expect(&blkid, args!["-p", "-o", "export", file.path()]);
    let found = String::from_utf8(found).unwrap();
    for line in ["TYPE=swap", "LABEL=cryptswap", &format!("UUID={ID}"), "VERSION=1"] {
        assert!(found.lines().any(|found| found == line), "{line} in {found}");
    }
    let found = String::from_utf8(oracle::expect(&swaplabel, args![file.path()])).unwrap();
    assert!(found.contains("LABEL: cryptswap") && found.contains(&ID.to_string()), "{found}");
}
