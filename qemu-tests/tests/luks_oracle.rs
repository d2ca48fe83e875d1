//! Twenty encrypted volumes of random shape, made by the library, and one guest that opens them all: the
//! kernel and cryptsetup have the last word on what they hold.
#![allow(missing_docs)]

use std::error::Error as StdError;
use std::fs::File;
use std::path::Path;

use calve_image_core::disk::luks2::{Kdf, Luks2, Passphrase};
use calve_image_core::epoch::Epoch;
use calve_image_core::plan::KeyId;
use calve_image_core::region::{self, FreshFile, Keys, Options, Region};
use calve_image_core::tree::{Entry, Meta, Mode, Source, Tree, TreeBuilder, TreePath};
use calve_image_core::units::{Bytes, KIB, MIB, SectorSize};
use calve_image_core::writers::ext4::{Ext4, Label};
use calve_machine::{Disk, Machine};
use calve_qemu_tests::{Sample, Scenario, oracle};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

const VOLUMES: usize = 20;
/// Another one makes other volumes, the same one the same.
const SEED: u64 = 0x5EED_CA1F;

type Outcome<T> = Result<T, Box<dyn StdError>>;

#[test]
fn the_kernel_opens_every_shape() -> Outcome<()> {
    let Some(scenario) = Scenario::new("luks-oracle", Sample::Encrypted)? else { return Ok(()) };
    let directory = scenario.images().directory("volumes")?;
    let mut random = Random(SEED);
    let (mut volumes, mut disks) = (Vec::new(), Vec::new());
    for index in 0..VOLUMES {
        let volume = Volume::random(index, &mut random)?;
        let image = directory.join(format!("{index}.raw"));
        volume.write(&image)?;
        disks.push(Disk::open(&image)?);
        volumes.push(volume);
    }
    let keys = volumes.iter().map(|volume| volume.passphrases.clone()).collect::<Vec<_>>();
    let boot = oracle::boot(scenario.images(), &keys)?;
    let first = disks.remove(0);
    let mut machine = Machine { boot, ..scenario.machine(first) };
    machine.disks.extend(disks);
    let mut running = machine.boot()?;
    running.expect("ORACLE-DONE", scenario.patience())?;
    let said = running.console().text();
    running.wait_off(scenario.patience())?;
    for (index, volume) in volumes.iter().enumerate() {
        let expected = format!("VOLUME {} {}", oracle::device(index), volume.digest());
        assert!(said.contains(&expected), "{:?}\nexpected {expected}\n{said}", volume.luks);
    }
    Ok(())
}

/// One volume: how it is made, what opens it, what it holds.
struct Volume {
    luks: Luks2,
    size: Bytes,
    label: Label,
    passphrases: Vec<Vec<u8>>,
    files: Vec<(String, Vec<u8>)>,
}

impl Volume {
    fn random(index: usize, random: &mut Random) -> Outcome<Self> {
        let kdf = match random.below(3) {
            0 => Kdf::Pbkdf2 { iterations: u32::try_from(1000 + random.below(4000))? },
            _ => Kdf::Argon2id {
                memory: KIB * (32 << random.below(9)),
                passes: u32::try_from(4 + random.below(2))?,
                lanes: u32::try_from(1 + random.below(4))?,
            },
        };
        let keyslots = usize::try_from(1 + random.below(3))?;
        let label = ["", "root", "a label of forty-seven bytes, the longest it is"];
        let luks = Luks2 {
            sector: SectorSize::ALL[usize::try_from(random.below(2))?],
            uuid: random.uuid(),
            label: Some(label[usize::try_from(random.below(3))?].to_owned())
                .filter(|label| !label.is_empty()),
            subsystem: Some("calve".to_owned()).filter(|_| random.below(2) == 0),
            kdf,
            keyslots,
            noise: random.below(4) == 0,
        };
        let passphrases = (0..keyslots).map(|_| random.bytes(400)).collect();
        let count = 1 + random.below(12);
        let files =
            (0..count).map(|file| (format!("file-{file}"), random.bytes(1 << 20))).collect();
        Ok(Self {
            luks,
            size: MIB * (24 + random.below(40)),
            label: Label::new(format!("volume {index}"))?,
            passphrases,
            files,
        })
    }

    fn write(&self, image: &Path) -> Outcome<()> {
        let ext4 =
            Ext4 { label: self.label, ..Ext4::new(self.size, self.luks.uuid, self.luks.uuid) };
        let id = KeyId("volume".into());
        let plan = self.luks.plan(&id, ext4.plan(&self.tree()?)?)?;
        let mut keys = Keys::none();
        let passphrase = |bytes: &Vec<u8>| Passphrase::new(Zeroizing::new(bytes.clone()));
        let passphrases = self.passphrases.iter().map(passphrase).collect::<Result<Vec<_>, _>>()?;
        self.luks.forge(&id, &passphrases, &mut keys)?;
        let file = File::options().read(true).write(true).create_new(true).open(image)?;
        region::write(&plan, Region::Random(&FreshFile::new(&file)), &keys, &Options::default())?;
        Ok(())
    }

    fn tree(&self) -> Outcome<Tree> {
        let mut builder = TreeBuilder::new(Epoch::STORE);
        let origin = builder.layer("random");
        let meta = Meta::root(Mode::new(0o644), Epoch::STORE);
        for (name, bytes) in &self.files {
            let entry = Entry::file(meta.clone(), Source::bytes(bytes.as_slice()));
            builder.add(origin, TreePath::parse(format!("/{name}"))?, entry);
        }
        Ok(builder.build()?)
    }

    /// What the guest says of it: the digest of its files' digests, as `sha256sum` writes them.
    fn digest(&self) -> String {
        let mut lines: Vec<String> = self
            .files
            .iter()
            .map(|(name, bytes)| format!("./{name}\0{}", hex(&Sha256::digest(bytes))))
            .collect();
        lines.sort();
        let text: String = lines
            .iter()
            .filter_map(|line| line.split_once('\0'))
            .map(|(name, digest)| format!("{digest}  {name}\n"))
            .collect();
        hex(&Sha256::digest(text))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Marsaglia's xorshift: no more is needed of it than that it is the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// At least one byte, and at most so many.
    fn bytes(&mut self, most: u64) -> Vec<u8> {
        (0..=self.below(most)).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    fn uuid(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.next(), self.next())
    }
}
