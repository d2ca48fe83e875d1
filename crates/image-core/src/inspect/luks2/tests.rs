//! Our own volumes read back, damaged, and told lies. `cryptsetup`'s are in tests/luks.

use std::sync::Arc;

use proptest::prelude::*;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::*;
use crate::disk::luks2::{Kdf, Luks2, Passphrase, RecoveryKey};
use crate::plan::{KeyId, Label, Plan, PlanBuilder};
use crate::region::{self, Keys, Options, Region};
use crate::units::MIB;

/// A disk in memory; what is beyond its end is zeros.
struct Memory(Vec<u8>);

impl Medium for Memory {
    fn read(&self, at: Bytes, buffer: &mut [u8]) -> Result<(), crate::inspect::Error> {
        buffer.fill(0);
        let from = at.to_len().unwrap_or(usize::MAX);
        let there = self.0.get(from..).unwrap_or_default();
        buffer.iter_mut().zip(there).for_each(|(to, from)| *to = *from);
        Ok(())
    }
}

impl Memory {
    fn header(&self) -> Result<Option<Header>, Error> {
        Header::read(self, Bytes::ZERO, Bytes::of(&self.0))
    }

    fn open(&self, text: &str) -> Result<Opened<'_>, Error> {
        self.header()?.unwrap().open(self, &passphrase(text))
    }
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.into())).unwrap()
}

fn volume(sector: SectorSize, inner: Plan, passphrases: &[Passphrase]) -> Memory {
    let luks = Luks2 {
        sector,
        uuid: Uuid::from_u128(7),
        label: Some("vault".to_owned()),
        subsystem: None,
        kdf: Kdf::Pbkdf2 { iterations: 1000 },
        keyslots: passphrases.len(),
        noise: false,
    };
    let (id, mut keys) = (KeyId(Arc::from("x")), Keys::none());
    luks.forge(&id, passphrases, &mut keys).unwrap();
    let mut image = Vec::new();
    let plan = luks.plan(&id, inner).unwrap();
    region::write(&plan, Region::Forward(&mut image), &keys, &Options::default()).unwrap();
    Memory(image)
}

fn content() -> Vec<u8> {
    (0..3 << 20).map(|i: u32| u8::try_from((i * 7 + i / 4096) % 251).unwrap()).collect()
}

fn inner() -> Plan {
    let mut plan = PlanBuilder::new();
    plan.bytes(Bytes::ZERO, Label::new("content"), content());
    plan.finish(MIB * 3).unwrap()
}

#[test]
fn every_passphrase_opens_its_keyslot_and_no_other_opens_any() {
    let recovery = RecoveryKey::generate().unwrap();
    let passphrases = [passphrase("one"), passphrase("two"), recovery.as_passphrase()];
    for sector in SectorSize::ALL {
        let volume = volume(sector, inner(), &passphrases);
        let header = volume.header().unwrap().unwrap();
        assert_eq!((header.label(), header.subsystem()), (Some("vault"), None));
        assert_eq!(header.uuid(), Uuid::from_u128(7).to_string());
        assert_eq!(header.flaw(), None);
        let keyslots: Vec<bool> = header.keyslots().iter().map(|slot| slot.recovery).collect();
        assert_eq!(keyslots, [false, false, true]);
        assert_eq!(header.keyslots()[0].kdf, "pbkdf2-sha256, 1000 iterations");
        for (number, text) in [(0, "one"), (1, "two"), (2, recovery.text().as_str())] {
            let opened = volume.open(text).unwrap();
            assert_eq!((opened.keyslot(), opened.size()), (number, MIB * 3));
        }
        let error = volume.open("three").unwrap_err();
        assert!(matches!(error, Error::WrongPassphrase { tried: 3 }), "{error}");
    }
}

