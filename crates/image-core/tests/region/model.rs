//! A plan rendered naively, and random plans to render.

use std::fs::File;
use std::num::NonZeroUsize;
use std::path::Path;

use aes::Aes256;
use aes::cipher::KeyInit;
use calve_image_core::plan::{Cipher, Content, KeyId, Label, Plan, PlanBuilder, Sealed, SecretId};
use calve_image_core::region::{self, Device, FreshFile, Keys, Options, Region};
use calve_image_core::tree::HostDir;
use calve_image_core::units::{Bytes, SectorSize};
use proptest::prelude::*;
use xts_mode::{Xts128, get_tweak_default};
use zeroize::Zeroizing;

pub(crate) const SECRET: &[u8] = b"a passphrase for the initrd, say";

pub(crate) fn key() -> Vec<u8> {
    (0..64u8).map(|i| i.wrapping_mul(29).wrapping_add(5)).collect()
}

pub(crate) fn keys() -> Keys {
    let mut keys = Keys::none();
    keys.insert_key(KeyId("volume".into()), Zeroizing::new(key()));
    keys.insert_secret(SecretId("pass".into()), Zeroizing::new(SECRET.to_vec()));
    keys
}

pub(crate) fn usize_of(bytes: Bytes) -> usize {
    bytes.to_len().unwrap()
}

pub(crate) fn pattern(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i as u8).wrapping_mul(31) ^ (i >> 8) as u8 ^ seed).map(|b| b | 1).collect()
}

/// Renders a plan over what was there before; gaps keep it.
pub(crate) fn render(plan: &Plan, image: &mut [u8], zeros: bool) {
    for piece in plan.pieces() {
        let (from, len) = (usize_of(piece.offset), usize_of(piece.len));
        let out = &mut image[from..from + len];
        match &piece.content {
            Content::Bytes(data) => out.copy_from_slice(data),
            Content::Zeros if zeros => out.fill(0),
            Content::Zeros => {}
            Content::Host { file, start } => {
                let data = std::fs::read(file.path()).unwrap();
                out.copy_from_slice(&data[usize_of(*start)..][..len]);
            }
            Content::Secret { start, .. } => {
                out.copy_from_slice(&SECRET[usize_of(*start)..][..len]);
            }
            Content::Sealed { sealed, start } => {
                let whole = seal(sealed, image_of(out, *start, sealed));
                out.copy_from_slice(&whole[usize_of(*start)..][..len]);
            }
        }
    }
}

/// What lay where the inner plan goes: its untouched sectors keep it.
fn image_of(out: &[u8], start: Bytes, sealed: &Sealed) -> Vec<u8> {
    let mut before = vec![0; usize_of(sealed.inner.size())];
    before[usize_of(start)..][..out.len()].copy_from_slice(out);
    before
}

fn seal(sealed: &Sealed, mut image: Vec<u8>) -> Vec<u8> {
    let Cipher::AesXtsPlain64 { sector } = sealed.cipher;
    let size = usize_of(sector.bytes());
    let mut plain = vec![0; image.len()];
    render(&sealed.inner, &mut plain, true);
    let mut used = vec![false; image.len() / size];
    for piece in sealed.inner.pieces() {
        let last = usize_of(piece.end()).div_ceil(size);
        used[usize_of(piece.offset) / size..last].fill(true);
    }
    let new = |half: &[u8]| Aes256::new_from_slice(half).unwrap();
    let xts = Xts128::new(new(&key()[..32]), new(&key()[32..]));
    for number in (0..used.len()).filter(|number| used[*number]) {
        let part = number * size..(number + 1) * size;
        xts.encrypt_sector(
            &mut plain[part.clone()],
            get_tweak_default((number * size / 512) as u128),
        );
        image[part.clone()].copy_from_slice(&plain[part]);
    }
    image
}

pub(crate) fn options(workers: usize) -> Options<'static> {
    Options { workers: NonZeroUsize::new(workers).unwrap(), ..Options::default() }
}

