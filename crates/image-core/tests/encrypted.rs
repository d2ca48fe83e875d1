//! Disks with encrypted volumes, as `cryptsetup`, `e2fsck`, `blkid` and `qemu-img` see them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::as_conversions, clippy::disallowed_methods)]

mod contract;

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use calve_image_core::disk::luks2::{Kdf, Luks2, Passphrase};
use calve_image_core::disk::{
    self, Architecture, Ext4Fill, Fill, Geometry, Given, Keyslots, Layout, LuksFill, Partition,
    PartitionKind, Placed, Size, SwapFill, VfatFill, qcow2,
};
use calve_image_core::epoch::Epoch;
use calve_image_core::ids::Ids;
use calve_image_core::plan::Plan;
use calve_image_core::region::{self, FreshFile, Keys, Region};
use calve_image_core::tree::{Tree, TreeBuilder, TreePath};
use calve_image_core::units::{MIB, SectorSize};
use contract::corpus::{self, Corpus};
use contract::oracle;
use zeroize::Zeroizing;

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

/// A volume that is quick to open.
fn luks(name: &str, sector: SectorSize, content: Fill) -> Fill {
    let kdf = Kdf::Pbkdf2 { iterations: 1000 };
    let name = Some(name.to_owned());
    Fill::Luks(Box::new(LuksFill { name, sector, kdf, ..LuksFill::new(content) }))
}

/// An ESP, an encrypted root, an encrypted FAT and encrypted swap.
fn layout(disk: SectorSize, sector: SectorSize) -> Layout {
    let esp = Fill::Vfat(VfatFill::new(path("/boot")));
    let root = Ext4Fill { label: Some("nixos".to_owned()), ..Ext4Fill::new(path("/")) };
    let root = Fill::Ext4(Ext4Fill { reserve: MIB * 64, ..root });
    let keys = Fill::Vfat(VfatFill::new(path("/keys")));
    let swap = Fill::Swap(SwapFill { label: Some("swap".to_owned()), uuid: None });
    let esp = Partition::new("ESP", PartitionKind::Esp, esp);
    let root = Partition::new("root", PartitionKind::Root, luks("cryptroot", sector, root));
    let keys = Partition::new("keys", PartitionKind::Linux, luks("cryptkeys", sector, keys));
    let swap = Partition::new("swap", PartitionKind::Swap, luks("cryptswap", sector, swap));
    let esp = Partition { minimum: MIB * 48, ..esp };
    let swap = Partition { size: Size::Fixed(MIB * 20), ..swap };
    let keys = Partition { minimum: MIB * 24, ..keys };
    Layout::new(disk, vec![esp, Partition { size: Size::Rest, ..root }, keys, swap])
}

fn made(layout: &Layout, keyslots: &Keyslots) -> (Geometry, Plan) {
    let mut corpus = Corpus::default();
    corpus.file("boot/EFI/BOOT/BOOTX64.EFI", corpus::noise(1, 100_000));
    corpus.file("nix/store/a/bin/sh", corpus::noise(2, 3_000_000)).symlink("bin", "nix/store/a");
    corpus.file("keys/one", corpus::noise(3, 10_000));
    let trees: Vec<Tree> = corpus.build().split(&layout.mounts(), Epoch::STORE).unwrap();
    let ids = Ids::from_parts(&[b"test"]);
    let (epoch, architecture) = (Epoch::new(1_700_000_000), Architecture::X86_64);
    let given = Given { trees: &trees, ids: &ids, epoch, architecture, keyslots };
    let geometry = layout.resolve(&given).unwrap();
    let plan = disk::plan(&geometry, &trees).unwrap();
    (geometry, plan)
}

fn forged(geometry: &Geometry, passphrases: &[&str]) -> Keys {
    let mut keys = Keys::none();
    for volume in geometry.luks() {
        let passphrases: Vec<Passphrase> = passphrases
            .iter()
            .map(|text| Passphrase::new(Zeroizing::new(text.as_bytes().to_vec())).unwrap())
            .collect();
        volume.luks.forge(&volume.key, &passphrases, &mut keys).unwrap();
    }
    keys
}

fn write(plan: &Plan, keys: &Keys, path: &Path) {
    let file = File::options().read(true).write(true).create_new(true).open(path).unwrap();
    let options = region::Options::default();
    region::write(plan, Region::Random(&FreshFile::new(&file)), keys, &options).unwrap();
}

/// Copies a partition out of a disk.
fn partition(disk: &Path, part: &Placed, to: &Path) {
    let mut disk = File::open(disk).unwrap();
    disk.seek(SeekFrom::Start(part.start.get())).unwrap();
    std::io::copy(&mut disk.take(part.size.get()), &mut File::create(to).unwrap()).unwrap();
}

/// What is in a volume, decrypted by cryptsetup without a device: it moves it to the front.
fn decrypted(cryptsetup: &Path, volume: &Path, key: &Path) -> PathBuf {
    let size = fs::metadata(volume).unwrap().len() - Luks2::HEADER.get();
    let header = volume.with_extension("header");
    let args = ["reencrypt", "--decrypt", "--force-offline-reencrypt", "--batch-mode", "--header"];
    let mut args: Vec<&std::ffi::OsStr> = args.iter().map(std::ffi::OsStr::new).collect();
    args.extend([header.as_os_str(), "--key-file".as_ref(), key.as_os_str(), volume.as_os_str()]);
    oracle::expect(cryptsetup, &args);
    File::options().write(true).open(volume).unwrap().set_len(size).unwrap();
    volume.to_owned()
}

