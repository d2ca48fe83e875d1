//! An ext4 file system made of a directory: the library in forty lines, and what the benchmarks run.
//!
//! ```console
//! $ cargo run --release --package calve-image-core --example ext4 -- DIR IMAGE 3G
//! ```
//!
//! `IMAGE` is a new file, or `-` for standard output. Owners, modes and links are kept, times become
//! the epoch. `--no-clone` writes through a region that the kernel cannot copy into. `--luks KEYFILE`
//! puts a LUKS2 volume around it, whose key is derived as by default, `--luks-quick KEYFILE` one whose
//! key costs next to nothing.

use std::fs::File;
use std::num::NonZeroUsize;

use calve_image_core::disk::luks2::{Kdf, Luks2, Passphrase};
use calve_image_core::epoch::Epoch;
use calve_image_core::ids::Ids;
use calve_image_core::output::{Existing, Output};
use calve_image_core::plan::KeyId;
use calve_image_core::region::{self, FreshFile, Keys, Options, Random, Region, Unwritten};
use calve_image_core::tree::scan::{ScanError, scan};
use calve_image_core::tree::{Entry, HostDir, Meta, Mode, Tree, TreeBuilder, TreePath, Xattrs};
use calve_image_core::units::{Bytes, SectorSize};
use calve_image_core::writers::ext4::Ext4;
use zeroize::Zeroizing;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let Some(([dir, image, size], how)) = args.split_first_chunk() else {
        return Err(USAGE.into());
    };
    let how = How::of(how)?;
    let ids = Ids::from_parts(&[b"example", size.as_bytes()]);
    // Keys first: deriving them takes memory, and so does what is planned after that.
    let (id, mut keys) = (KeyId("example".into()), Keys::none());
    let luks = how.luks.map(|(key, kdf)| locked(key, kdf, &ids, &id, &mut keys)).transpose()?;
    let plan = Ext4::new(Bytes::parse(size)?, ids.uuid("volume"), ids.uuid("hash seed"))
        .plan(&tree(dir)?)?;
    let plan = match luks {
        Some(luks) => luks.plan(&id, plan)?,
        None => plan,
    };
    let workers = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let options = Options { workers, ..Options::default() };
    if *image == "-" {
        region::write(&plan, Region::Forward(&mut std::io::stdout()), &keys, &options)?;
        return Ok(());
    }
    let output = Output::create(image, Existing::Replace)?;
    let fresh = FreshFile::new(output.file());
    let copied = Copied(fresh);
    let region: &dyn Random = if how.clones { &fresh } else { &copied };
    region::write(&plan, Region::Random(region), &keys, &options)?;
    Ok(output.commit()?)
}

const USAGE: &str = "usage: ext4 DIR IMAGE|- SIZE [--no-clone] [--luks|--luks-quick KEYFILE]";

/// What the flags say.
struct How<'a> {
    clones: bool,
    luks: Option<(&'a str, Kdf)>,
}

impl<'a> How<'a> {
    fn of(flags: &[&'a str]) -> Result<Self, Failure> {
        let mut how = Self { clones: true, luks: None };
        let mut flags = flags.iter();
        while let Some(flag) = flags.next() {
            match *flag {
                "--no-clone" => how.clones = false,
                "--luks" | "--luks-quick" => {
                    let quick = Kdf::Pbkdf2 { iterations: 1000 };
                    let kdf = if *flag == "--luks" { Kdf::default() } else { quick };
                    how.luks = Some((flags.next().ok_or(USAGE)?, kdf));
                }
                _ => return Err(USAGE.into()),
            }
        }
        Ok(how)
    }
}

/// Describes a volume, and makes its keys.
fn locked(key: &str, kdf: Kdf, ids: &Ids, id: &KeyId, keys: &mut Keys) -> Result<Luks2, Failure> {
    let luks = Luks2 {
        sector: SectorSize::B512,
        uuid: ids.uuid("luks"),
        label: None,
        subsystem: None,
        kdf,
        keyslots: 1,
        noise: false,
    };
    let passphrase = Passphrase::new(Zeroizing::new(std::fs::read(key)?))?;
    luks.forge(id, &[passphrase], keys)?;
    Ok(luks)
}

fn tree(dir: &str) -> Result<Tree, Failure> {
    let mut builder = TreeBuilder::new(Epoch::default());
    let layer = builder.layer(dir);
    scan::<ScanError>(&HostDir::open(dir)?, b"", &mut |found| {
        let meta = Meta {
            mode: Mode::new(found.mode),
            uid: found.uid,
            gid: found.gid,
            mtime: Epoch::default(),
            xattrs: Xattrs::NONE,
        };
        // A path that the host could list holds neither NUL nor dots.
        let path = TreePath::parse(found.path).unwrap_or_default();
        builder.add(layer, path, Entry { meta, kind: found.kind });
        Ok(())
    })?;
    Ok(builder.build()?)
}

/// A fresh file into which the kernel is not asked to copy.
struct Copied<'f>(FreshFile<'f>);

impl Random for Copied<'_> {
    fn prepare(&self, size: Bytes) -> Result<(), region::Error> {
        self.0.prepare(size)
    }

    fn write_at(&self, data: &[u8], offset: Bytes) -> std::io::Result<usize> {
        self.0.write_at(data, offset)
    }

    fn read_at(&self, buffer: &mut [u8], offset: Bytes) -> std::io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn unwritten(&self) -> Unwritten {
        self.0.unwritten()
    }

    fn copy_target(&self) -> Option<&File> {
        None
    }
}
