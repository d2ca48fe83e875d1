//! Large host ranges, which the kernel copies where it can.

use std::path::{Path, PathBuf};

use calve_image_core::plan::{Label, Plan, PlanBuilder};
use calve_image_core::region::{self, FreshFile, Keys, Region};
use calve_image_core::tree::HostDir;
use calve_image_core::units::{Bytes, MIB};

use crate::args;
use crate::contract::oracle;
use crate::model::{options, pattern, render, usize_of};

/// A file whose last block is partly used, and one that lies in two extents.
fn plan(dir: &Path) -> Plan {
    std::fs::write(dir.join("whole"), pattern(1, (40 << 20) + 123)).unwrap();
    std::fs::write(dir.join("split"), pattern(2, 6 << 20)).unwrap();
    let host = HostDir::open(dir).unwrap();
    let (whole, split) = (host.file(b"whole").unwrap(), host.file(b"split").unwrap());
    let mut plan = PlanBuilder::new();
    plan.source(MIB, Label::new("whole"), &whole);
    plan.range(MIB * 60, Label::new("second"), &split, MIB * 2, MIB * 4);
    plan.range(MIB * 50 + Bytes::new(1), Label::new("first"), &split, Bytes::ZERO, MIB * 2);
    plan.finish(MIB * 65).unwrap()
}

/// Writes the plan's image into `target`, compares it, and tells how much room it took.
fn check(sources: &Path, target: &Path) -> u64 {
    let plan = plan(sources);
    for name in ["whole", "split"] {
        std::fs::File::open(sources.join(name)).unwrap().sync_all().unwrap();
    }
    let before = free(target);
    let image = std::fs::File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(target.join("image"))
        .unwrap();
    let region = FreshFile::new(&image);
    region::write(&plan, Region::Random(&region), &Keys::none(), &options(2)).unwrap();
    image.sync_all().unwrap();
    let used = before.saturating_sub(free(target));
    let mut expected = vec![0; usize_of(plan.size())];
    render(&plan, &mut expected, true);
    assert!(std::fs::read(target.join("image")).unwrap() == expected);
    used
}

fn free(dir: &Path) -> u64 {
    let stat = rustix::fs::statvfs(dir).unwrap();
    stat.f_bfree * stat.f_frsize
}

#[test]
fn from_the_same_file_system() {
    let dir = tempfile::tempdir().unwrap();
    check(dir.path(), dir.path());
}

#[test]
fn from_another_file_system_by_reading_and_writing() {
    let memory = Path::new("/dev/shm");
    if !memory.is_dir() {
        return oracle::skip("there is no /dev/shm to read from");
    }
    let (sources, target) = (tempfile::tempdir_in(memory).unwrap(), tempfile::tempdir().unwrap());
    check(sources.path(), target.path());
}

/// A file system on a loop device, unmounted at the end.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = oracle::need("umount").map(|umount| oracle::run(&umount, args![&self.0]));
    }
}

#[test]
fn from_a_file_system_that_shares_blocks() {
    if !oracle::may_mount() {
        return;
    }
    let mount = oracle::need("mount").unwrap();
    for (maker, flags) in [("mkfs.xfs", "-f"), ("mkfs.btrfs", "-f")] {
        let Some(maker) = oracle::need(maker) else { continue };
        let dir = tempfile::tempdir().unwrap();
        let (disk, point) = (dir.path().join("disk"), dir.path().join("point"));
        std::fs::File::create(&disk).unwrap().set_len(512 << 20).unwrap();
        std::fs::create_dir(&point).unwrap();
        oracle::expect(&maker, args!["-q", flags, &disk]);
        let mounted = oracle::run(&mount, args!["-o", "loop", &disk, &point]);
        if !mounted.status.success() {
            eprintln!("SKIPPED: {}", String::from_utf8_lossy(&mounted.stderr));
            continue;
        }
        let _unmount = Mounted(point.clone());
        let sources = point.join("sources");
        std::fs::create_dir(&sources).unwrap();
        let used = check(&sources, &point);
        // 46 MiB of data, of which only the unaligned 2 MiB cannot be shared.
        assert!(used < 16 << 20, "{}: {used} bytes were copied", maker.display());
    }
}