#[test]
fn any_range_of_the_payload_is_read() {
    for sector in SectorSize::ALL {
        let volume = volume(sector, inner(), &[passphrase("x")]);
        let (opened, content) = (volume.open("x").unwrap(), content());
        for (at, len) in
            [(0, 1), (0, 512), (511, 2), (4095, 4098), (1, 600_000), (262_143, 262_146)]
        {
            let mut buffer = vec![9; len];
            opened.read(Bytes::from_len(at), &mut buffer).unwrap();
            assert!(buffer == content[at..at + len], "{len} bytes at {at}");
        }
        let mut buffer = [9; 100];
        opened.read(MIB * 3 - Bytes::new(50), &mut buffer).unwrap();
        assert_eq!(buffer[..50], content[content.len() - 50..]);
        assert_eq!(buffer[50..], [0; 50]);
        opened.read(MIB * 4, &mut buffer).unwrap();
        assert_eq!(buffer, [0; 100]);
    }
}

#[test]
fn either_copy_of_the_header_is_enough() {
    let whole = volume(SectorSize::B512, inner(), &[passphrase("x")]);
    // In the magic, the sizes, the sum, the metadata.
    for at in [0, 9, 0x1C0, 4100, 12_000] {
        for (base, which) in [(0, "first"), (16384, "second")] {
            let mut damaged = Memory(whole.0.clone());
            damaged.0[base + at] ^= 0x20;
            let header = damaged.header().unwrap().unwrap();
            let flaw = header.flaw().unwrap();
            assert!(flaw.starts_with(&format!("the {which} copy of the header ")), "{flaw}");
            assert!(header.open(&damaged, &passphrase("x")).is_ok());
            let volume = crate::inspect::volume(&damaged, Bytes::ZERO).unwrap().unwrap();
            assert_eq!((volume.format, volume.label.as_deref()), ("crypto_LUKS", Some("vault")));
        }
    }
    let mut lost = Memory(whole.0.clone());
    lost.0[4100] ^= 1;
    lost.0[20484] ^= 1;
    assert!(matches!(lost.header(), Err(Error::Damaged { .. })));
    lost.0[..6].fill(0);
    assert!(matches!(lost.header(), Err(Error::Damaged { .. })));
    lost.0[16384..16390].fill(0);
    assert!(matches!(lost.header(), Ok(None)));
}

#[test]
fn the_newer_copy_is_taken() {
    let mut volume = volume(SectorSize::B512, inner(), &[passphrase("x")]);
    for (base, which) in [(0, "second"), (16384, "first")] {
        volume.0[base + 0x17] += 2 + u8::from(base > 0) * 4;
        sum(&mut volume.0[base..base + 16384]);
        let flaw = volume.header().unwrap().unwrap().flaw();
        assert_eq!(flaw, Some(format!("the {which} copy of the header is older")));
    }
}

/// Makes a copy's checksum right again.
fn sum(copy: &mut [u8]) {
    let sum = header::checksum(copy);
    copy[0x1C0..0x1E0].copy_from_slice(&sum);
}

/// A volume whose metadata were edited, in both copies, with good checksums.
fn edited(volume: &Memory, from: &str, to: &str) -> Memory {
    let json = volume.0[4096..].split(|byte| *byte == 0).next().unwrap();
    let text = String::from_utf8(json.to_vec()).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    let text = text.replacen(from, to, 1);
    let mut edited = Memory(volume.0.clone());
    for base in [0, 16384] {
        edited.0[base + 4096..base + 16384].fill(0);
        edited.0[base + 4096..][..text.len()].copy_from_slice(text.as_bytes());
        sum(&mut edited.0[base..base + 16384]);
    }
    edited
}

