//! What comes after an initrd, and where secrets are kept.

#![allow(clippy::panic, clippy::disallowed_methods)]

use zeroize::Zeroizing;

use super::*;
use crate::boot::sample::{KERNEL, Sample};
use crate::inputs::initrd::{Initrd, Kind, Limits, tests::archive};
use crate::region::{Keys, Reader};

const BYTES: &[u8] = b"what only root may read";

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

fn secret(dest: &str) -> Secret {
    Secret { dest: path(dest), len: Bytes::of(BYTES) }
}

fn keys(secrets: &[Secret]) -> Keys {
    let mut keys = Keys::none();
    for secret in secrets {
        keys.insert_secret(secret.id(), Zeroizing::new(BYTES.to_vec()));
    }
    keys
}

fn bytes(plan: &Plan, keys: &Keys) -> Vec<u8> {
    let mut bytes = vec![0xD1; plan.size().to_len().unwrap()];
    Reader::new(plan, keys).unwrap().read(Bytes::ZERO, &mut bytes).unwrap();
    bytes
}

fn nothing(file: &StoreFile) -> Result<Source, cpio::Error> {
    panic!("{file} is not asked for")
}

/// Plans an initrd of some size with two secrets after it.
fn appended(initrd: Vec<u8>) -> (Plan, Keys) {
    let secrets = [secret("/etc/ssh/key"), secret("/etc/tauthkey")];
    let parts = secrets.iter().map(|one| (one.dest.clone(), Part::Given(one.clone())));
    let appendix = Appendix(parts.collect());
    (appendix.initrd(&Source::bytes(initrd), nothing).unwrap(), keys(&secrets))
}

#[test]
fn the_kernel_finds_the_archive_after_any_initrd() {
    for extra in 0..4 {
        let mut initrd = archive(&[("init", 0o100_755, b"#!")]);
        // NULs between archives count for nothing.
        initrd.resize(initrd.len().next_multiple_of(4) + extra, 0);
        let size = initrd.len();
        let (plan, keys) = appended(initrd.clone());
        let image = bytes(&plan, &keys);
        assert!(image.starts_with(&initrd));
        let start = size.next_multiple_of(4);
        assert!(image[size..start].iter().all(|byte| *byte == 0), "{extra}");
        assert_eq!(&image[start..start + 6], b"070701", "{extra}");
        let read = Initrd::list(image.as_slice(), &Limits::default()).unwrap();
        let secret = b".initrd-secrets/etc/ssh/key".as_slice();
        let found: Vec<_> = read.entries().filter(|(name, _)| *name == secret).collect();
        assert_eq!(found, [(secret, &Kind::File(Bytes::of(BYTES)))], "{extra}");
    }
}

#[test]
fn a_plan_names_secrets_and_holds_none() {
    let (plan, _) = appended(vec![0; 6]);
    let texts = format!("{} {plan:?}", plan.listing());
    assert!(texts.contains("initrd secret /etc/ssh/key"));
    assert!(!texts.contains("only root may read"));
    let listing = plan.listing();
    insta::assert_snapshot!(listing, @r#"
    size 1032
    0 6 bytes initrd b0f66adc83641586
    6 2 zeros padding
    8 128 bytes secrets/header 1 7fa25fbc47b0c44f
    136 132 bytes secrets/header 2 b8cefca9619dc862
    268 136 bytes secrets/header 3 b57537cffb531bb2
    404 140 bytes secrets/header 4 8e39ddbb6a45857a
    544 23 secret secrets/secret/secret "initrd secret /etc/ssh/key" from 0
    567 1 zeros secrets/padding 4
    568 140 bytes secrets/header 5 848763aeb36142c6
    708 23 secret secrets/secret/secret "initrd secret /etc/tauthkey" from 0
    731 1 zeros secrets/padding 5
    732 124 bytes secrets/header 6 23d0422b4fea28f7
    856 176 zeros secrets/padding 6
    "#);
    assert!(Reader::new(&plan, &Keys::none()).is_err());
}

/// What is kept of a system's secrets, as a listing.
fn kept(secrets: &[(&str, &str)], place: Place<'_>) -> Result<String, KeepError> {
    let mut sample = Sample::new();
    sample.appends(secrets);
    let built = sample.build();
    let wanted = Wanted::read(&built.store, &built.system).unwrap();
    let given: Vec<Secret> = secrets.iter().map(|(dest, _)| secret(dest)).collect();
    let mut tree = TreeBuilder::new(Epoch::STORE);
    keep(&mut tree, &wanted, &given, place)?;
    Ok(tree.build().unwrap().listing())
}

#[test]
fn secrets_are_kept_where_the_next_rebuild_reads_them() {
    let mounts = [path("/"), path("/data/vault")];
    let plain = Place { etc: EtcDir::Plain, mount_points: &mounts, epoch: Epoch::STORE };
    let secrets = [
        ("/a", "/etc/secrets/initrd/key"),
        ("/b", "/etc/ssh/initrd_key"),
        ("/c", "/data/vault/deep/key"),
        ("/d", "/run/agenix/key"),
        ("/e", "/persist/var/lib/x/key"),
        ("/f", &format!("/nix/store/{KERNEL}/bzImage")),
    ];
    insta::assert_snapshot!(kept(&secrets, plain).unwrap(), @r"
    / d 0755 0:0 1
    /data d 0755 0:0 1
    /data/vault d 0755 0:0 1
    /data/vault/deep d 0700 0:0 1
    /data/vault/deep/key f 0600 0:0 1 23
    /etc d 0755 0:0 1
    /etc/secrets d 0700 0:0 1
    /etc/secrets/initrd d 0700 0:0 1
    /etc/secrets/initrd/key f 0600 0:0 1 23
    /etc/ssh d 0755 0:0 1
    /etc/ssh/initrd_key f 0600 0:0 1 23
    /persist d 0755 0:0 1
    /persist/var d 0755 0:0 1
    /persist/var/lib d 0755 0:0 1
    /persist/var/lib/x d 0700 0:0 1
    /persist/var/lib/x/key f 0600 0:0 1 23
    ");
    let mutable = Place { etc: EtcDir::MutableOverlay, ..plain };
    let listing = kept(&secrets[..1], mutable).unwrap();
    assert!(listing.contains("/.rw-etc/upper/secrets/initrd/key f 0600"), "{listing}");
    let immutable = Place { etc: EtcDir::ImmutableOverlay, ..plain };
    assert!(matches!(kept(&secrets[..1], immutable), Err(KeepError::Hidden(_))));
}

#[test]
fn the_closure_s_own_files_come_from_its_store() {
    let file: StoreFile = format!("/nix/store/{KERNEL}/bzImage").parse().unwrap();
    let appendix = Appendix(BTreeMap::from([(path("/k"), Part::Store(file.clone()))]));
    let in_store = |asked: &StoreFile| {
        assert_eq!(*asked, file);
        Ok::<_, cpio::Error>(Source::bytes(*b"public"))
    };
    let plan = appendix.initrd(&Source::bytes(Vec::new()), in_store).unwrap();
    let image = bytes(&plan, &Keys::none());
    assert!(image.windows(6).any(|window| window == b"public"));
}
