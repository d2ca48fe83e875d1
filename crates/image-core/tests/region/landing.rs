//! What lands is what the plan says, everywhere.

use std::ffi::OsStr;

use calve_image_core::plan::{Label, Plan, PlanBuilder};
use calve_image_core::region::{self, Device, FreshFile, Keys, Region};
use calve_image_core::units::{Bytes, MIB, SectorSize};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::args;
use crate::contract::oracle;
use crate::model::{
    host_files, keys, options, parts, plan_of, render, to_device, to_file, to_stream, usize_of,
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_plan_lands_alike_everywhere(
        parts in parts(7),
        inner in parts(4),
        large_sectors: bool,
        workers in 1usize..5,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let host = host_files(dir.path());
        let sector = if large_sectors { SectorSize::B4096 } else { SectorSize::B512 };
        let plan = plan_of(&host, &parts, &inner, sector);

        let mut expected = vec![0; usize_of(plan.size())];
        render(&plan, &mut expected, true);
        let digest: [u8; 32] = Sha256::digest(&expected).into();
        for (image, written) in [to_stream(&plan, workers), to_file(&plan, workers)] {
            prop_assert!(image == expected);
            prop_assert_eq!(written.digest, Some(digest));
        }
        let mut expected = vec![0xD1; usize_of(plan.size()) + 100];
        let device = to_device(&plan, &expected, workers);
        render(&plan, &mut expected, true);
        prop_assert!(device == expected);
    }
}

/// A plan that covers what the contract asks for: both ends, and nothing in the middle.
fn covering_ends() -> Plan {
    let mut plan = PlanBuilder::new();
    plan.bytes(Bytes::new(512), Label::new("ours"), *b"OURS");
    plan.zeros(Bytes::ZERO, Bytes::new(512), Label::new("head"));
    plan.zeros(Bytes::new(516), MIB - Bytes::new(516), Label::new("head"));
    plan.zeros(MIB * 3, MIB, Label::new("tail"));
    plan.finish(MIB * 4).unwrap()
}

/// Old signatures: what, where from the start of the disk, bytes.
const SIGNATURES: [(&str, usize, &[u8]); 8] = [
    ("xfs", 0, b"XFSB\0\0\x10\0"),
    ("luks", 0, b"LUKS\xba\xbe\0\x02"),
    ("lvm", 512, b"LABELONE"),
    ("md 1.2", 4096, b"\xfc\x4e\x2b\xa9\x01\0\0\0"),
    ("btrfs", 0x10040, b"_BHRfS_M"),
    ("swap", 4086, b"SWAPSPACE2"),
    ("zfs", 128 << 10, b"\x0c\xb1\xba\0\0\0\0\0"),
    ("ext", 1080, b"\x53\xef"),
];

#[test]
fn zeros_wipe_old_signatures_and_gaps_keep_what_was_there() {
    for (name, at, bytes) in SIGNATURES {
        let mut disk = vec![0xD1; 4 << 20];
        disk[at..at + bytes.len()].copy_from_slice(bytes);
        // md 0.90 and ZFS keep copies at the end.
        let copy = (4 << 20) - (64 << 10);
        disk[copy..copy + bytes.len()].copy_from_slice(bytes);
        let after = to_device(&covering_ends(), &disk, 2);
        assert_eq!(&after[512..516], b"OURS");
        let nothing = after.windows(bytes.len()).all(|window| window != bytes);
        assert!(nothing, "{name} is still there");
        assert!(after[1 << 20..3 << 20].iter().all(|byte| *byte == 0xD1), "{name}: gap written");
        assert!(after[3 << 20..].iter().all(|byte| *byte == 0), "{name}: tail not wiped");
    }
}

/// `blkid -p` of a disk that carried each real thing before finds nothing old.
#[test]
fn blkid_finds_nothing_old() {
    let makers: [&[&str]; 4] = [
        &["mkfs.ext4", "-q", "-F"],
        &["mkswap", "-q"],
        &["mkfs.btrfs", "-q", "-f"],
        &["mkfs.xfs", "-q", "-f"],
    ];
    let Some(blkid) = oracle::need("blkid") else { return };
    for maker in makers {
        let Some(tool) = oracle::need(maker[0]) else { continue };
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(512 << 20).unwrap();
        let flags = maker[1..].iter().map(OsStr::new).chain([file.path().as_os_str()]);
        oracle::expect(&tool, &flags.collect::<Vec<_>>());
        let probe = || oracle::run(&blkid, args!["-p", file.path()]).stdout;
        assert!(!probe().is_empty(), "{maker:?} left nothing to find");
        let mut plan = PlanBuilder::new();
        plan.zeros(Bytes::ZERO, MIB, Label::new("head"));
        plan.zeros(MIB * 511, MIB, Label::new("tail"));
        let plan = plan.finish(MIB * 512).unwrap();
        let device = file.reopen().unwrap();
        let region = Device::new(&device);
        region::write(&plan, Region::Random(&region), &keys(), &options(2)).unwrap();
        let after = probe();
        assert!(after.is_empty(), "{maker:?}: {}", String::from_utf8_lossy(&after));
    }
}

#[test]
fn holes_stay_holes_on_a_file() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let sparse = std::fs::File::create(dir.path().join("sparse")).unwrap();
    sparse.set_len(1 << 32).unwrap();
    std::os::unix::fs::FileExt::write_at(&sparse, b"middle", 1 << 31).unwrap();
    let host = calve_image_core::tree::HostDir::open(dir.path()).unwrap();
    let mut plan = PlanBuilder::new();
    plan.source(MIB, Label::new("sparse"), &host.file(b"sparse").unwrap());
    plan.zeros(MIB * 8192, MIB * 4096, Label::new("zeros"));
    let plan = plan.finish(MIB * 16384).unwrap();
    let image = tempfile::tempfile().unwrap();
    let region = FreshFile::new(&image);
    region::write(&plan, Region::Random(&region), &Keys::none(), &options(2)).unwrap();
    let metadata = image.metadata().unwrap();
    assert_eq!(metadata.len(), 16384 << 20);
    let used = metadata.blocks() * 512;
    assert!(used < 1 << 20, "{used} bytes for six");
    let mut found = [0; 6];
    std::os::unix::fs::FileExt::read_exact_at(&image, &mut found, (1 << 31) + (1 << 20)).unwrap();
    assert_eq!(&found, b"middle");
}