pub(crate) fn to_stream(plan: &Plan, workers: usize) -> (Vec<u8>, region::Written) {
    let mut stream = Vec::new();
    let options = Options { digest: true, ..options(workers) };
    let written = region::write(plan, Region::Forward(&mut stream), &keys(), &options).unwrap();
    (stream, written)
}

pub(crate) fn to_file(plan: &Plan, workers: usize) -> (Vec<u8>, region::Written) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let options = Options { digest: true, ..options(workers) };
    let region = FreshFile::new(file.as_file());
    let written = region::write(plan, Region::Random(&region), &keys(), &options).unwrap();
    let mut image = Vec::new();
    std::io::Read::read_to_end(file.as_file_mut(), &mut image).unwrap();
    (image, written)
}

pub(crate) fn to_device(plan: &Plan, before: &[u8], workers: usize) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), before).unwrap();
    let device = File::options().read(true).write(true).open(file.path()).unwrap();
    let region = Device::new(&device);
    region::write(plan, Region::Random(&region), &keys(), &options(workers)).unwrap();
    std::fs::read(file.path()).unwrap()
}

/// Makes the files that [`plans`] refers to.
pub(crate) fn host_files(dir: &Path) -> HostDir {
    std::fs::write(dir.join("small"), pattern(1, 5000)).unwrap();
    std::fs::write(dir.join("large"), pattern(2, (5 << 19) + 77)).unwrap();
    HostDir::open(dir).unwrap()
}

/// What a random piece is; sizes and gaps are chosen by the caller.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    gap: usize,
    len: usize,
    kind: u8,
}

pub(crate) fn parts(most: usize) -> impl Strategy<Value = Vec<Part>> {
    let gap = prop_oneof![Just(0usize), 0usize..5000, Just(40_000), Just(300_000)];
    let len = prop_oneof![1usize..600, 1usize..9000, Just(4096), Just(1_300_000)];
    let part = (gap, len, 0u8..7).prop_map(|(gap, len, kind)| Part { gap, len, kind });
    proptest::collection::vec(part, 0..most)
}

/// Builds a plan of random parts; one of them may be sealed, around parts of its own.
pub(crate) fn plan_of(host: &HostDir, parts: &[Part], inner: &[Part], sector: SectorSize) -> Plan {
    let mut plan = PlanBuilder::new();
    let mut at = 0;
    for (number, part) in parts.iter().enumerate() {
        at += part.gap;
        let offset = Bytes::from_len(at);
        let label = Label::numbered("part", number as u32);
        at += match part.kind {
            0 | 1 => {
                plan.bytes(offset, label, pattern(number as u8, part.len));
                part.len
            }
            2 => {
                plan.zeros(offset, Bytes::from_len(part.len), label);
                part.len
            }
            3 => {
                plan.secret(offset, Bytes::of(SECRET), label, SecretId("pass".into()));
                SECRET.len()
            }
            4 if !inner.is_empty() => {
                let inner = plan_of(host, inner, &[], sector);
                let size = inner.size().align_up(sector.bytes());
                let mut padded = PlanBuilder::new();
                padded.nest(Bytes::ZERO, "inner", &inner);
                padded.zeros(inner.size(), size - inner.size(), Label::new("padding"));
                let cipher = Cipher::AesXtsPlain64 { sector };
                let inner = padded.finish(size).unwrap();
                let sealed = Sealed { inner, cipher, key: KeyId("volume".into()) };
                plan.sealed(offset, label, sealed).unwrap();
                usize_of(size)
            }
            kind => {
                let name = if kind == 5 { "small" } else { "large" };
                let source = host.file(name.as_bytes()).unwrap();
                let start = part.len.min(usize_of(source.size()) / 2);
                let len = source.size() - Bytes::from_len(start);
                plan.range(offset, label, &source, Bytes::from_len(start), len);
                usize_of(len)
            }
        };
    }
    plan.finish(Bytes::from_len(at + 1000)).unwrap()
}
