//! Volumes planned, forged, and refused. What `cryptsetup` says of them is in tests/luks.

use zeroize::Zeroizing;

use super::*;
use crate::plan::Content;
use crate::region::{self, Options, Region};
use crate::units::{GIB, KIB};

fn luks() -> Luks2 {
    Luks2 {
        sector: SectorSize::B512,
        uuid: Uuid::from_u128(0x1111_2222_3333_4444_5555_6666_7777_8888),
        label: Some("vault".to_owned()),
        subsystem: None,
        kdf: Kdf::Pbkdf2 { iterations: 1000 },
        keyslots: 1,
        noise: false,
    }
}

fn id() -> KeyId {
    KeyId(Arc::from("cryptroot"))
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.into())).unwrap()
}

/// 4 MiB with bytes in its middle.
fn inner() -> Plan {
    let mut plan = PlanBuilder::new();
    plan.bytes(MIB * 2, Label::new("data"), vec![7; 5000]);
    plan.finish(MIB * 4).unwrap()
}

/// The image of a plan, as a stream has it.
fn image(plan: &Plan, keys: &Keys) -> Vec<u8> {
    let mut image = Vec::new();
    region::write(plan, Region::Forward(&mut image), keys, &Options::default()).unwrap();
    image
}

fn forge(luks: &Luks2, passphrases: &[Passphrase]) -> Keys {
    let mut keys = Keys::none();
    luks.forge(&id(), passphrases, &mut keys).unwrap();
    keys
}

#[test]
fn header_and_edges_have_no_gaps() {
    let plan = Luks2 { keyslots: 2, ..luks() }.plan(&id(), inner()).unwrap();
    let expected = r#"size 20971520
0 32768 secret header "cryptroot/luks header" from 0
32768 258048 secret keyslot 0 "cryptroot/luks keyslot 0" from 0
290816 258048 secret keyslot 1 "cryptroot/luks keyslot 1" from 0
548864 16228352 zeros unused keyslots
16777216 4194304 sealed payload aes-xts-plain64 sector 512 key "cryptroot" from 0
  size 4194304
  0 1048576 zeros edge of volume
  1048576 1048576 gap
  2097152 5000 bytes data "#;
    let listing = plan.listing();
    assert!(listing.starts_with(expected), "{listing}");
    assert!(listing.contains("  3145728 1048576 zeros edge of volume\n"), "{listing}");
}

#[test]
fn noise_leaves_no_gap_at_all() {
    let plan = Luks2 { noise: true, ..luks() }.plan(&id(), inner()).unwrap();
    let Some(Content::Sealed { sealed, .. }) = plan.pieces().last().map(|piece| &piece.content)
    else {
        panic!("{}", plan.listing())
    };
    assert_eq!(sealed.inner.covered(), MIB * 4);
    let keys = forge(&luks(), &[passphrase("x")]);
    let image = image(&plan, &keys);
    let sectors = image[16 << 20..].chunks(512);
    assert!(sectors.into_iter().all(|sector| sector.iter().any(|byte| *byte != 0)));
}

