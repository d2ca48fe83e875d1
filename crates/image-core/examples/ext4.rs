//! An ext4 file system made of a directory: the library in forty lines, and what the benchmarks run.
//!
//! ```console
//! $ cargo run --release --package calve-image-core --example ext4 -- DIR IMAGE 3G
//! ```
//!
//! `IMAGE` is a new file, or `-` for standard output. Owners, modes and links are kept, times become
//! the epoch. `--no-clone` writes through a region that the kernel cannot copy into.

use std::fs::File;
use std::num::NonZeroUsize;

use calve_image_core::epoch::Epoch;
use calve_image_core::ids::Ids;
use calve_image_core::output::{Existing, Output};
use calve_image_core::region::{self, FreshFile, Keys, Options, Random, Region, Unwritten};
use calve_image_core::tree::scan::{ScanError, scan};
use calve_image_core::tree::{Entry, HostDir, Meta, Mode, Tree, TreeBuilder, TreePath, Xattrs};
use calve_image_core::units::Bytes;
use calve_image_core::writers::ext4::Ext4;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (dir, image, size, clone) = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [dir, image, size] => (dir, image, size, true),
        [dir, image, size, "--no-clone"] => (dir, image, size, false),
        _ => return Err("usage: ext4 DIR IMAGE|- SIZE [--no-clone]".into()),
    };
    let ids = Ids::from_parts(&[b"example", size.as_bytes()]);
    let plan = Ext4::new(Bytes::parse(size)?, ids.uuid("volume"), ids.uuid("hash seed"))
        .plan(&tree(dir)?)?;
    let workers = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let (keys, options) = (Keys::default(), Options { workers, ..Options::default() });
    if image == "-" {
        region::write(&plan, Region::Forward(&mut std::io::stdout()), &keys, &options)?;
        return Ok(());
    }
    let output = Output::create(image, Existing::Replace)?;
    let fresh = FreshFile::new(output.file());
    let copied = Copied(fresh);
    let region: &dyn Random = if clone { &fresh } else { &copied };
    region::write(&plan, Region::Random(region), &keys, &options)?;
    Ok(output.commit()?)
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
