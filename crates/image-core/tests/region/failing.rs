//! What goes wrong is told with the thing, the place and the reason, and leaves nothing behind.

use std::io::{self, Write};
use std::path::Path;

use calve_image_core::output::{Existing, Output};
use calve_image_core::plan::{Cipher, KeyId, Label, Plan, PlanBuilder, Sealed, SecretId};
use calve_image_core::region::{
    self, Cancel, Current, Device, Error, FreshFile, Keys, Options, Progress, Random, Region,
    Unwritten,
};
use calve_image_core::tree::HostDir;
use calve_image_core::tree::source::SourceError;
use calve_image_core::units::{Bytes, MIB, SectorSize};
use zeroize::Zeroizing;

use crate::model::{options, pattern};

fn host_plan(dir: &Path, size: usize) -> Plan {
    std::fs::write(dir.join("file"), pattern(3, size)).unwrap();
    let host = HostDir::open(dir).unwrap();
    let mut plan = PlanBuilder::new();
    plan.source(Bytes::new(4096), Label::numbered("data", 7), &host.file(b"file").unwrap());
    plan.finish(MIB * 8).unwrap()
}

/// What changes, and how.
type Change<'a> = (&'static str, &'a dyn Fn(&Path));

fn to_file(plan: &Plan, keys: &Keys, options: &Options<'_>) -> Result<(), Error> {
    let image = tempfile::tempfile().unwrap();
    region::write(plan, Region::Random(&FreshFile::new(&image)), keys, options).map(drop)
}

fn to_stream(plan: &Plan, keys: &Keys, options: &Options<'_>) -> Result<(), Error> {
    region::write(plan, Region::Forward(&mut io::sink()), keys, options).map(drop)
}

#[test]
fn a_changed_source_is_named_with_what_changed() {
    for size in [5000, 3 << 20] {
        let changes: [Change<'_>; 4] = [
            ("its size", &|path| std::fs::write(path, "short").unwrap()),
            ("its mtime", &|path| std::fs::write(path, pattern(4, size)).unwrap()),
            ("its ctime", &|path| {
                use std::os::unix::fs::PermissionsExt;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
            }),
            ("device and inode", &|path| {
                std::fs::copy(path, path.with_extension("new")).unwrap();
                std::fs::rename(path.with_extension("new"), path).unwrap();
            }),
        ];
        for (what, change) in changes {
            let dir = tempfile::tempdir().unwrap();
            let plan = host_plan(dir.path(), size);
            std::thread::sleep(std::time::Duration::from_millis(10));
            change(&dir.path().join("file"));
            for write in [to_file, to_stream] {
                let error = write(&plan, &Keys::none(), &options(2)).unwrap_err();
                let Error::Source {
                    label,
                    source: SourceError::Changed { what: found, path, .. },
                    ..
                } = error
                else {
                    panic!("{what}: {error}");
                };
                assert_eq!((found, label.as_str()), (what, "data 7"));
                assert_eq!(path, dir.path().join("file"));
            }
        }
    }
}

/// Truncates the source once the first bytes have landed.
struct Truncate<'a>(&'a Path);

impl Progress for Truncate<'_> {
    fn begin(&self, _total: Bytes) {}

    fn advance(&self, _done: Bytes, _current: Current<'_>) {
        let file = std::fs::File::options().write(true).open(self.0).unwrap();
        file.set_len(100).unwrap();
    }
}

#[test]
fn a_source_cut_short_on_the_way_is_found_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let plan = host_plan(dir.path(), 7 << 20);
    let progress = Truncate(&path);
    let options = Options { progress: &progress, ..options(1) };
    let error = to_stream(&plan, &Keys::none(), &options).unwrap_err();
    assert!(
        matches!(&error, Error::Source { source: SourceError::Changed { .. }, .. }),
        "{error:?}"
    );
}

/// A region that is full after some bytes.
struct Full(u64);

impl Random for Full {
    fn prepare(&self, _size: Bytes) -> Result<(), Error> {
        Ok(())
    }

    fn write_at(&self, data: &[u8], offset: Bytes) -> io::Result<usize> {
        let room = self.0.saturating_sub(offset.get());
        if room == 0 {
            return Err(io::Error::from_raw_os_error(28));
        }
        Ok(data.len().min(usize::try_from(room).unwrap()))
    }

    fn read_at(&self, _buffer: &mut [u8], _offset: Bytes) -> io::Result<usize> {
        Ok(0)
    }

    fn unwritten(&self) -> Unwritten {
        Unwritten::Zeros
    }
}