#[test]
fn what_was_forged_fits_what_was_planned() {
    let three = Luks2 { keyslots: 3, ..luks() };
    let recovery = RecoveryKey::generate().unwrap();
    let passphrases = [passphrase("one"), passphrase("two"), recovery.as_passphrase()];
    let mut keys = Keys::none();
    three.forge(&id(), &passphrases, &mut keys).unwrap();
    let image = image(&three.plan(&id(), inner()).unwrap(), &keys);
    let json = image[4096..].split(|byte| *byte == 0).next().unwrap();
    let metadata: metadata::Metadata = serde_json::from_slice(json).unwrap();
    assert_eq!(metadata.keyslots.len(), 3);
    let token = &metadata.tokens[&0];
    assert_eq!((token.kind.as_str(), token.keyslots[0].0), ("systemd-recovery", 2));
    let text = String::from_utf8_lossy(json);
    assert!(text.starts_with(r#"{"keyslots":{"0":{"type":"luks2","key_size":64,"af":"#), "{text}");
    let config = r#""config":{"json_size":"12288","keyslots_size":"16744448"}}"#;
    assert!(text.ends_with(config), "{text}");
    // Both copies, but for what tells them apart.
    assert_eq!(image[4096..16384], image[20480..32768]);
    assert!(image[..6] == *b"LUKS\xba\xbe" && image[16384..16390] == *b"SKUL\xba\xbe");
}

#[test]
fn thirty_two_keyslots_fit_whatever_they_cost() {
    let full = Luks2 { keyslots: 32, ..luks() };
    let passphrases: Vec<Passphrase> = (0..32).map(|n| passphrase(&n.to_string())).collect();
    let keys = forge(&full, &passphrases);
    assert_eq!(image(&full.plan(&id(), inner()).unwrap(), &keys).len(), 20 << 20);
    // The longest metadata there can be, without deriving what they cost.
    let longest = Kdf::Argon2id { memory: GIB * 4, passes: i32::MAX.unsigned_abs(), lanes: 4 };
    let slot = keyslot::describe(MIB * 10, longest.with_salt(vec![0; 32]));
    let slot = serde_json::to_vec(&metadata::Keyslot::Luks2(slot)).unwrap().len();
    // Number and comma of each, its place in the digest, and all the rest. A recovery key's is
    // shorter by as much as its token is long.
    assert!(32 * (slot + 6 + 5) + 700 < 12_288, "{slot}");
}

#[test]
fn no_two_volumes_share_anything() {
    let plan = luks().plan(&id(), inner()).unwrap();
    let images: Vec<Vec<u8>> =
        (0..3).map(|_| image(&plan, &forge(&luks(), &[passphrase("same")]))).collect();
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        // Keyslot, and payload: nothing of it alike means that no volume key is.
        for range in [32768..32768 + 256_000, (18 << 20)..(18 << 20) + 4608] {
            let pairs = images[one][range.clone()].chunks(16).zip(images[other][range].chunks(16));
            assert!(pairs.into_iter().all(|(one, other)| one != other));
        }
        let salts = |image: &[u8]| image[0x68..0xA8].to_vec();
        assert_ne!(salts(&images[one]), salts(&images[other]));
    }
}

#[test]
fn nothing_shows_when_it_is_printed() {
    let keys = forge(&luks(), &[passphrase("a very secret one")]);
    assert_eq!(format!("{keys:?}"), "Keys(..)");
    let shown = format!("{:?}", luks().plan(&id(), inner()).unwrap());
    assert!(!shown.contains("secret one"));
}

#[test]
fn what_would_not_open_is_refused() {
    let refused = |luks: Luks2| luks.plan(&id(), inner()).unwrap_err();
    let long = Some("x".repeat(48));
    assert_eq!(
        refused(Luks2 { label: long.clone(), ..luks() }).to_string(),
        "a LUKS2 label of 48 bytes: expected at most 47"
    );
    assert!(matches!(
        refused(Luks2 { subsystem: long, ..luks() }),
        Error::LongLabel { what: "subsystem", .. }
    ));
    assert!(Luks2 { label: Some("x".repeat(47)), ..luks() }.check().is_ok());
    let control = Some("a\nb".to_owned());
    assert!(matches!(refused(Luks2 { label: control, ..luks() }), Error::Label { .. }));
    for keyslots in [0, 33] {
        assert!(matches!(refused(Luks2 { keyslots, ..luks() }), Error::Keyslots { .. }));
    }
    let kdf = Kdf::Argon2id { memory: KIB * 16, passes: 4, lanes: 1 };
    assert!(matches!(refused(Luks2 { kdf, ..luks() }), Error::Cost { .. }));
    let odd = PlanBuilder::new().finish(Bytes::new(4096 + 512)).unwrap();
    let large = Luks2 { sector: SectorSize::B4096, ..luks() };
    assert!(matches!(
        large.plan(&id(), odd),
        Err(Error::Plan(crate::plan::PlanError::PartialSector { .. }))
    ));
    let mut keys = Keys::none();
    assert_eq!(
        luks().forge(&id(), &[], &mut keys),
        Err(Error::Passphrases { expected: 1, found: 0 })
    );
    assert!(keys.is_empty());
}