#[test]
fn lies_are_refused_and_news_is_passed_over() {
    let volume = volume(SectorSize::B512, inner(), &[passphrase("x")]);
    for (from, to, expected) in [
        (r#""offset":"16777216""#, r#""offset":"99999999999""#, "a payload within the volume"),
        (r#""size":"dynamic""#, r#""size":"99999999""#, "a payload of whole sectors"),
        (r#""size":"dynamic""#, r#""size":"-1""#, "make no sense"),
        (r#""sector_size":512"#, r#""sector_size":2048"#, "sectors of 2048"),
        (r#""offset":"32768""#, r#""offset":"18446744073709551615""#, "keyslot 0"),
        (r#""offset":"32768""#, r#""offset":"0""#, "keyslot 0"),
        (r#""size":"258048""#, r#""size":"512""#, "keyslot 0"),
        (r#""stripes":4000"#, r#""stripes":4294967295"#, "keyslot 0"),
        (r#""key_size":64"#, r#""key_size":4294967295"#, "keyslot 0"),
        (r#""type":"pbkdf2","hash""#, r#""type":"scrypt","hash""#, "keyslot 0"),
        (r#""config":{"#, r#""config":{"requirements":{"mandatory":["x"]},"#, "requirements x"),
        (r#""encryption":"aes-xts-plain64","sector"#, r#""encryption":"null","sector"#, "cipher"),
        (r#""type":"crypt""#, r#""type":"linear""#, "segments: one of another kind"),
        (r#""type":"luks2""#, r#""type":"reencrypt""#, "nothing opens it"),
    ] {
        let edited = edited(&volume, from, to);
        let error = edited.open("x").unwrap_err();
        assert!(error.to_string().contains(expected), "{to}: {error}");
    }
    for (from, to) in [
        (r#""tokens":{"#, r#""tokens":{"0":{"type":"clevis","keyslots":["0"],"jwe":{"a":[1]}}"#),
        (r#""config":{"#, r#""config":{"flags":["allow-discards"],"news":null,"#),
        (r#""key_size":64,"af""#, r#""key_size":64,"priority":2,"af""#),
        (r#""keyslots":{"#, r#""news":7,"keyslots":{"5":{"type":"news"},"#),
    ] {
        assert!(edited(&volume, from, to).open("x").is_ok(), "{to}");
    }
}

#[test]
fn a_hostile_keyslot_takes_no_memory() {
    let volume = volume(SectorSize::B512, inner(), &[passphrase("x")]);
    let kdf = r#""type":"pbkdf2","hash":"sha256","iterations":1000,"salt""#;
    let hostile = r#""type":"argon2id","time":4,"memory":4294967295,"cpus":4,"salt""#;
    let error = edited(&volume, kdf, hostile).open("x").unwrap_err();
    let Error::Keyslot { number: 0, source } = error else { panic!("{error}") };
    let expected = "a keyslot takes 3.9 TiB of memory to open: expected at most 4 GiB";
    assert_eq!(source.to_string(), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Bytes of the header changed, sums made right: no panic, whatever it says.
    #[test]
    fn any_header_is_read(
        changes in prop::collection::vec((0usize..16384, any::<u8>()), 1..6),
        whole in any::<bool>(),
    ) {
        let mut volume = Memory(sample().0[..32768].to_vec());
        let json = volume.0[4096..].split(|byte| *byte == 0).next().unwrap().len();
        for (at, byte) in changes {
            // Mostly where something is written.
            let at = if at >= 4096 { 4096 + (at - 4096) % json } else { at % 512 };
            volume.0[at] = byte;
        }
        if whole {
            sum(&mut volume.0[..16384]);
            volume.0[16384..].fill(0);
        }
        if let Ok(Some(header)) = Header::read(&volume, Bytes::ZERO, MIB * 20) {
            let _ = (header.payload(), header.keyslots(), header.flaw());
            prop_assert!(header.keyslots().len() <= 40);
        }
    }

    /// JSON of any shape behind a good header.
    #[test]
    fn any_json_is_read(json in "[\\[\\]{}\":,0-9a-z]{0,60}", depth in 0usize..12000) {
        let mut volume = Memory(sample().0[..32768].to_vec());
        let text = format!("{}{json}", "[".repeat(depth));
        volume.0[4096..16384].fill(0);
        let len = text.len().min(12288);
        volume.0[4096..4096 + len].copy_from_slice(&text.as_bytes()[..len]);
        sum(&mut volume.0[..16384]);
        volume.0[16384..].fill(0);
        prop_assert!(!matches!(volume.header(), Ok(Some(_))));
    }
}

/// One volume for all cases.
fn sample() -> &'static Memory {
    static SAMPLE: std::sync::OnceLock<Memory> = std::sync::OnceLock::new();
    SAMPLE.get_or_init(|| volume(SectorSize::B512, inner(), &[passphrase("x")]))
}