#[test]
fn a_full_disk_is_told_with_the_piece_and_the_byte() {
    let mut plan = PlanBuilder::new();
    plan.bytes(Bytes::ZERO, Label::new("superblock"), pattern(1, 4096));
    plan.bytes(Bytes::new(4096), Label::numbered("inode table", 3), pattern(1, 8192));
    let plan = plan.finish(MIB).unwrap();
    let region = Full(5000);
    let error =
        region::write(&plan, Region::Random(&region), &Keys::none(), &options(2)).unwrap_err();
    assert_eq!(error.to_string(), "cannot write inode table 3 (byte 5000 of the image)");
    let Error::Write { source, .. } = error else { panic!("{error}") };
    assert_eq!(source.kind(), io::ErrorKind::StorageFull);
}

#[test]
fn a_closed_pipe_is_an_error_and_no_hang() {
    let dir = tempfile::tempdir().unwrap();
    let plan = host_plan(dir.path(), 7 << 20);
    let (reader, mut writer) = io::pipe().unwrap();
    let reading = std::thread::spawn(move || {
        let mut reader = reader;
        io::Read::read_exact(&mut reader, &mut vec![0; 1 << 20]).unwrap();
    });
    let region = Region::Forward(&mut writer);
    let error = region::write(&plan, region, &Keys::none(), &options(3)).unwrap_err();
    reading.join().unwrap();
    let Error::Write { source, .. } = error else { panic!("{error}") };
    assert_eq!(source.kind(), io::ErrorKind::BrokenPipe);
}

/// Raises the request once the first bytes have landed.
struct CancelSoon(Cancel);

impl Progress for CancelSoon {
    fn begin(&self, _total: Bytes) {}

    fn advance(&self, _done: Bytes, _current: Current<'_>) {
        self.0.cancel();
    }
}

#[test]
fn cancelling_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let plan = host_plan(dir.path(), 7 << 20);
    let out = tempfile::tempdir().unwrap();
    for forward in [false, true] {
        let progress = CancelSoon(Cancel::new());
        let options = Options { cancel: progress.0.clone(), progress: &progress, ..options(2) };
        let output = Output::create(out.path().join("disk.img"), Existing::Keep).unwrap();
        let fresh = FreshFile::new(output.file());
        let mut stream = output.file();
        let region = if forward { Region::Forward(&mut stream) } else { Region::Random(&fresh) };
        let error = region::write(&plan, region, &Keys::none(), &options).unwrap_err();
        assert!(matches!(error, Error::Cancelled), "{error}");
        drop(output);
        assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
    }
}

#[test]
fn regions_that_cannot_take_the_image_are_refused_untouched() {
    let plan = PlanBuilder::new().finish(MIB).unwrap();
    let mut used = tempfile::tempfile().unwrap();
    used.write_all(b"mine").unwrap();
    let write = |region: &dyn Random| {
        region::write(&plan, Region::Random(region), &Keys::none(), &options(1)).unwrap_err()
    };
    let error = write(&FreshFile::new(&used));
    assert!(matches!(error, Error::Prepare { size: 0x10_0000, .. }), "{error}");
    let error = write(&Device::new(&used));
    assert!(matches!(error, Error::TooSmall { needed: 0x10_0000, found: 4 }), "{error}");
    assert_eq!(used.metadata().unwrap().len(), 4);
}

fn sealed_plan() -> Plan {
    let mut inner = PlanBuilder::new();
    inner.secret(Bytes::ZERO, Bytes::new(8), Label::new("slot"), SecretId("pass".into()));
    let inner = inner.finish(Bytes::new(4096)).unwrap();
    let cipher = Cipher::AesXtsPlain64 { sector: SectorSize::B4096 };
    let mut plan = PlanBuilder::new();
    let sealed = Sealed { inner, cipher, key: KeyId("volume".into()) };
    plan.sealed(Bytes::ZERO, Label::new("payload"), sealed).unwrap();
    plan.finish(Bytes::new(4096)).unwrap()
}

#[test]
fn keys_and_secrets_are_checked_before_the_first_byte() {
    let plan = sealed_plan();
    let bytes = |len| Zeroizing::new(vec![9u8; len]);
    let (key, secret) = (KeyId("volume".into()), SecretId("pass".into()));
    let mut keys = Keys::none();
    let mut stream = Vec::new();
    let mut says = |keys: &Keys| {
        let error = region::write(&plan, Region::Forward(&mut stream), keys, &options(1));
        let said = error.unwrap_err().to_string();
        assert!(stream.is_empty());
        said
    };
    assert_eq!(says(&keys), "the plan needs the key \"volume\", which was not given");
    keys.insert_key(key.clone(), bytes(32));
    assert_eq!(says(&keys), "the key \"volume\" has 32 bytes: expected 64");
    keys.insert_key(key, bytes(64));
    assert_eq!(says(&keys), "the plan needs the secret \"pass\", which was not given");
    keys.insert_secret(secret.clone(), bytes(9));
    assert_eq!(says(&keys), "the secret \"pass\" has 9 bytes: expected 8");
    keys.insert_secret(secret, bytes(8));
    assert!(to_stream(&plan, &keys, &options(1)).is_ok());
    assert_eq!(format!("{keys:?}"), "Keys(..)");
}