#[test]
fn cryptsetup_opens_every_volume_and_finds_what_was_put_in() {
    let tools = ["cryptsetup", "e2fsck", "fsck.fat", "blkid"].map(oracle::need);
    let [Some(cryptsetup), Some(e2fsck), Some(fsck), Some(blkid)] = tools else { return };
    for (on, sector) in
        [(SectorSize::B512, SectorSize::B512), (SectorSize::B512, SectorSize::B4096)]
    {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);
        let (geometry, plan) = made(&layout(on, sector), &Keyslots::default());
        write(&plan, &forged(&geometry, &["secret"]), &file("disk"));
        fs::write(file("key"), "secret").unwrap();
        for placed in &geometry.partitions {
            let Some(volume) = placed.content.luks() else { continue };
            let image = file(&placed.name);
            partition(&file("disk"), placed, &image);
            let dump = oracle::expect(&cryptsetup, args!["luksDump", &image]);
            let dump = String::from_utf8(dump).unwrap();
            let bytes = format!("sector: {} [bytes]", sector.bytes().get());
            assert!(
                dump.contains(&bytes) && dump.contains(&volume.luks.uuid.to_string()),
                "{dump}"
            );
            let found = oracle::expect(&blkid, args!["-p", "-o", "export", &image]);
            assert!(String::from_utf8(found).unwrap().contains("TYPE=crypto_LUKS"));
            let inner = decrypted(&cryptsetup, &image, &file("key"));
            assert_eq!(fs::metadata(&inner).unwrap().len(), volume.payload.get());
            let found = oracle::expect(&blkid, args!["-p", "-o", "export", &inner]);
            let found = String::from_utf8(found).unwrap();
            let kind = match placed.name.as_str() {
                "root" => {
                    oracle::expect(&e2fsck, args!["-fn", &inner]);
                    "TYPE=ext4"
                }
                "keys" => {
                    oracle::expect(&fsck, args!["-n", &inner]);
                    "TYPE=vfat"
                }
                _ => "TYPE=swap",
            };
            assert!(found.lines().any(|line| line == kind), "{kind} in {found}");
        }
    }
}

/// Holes inside a volume stay holes, whatever holds the disk; what is stored is the same.
#[test]
fn qcow2_holds_the_same_disk_and_no_more() {
    let Some(qemu_img) = oracle::need("qemu-img") else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let mut roomy = layout(SectorSize::B512, SectorSize::B512);
    roomy.partitions[3].size = Size::Fixed(MIB * 700);
    let (geometry, plan) = made(&roomy, &Keyslots::default());
    let keys = forged(&geometry, &["secret"]);
    write(&plan, &keys, &file("raw"));
    write(&qcow2::plan(&plan).unwrap(), &keys, &file("qcow2"));
    oracle::expect(&qemu_img, args!["check", "-f", "qcow2", &file("qcow2")]);
    let both = [file("raw"), file("qcow2")];
    oracle::expect(&qemu_img, args!["compare", "-f", "raw", "-F", "qcow2", &both[0], &both[1]]);
    let stored = fs::metadata(&both[1]).unwrap().len();
    assert!(stored < (80 << 20), "{stored} bytes");
    let blocks = fs::metadata(&both[0]).unwrap().blocks() * 512;
    assert!(blocks < (120 << 20), "{blocks} bytes of blocks");
}

#[test]
fn several_passphrases_open_a_volume() {
    let Some(cryptsetup) = oracle::need("cryptsetup") else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let keyslots = Keyslots { named: [("cryptroot".to_owned(), 2)].into(), others: 1 };
    let mut one = layout(SectorSize::B512, SectorSize::B512);
    one.partitions.truncate(2);
    let (geometry, plan) = made(&one, &keyslots);
    write(&plan, &forged(&geometry, &["one", "two"]), &file("disk"));
    partition(&file("disk"), &geometry.partitions[1], &file("root"));
    for (key, opens) in [("one", true), ("two", true), ("three", false)] {
        fs::write(file("key"), key).unwrap();
        let (key_file, root) = (file("key"), file("root"));
        let test = args!["open", "--test-passphrase", "--key-file", &key_file, &root];
        assert_eq!(oracle::run(&cryptsetup, test).status.success(), opens, "{key}");
    }
}

#[test]
fn what_has_no_room() {
    let mut small = layout(SectorSize::B512, SectorSize::B512);
    small.partitions[3].size = Size::Fixed(MIB * 16);
    let empty = || TreeBuilder::new(Epoch::STORE).build().unwrap();
    let trees = [empty(), empty(), empty()];
    let (ids, keyslots) = (Ids::from_parts(&[b"test"]), Keyslots::default());
    let (epoch, architecture) = (Epoch::STORE, Architecture::X86_64);
    let given = Given { trees: &trees, ids: &ids, epoch, architecture, keyslots: &keyslots };
    let said = small.resolve(&given).unwrap_err().to_string();
    assert_eq!(said, "partition \"swap\" needs 16 MiB but the layout leaves 16 MiB");
}
