//! LUKS2 volumes, judged by cryptsetup.
//!
//! - `made`: what cryptsetup says of ours, does with ours, and gets out of them
//! - `read`: what we read of cryptsetup's
//! - `any`: random volumes, both ways
//!
//! No device-mapper is needed: cryptsetup reads headers, opens keyslots and decrypts whole files in
//! its own process. What the kernel makes of the volumes is tested in guests.

#![allow(clippy::unwrap_used, clippy::panic, clippy::as_conversions, clippy::disallowed_methods)]
#![allow(clippy::print_stderr)]

#[path = "../contract/mod.rs"]
mod contract;

mod any;
mod made;
mod read;

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Output;

use calve_image_core::disk::luks2::{Kdf, Luks2, Passphrase};
use calve_image_core::plan::{KeyId, Label, Plan, PlanBuilder};
use calve_image_core::region::{self, FreshFile, Keys, Options, Region};
use calve_image_core::units::{Bytes, KIB, MIB, SectorSize};
use contract::{corpus, oracle};
use tempfile::TempDir;
use uuid::Uuid;
use zeroize::Zeroizing;

const UUID: &str = "11112222-3333-4444-5555-666677778888";

/// A volume of one cheap keyslot.
fn luks(sector: SectorSize) -> Luks2 {
    Luks2 {
        sector,
        uuid: Uuid::parse_str(UUID).unwrap(),
        label: Some("vault".to_owned()),
        subsystem: Some("calve".to_owned()),
        kdf: Kdf::Pbkdf2 { iterations: 1000 },
        keyslots: 1,
        noise: false,
    }
}

/// Costs that are quick enough for tests, of both functions.
fn kdfs() -> [Kdf; 2] {
    [Kdf::Argon2id { memory: KIB * 1024, passes: 4, lanes: 4 }, Kdf::Pbkdf2 { iterations: 2000 }]
}

fn passphrase(bytes: &[u8]) -> Passphrase {
    Passphrase::new(Zeroizing::new(bytes.to_vec())).unwrap()
}

/// 4 MiB without a gap, so that all that is decrypted can be compared.
fn inner() -> (Plan, Vec<u8>) {
    let content = corpus::noise(7, 4 << 20);
    let mut plan = PlanBuilder::new();
    plan.bytes(Bytes::ZERO, Label::new("content"), content.clone());
    (plan.finish(MIB * 4).unwrap(), content)
}

/// A directory of images and key files, and cryptsetup.
struct Bench {
    dir: TempDir,
    cryptsetup: PathBuf,
}

impl Bench {
    /// Nothing where cryptsetup is not installed, which CI must not be.
    fn new() -> Option<Self> {
        let cryptsetup = oracle::need("cryptsetup")?;
        Some(Self { dir: tempfile::tempdir().unwrap(), cryptsetup })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a key file.
    fn key(&self, bytes: &[u8]) -> PathBuf {
        let name: String = bytes.iter().take(40).map(|byte| format!("{byte:02x}")).collect();
        let path = self.path(&format!("key-{}-{name}", bytes.len()));
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Makes one of our volumes in a file.
    fn make(&self, name: &str, luks: &Luks2, inner: Plan, keys: &[&[u8]]) -> PathBuf {
        let passphrases: Vec<Passphrase> = keys.iter().map(|key| passphrase(key)).collect();
        self.forge(name, luks, inner, &passphrases)
    }

    fn forge(&self, name: &str, luks: &Luks2, inner: Plan, with: &[Passphrase]) -> PathBuf {
        let (id, mut keys) = (KeyId("volume".into()), Keys::none());
        luks.forge(&id, with, &mut keys).unwrap();
        let plan = luks.plan(&id, inner).unwrap();
        let path = self.path(name);
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        let region = FreshFile::new(&file);
        region::write(&plan, Region::Random(&region), &keys, &Options::default()).unwrap();
        path
    }

    fn run(&self, args: &[&OsStr]) -> Output {
        let all: Vec<&OsStr> = [OsStr::new("--disable-locks"), OsStr::new("--batch-mode")]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        oracle::run(&self.cryptsetup, &all)
    }

    /// Runs cryptsetup, which must succeed, and returns what it said.
    fn expect(&self, args: &[&OsStr]) -> String {
        let output = self.run(args);
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cryptsetup {args:?}: {words}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Asks cryptsetup whether a key opens a volume: 0 yes, 2 no.
    fn opens(&self, image: &Path, key: &[u8]) -> Option<i32> {
        let key = self.key(key);
        let args = args!["open", "--test-passphrase", "--type", "luks2", "--key-file", &key, image];
        self.run(args).status.code()
    }

    /// Has cryptsetup decrypt a copy of a volume in place, and returns what was inside.
    fn decrypted(&self, image: &Path, key: &[u8]) -> Vec<u8> {
        let (copy, header, key) = (self.path("decrypted"), self.path("detached"), self.key(key));
        std::fs::copy(image, &copy).unwrap();
        // What cryptsetup exports, it does not overwrite.
        let _ = std::fs::remove_file(&header);
        let how = ["--decrypt", "--force-offline-reencrypt"].map(OsStr::new);
        let files = args!["--header", &header, "--key-file", &key, &copy];
        self.expect(&[&[OsStr::new("reencrypt")], &how[..], files].concat());
        let mut data = std::fs::read(&copy).unwrap();
        data.truncate(data.len() - Luks2::HEADER.to_len().unwrap());
        data
    }
}
