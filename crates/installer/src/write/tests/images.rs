//! What is an image, and what is none or not all of one.

use std::io::Write;
use std::path::Path;

use calve_image_core::units::{Bytes, SectorSize};

use super::copying::{Sample, disk};
use crate::write::image::{Error, Image, Kind, Packing};

fn all(image: &Image) -> Result<(Vec<u8>, usize), Error> {
    let (mut bytes, mut zeros) = (Vec::new(), 0);
    let mut reader = image.reader()?;
    let mut buffer = vec![0xAA; 1 << 20];
    loop {
        let filled = reader.fill(&mut buffer)?;
        if filled.size.is_zero() {
            return Ok((bytes, zeros));
        }
        bytes.extend(&buffer[..filled.size.to_len().unwrap()]);
        zeros += usize::from(filled.is_zero);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_packing_gives_the_same_bytes() {
    let (sample, bytes) = (Sample::new(), disk(SectorSize::B512));
    // Two members, two streams, two frames after one another are one image.
    let (a, b) = bytes.split_at(3_000_000);
    for (packed, packing) in [
        (bytes.clone(), Packing::Raw),
        ([gzip(a), gzip(b)].concat(), Packing::Gzip),
        ([xz(a), xz(b)].concat(), Packing::Xz),
        ([zstd(a), zstd(b)].concat(), Packing::Zstd),
    ] {
        let image = Image::open(&sample.write(&packed)).unwrap();
        assert_eq!((image.packing(), &image.about().kind), (packing, &Kind::Gpt));
        assert_eq!(image.least_size(), Bytes::of(&bytes));
        let (found, zeros) = all(&image).unwrap();
        assert!(found == bytes, "{packing}");
        // MiB 3 to 7 are zeros, and said to be.
        assert_eq!(zeros, 5, "{packing}");
        // Without its last bytes it is not all there; whether that is seen at once depends.
        let cut = sample.write(&packed[..packed.len() - 600]);
        let failed = Image::open(&cut).and_then(|image| all(&image)).unwrap_err();
        match packing {
            Packing::Raw | Packing::Qcow2 => assert!(matches!(failed, Error::Truncated { .. })),
            Packing::Gzip | Packing::Xz | Packing::Zstd => {
                assert!(matches!(failed, Error::Unpack { .. }), "{failed:?}");
            }
        }
    }
    // A whole stream of half an image.
    let image = Image::open(&sample.write(&zstd(&bytes[..4 << 20]))).unwrap();
    let failed = all(&image).unwrap_err();
    assert_eq!(
        failed.to_string(),
        format!(
            "{} is cut short: its GPT says 9437184 bytes, found 4194304",
            sample.path().display()
        )
    );
}

#[test]
fn holes_are_found_without_being_read() {
    let (sample, bytes) = (Sample::new(), disk(SectorSize::B512));
    let path = sample.write(&bytes[..3 << 20]);
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(9 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes[8 << 20..], 8 << 20).unwrap();
    let (found, zeros) = all(&Image::open(&path).unwrap()).unwrap();
    assert!(found == bytes);
    assert_eq!(zeros, 5);
}

#[test]
fn qcow2_is_unpacked_and_compressed_ones_are_refused() {
    let (sample, bytes) = (Sample::new(), disk(SectorSize::B512));
    let raw = sample.write(&bytes);
    let qcow2 = raw.with_extension("qcow2");
    let convert = |options: &[&str]| {
        std::process::Command::new("qemu-img")
            .args(["convert", "-O", "qcow2"])
            .args(options)
            .args([&raw, &qcow2])
            .status()
    };
    match convert(&[]) {
        Ok(status) => assert!(status.success()),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "qemu-img: {error}");
            return eprintln!("SKIPPED: qemu-img is not installed");
        }
    }
    let image = Image::open(&qcow2).unwrap();
    assert_eq!((image.packing(), image.size()), (Packing::Qcow2, Some(Bytes::of(&bytes))));
    assert!(all(&image).unwrap().0 == bytes);
    assert!(convert(&["-c"]).unwrap().success());
    assert!(matches!(Image::open(&qcow2), Err(Error::Inspect { .. })));
}

#[test]
fn an_iso_is_known_by_its_descriptor() {
    let sample = Sample::new();
    let mut bytes = vec![0; 600 * 1024];
    bytes[0x8000..0x8007].copy_from_slice(b"\x01CD001\x01");
    bytes[0x8028..0x8048].copy_from_slice(b"NIXOS_ISO                       ");
    bytes[0x8050..0x8054].copy_from_slice(&300u32.to_le_bytes());
    bytes[0x8080..0x8082].copy_from_slice(&2048u16.to_le_bytes());
    let image = Image::open(&sample.write(&bytes)).unwrap();
    assert_eq!((&image.about().kind, image.about().claimed), (&Kind::Iso, Bytes::new(600 << 10)));
    let label = image.about().holds.as_ref().unwrap().label.clone();
    assert_eq!(label.as_deref(), Some("NIXOS_ISO"));
    bytes.pop();
    let failed = Image::open(&sample.write(&bytes)).unwrap_err();
    assert!(failed.to_string().ends_with("says 614400 bytes, found 614399"), "{failed}");
}

#[test]
fn what_is_no_image_is_refused() {
    let sample = Sample::new();
    let refused = |bytes: &[u8]| Image::open(&sample.write(bytes)).unwrap_err().to_string();
    assert!(refused(b"").ends_with("found an empty file"));
    assert!(refused(&[0; 70_000]).ends_with("found zeros"));
    assert!(refused(b"PK\x03\x04....").ends_with("found bytes 50 4b 03 04 2e 2e 2e 2e"));
    assert!(refused(&gzip(b"hello")).ends_with("found bytes 68 65 6c 6c 6f"));
    // A GPT whose entries do not sum up.
    let mut damaged = disk(SectorSize::B512);
    damaged[1030] ^= 1;
    assert!(refused(&damaged).ends_with("cannot be understood"));
    assert!(matches!(Image::open(Path::new("/proc")), Err(Error::NotAFile { .. })));
}
