//! What cryptsetup says of our volumes, does with them, and gets out of them.

use std::fs::File;
use std::os::unix::fs::FileExt;

use calve_image_core::disk::luks2::{Kdf, Luks2, Passphrase, RecoveryKey};
use calve_image_core::units::{Bytes, MIB, SectorSize};

use super::*;

#[test]
fn it_is_dumped_as_it_was_described() {
    let Some(bench) = Bench::new() else { return };
    let luks = Luks2 {
        kdf: Kdf::Argon2id { memory: MIB, passes: 5, lanes: 3 },
        keyslots: 2,
        ..luks(SectorSize::B4096)
    };
    let image = bench.make("image", &luks, inner().0, &[b"one", b"two"]);
    let dump = bench.expect(args!["luksDump", &image]);
    for line in [
        "Version:       \t2",
        "Metadata area: \t16384 [bytes]",
        "Keyslots area: \t16744448 [bytes]",
        &format!("UUID:          \t{UUID}"),
        "Label:         \tvault",
        "Subsystem:     \tcalve",
        "Flags:       \t(no flags)",
        "\toffset: 16777216 [bytes]",
        "\tlength: (whole device)",
        "\tcipher: aes-xts-plain64",
        "\tsector: 4096 [bytes]",
        "  0: luks2",
        "  1: luks2",
        "\tPBKDF:      argon2id",
        "\tTime cost:  5",
        "\tMemory:     1024",
        "\tThreads:    3",
        "\tAF stripes: 4000",
        "\tArea offset:290816 [bytes]",
        "\tArea length:258048 [bytes]",
    ] {
        assert!(dump.lines().any(|found| found == line), "{line:?} is not in\n{dump}");
    }
}

#[test]
fn its_passphrases_open_it_and_others_do_not() {
    let Some(bench) = Bench::new() else { return };
    let long: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
    let keys: [&[u8]; 4] = [b"a passphrase", b"with a line end\n", b"\0\xff\x80", &long];
    for (number, kdf) in kdfs().into_iter().enumerate() {
        let luks = Luks2 { kdf, keyslots: keys.len(), ..luks(SectorSize::B512) };
        let image = bench.make(&format!("image{number}"), &luks, inner().0, &keys);
        for key in keys {
            assert_eq!(bench.opens(&image, key), Some(0), "{kdf}: {} bytes", key.len());
        }
        for wrong in [&b"a passphras"[..], b"a passphrase\n", b"with a line end", &long[1..]] {
            assert_eq!(bench.opens(&image, wrong), Some(2), "{kdf}: {} bytes", wrong.len());
        }
    }
}

#[test]
fn a_recovery_key_opens_it_and_is_known_as_one() {
    let Some(bench) = Bench::new() else { return };
    let recovery = RecoveryKey::generate().unwrap();
    let luks = Luks2 { keyslots: 2, ..luks(SectorSize::B512) };
    let with: [Passphrase; 2] = [passphrase(b"typed"), recovery.as_passphrase()];
    let image = bench.forge("image", &luks, inner().0, &with);
    assert_eq!(bench.opens(&image, recovery.text().as_bytes()), Some(0));
    let dump = bench.expect(args!["luksDump", &image]);
    assert!(dump.contains("Tokens:\n  0: systemd-recovery\n\tKeyslot:    1\n"), "{dump}");
}

#[test]
fn the_payload_comes_back_to_the_last_byte() {
    let Some(bench) = Bench::new() else { return };
    for sector in SectorSize::ALL {
        for kdf in kdfs() {
            let (plan, content) = inner();
            let name = format!("{}-{}", sector.bytes().get(), kdf.memory().get());
            let image = bench.make(&name, &Luks2 { kdf, ..luks(sector) }, plan, &[b"key"]);
            assert!(bench.decrypted(&image, b"key") == content, "{sector:?}, {kdf}");
        }
    }
}

#[test]
fn noise_decrypts_to_zeros_where_the_plan_had_gaps() {
    let Some(bench) = Bench::new() else { return };
    let mut plan = PlanBuilder::new();
    plan.bytes(MIB * 2, Label::new("middle"), vec![7; 1000]);
    let luks = Luks2 { noise: true, ..luks(SectorSize::B512) };
    let image = bench.make("image", &luks, plan.finish(MIB * 5).unwrap(), &[b"key"]);
    let found = bench.decrypted(&image, b"key");
    let mut expected = vec![0; 5 << 20];
    expected[2 << 20..][..1000].fill(7);
    assert!(found == expected);
}

#[test]
fn the_volume_key_is_never_twice_the_same() {
    let Some(bench) = Bench::new() else { return };
    let keys: Vec<Vec<u8>> = (0..4)
        .map(|number| {
            let image =
                bench.make(&format!("{number}"), &luks(SectorSize::B512), inner().0, &[b"key"]);
            let (key, out) = (bench.key(b"key"), bench.path(&format!("volume-key-{number}")));
            bench.expect(args![
                "luksDump",
                "--dump-volume-key",
                "--volume-key-file",
                &out,
                "--key-file",
                &key,
                &image
            ]);
            std::fs::read(out).unwrap()
        })
        .collect();
    for (number, key) in keys.iter().enumerate() {
        assert_eq!(key.len(), 64);
        assert_ne!(key[..32], key[32..], "XTS wants two keys");
        assert!(!keys[..number].contains(key));
    }
}

#[test]
fn cryptsetup_changes_and_saves_it() {
    let Some(bench) = Bench::new() else { return };
    let image = bench.make("image", &luks(SectorSize::B4096), inner().0, &[b"old"]);
    let (old, new) = (bench.key(b"old"), bench.key(b"new"));
    let cheap = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"].map(OsStr::new);
    let add = args!["luksAddKey", "--key-file", &old, &image, &new];
    bench.expect(&[&cheap[..], add].concat());
    let backup = bench.path("backup");
    bench.expect(args!["luksHeaderBackup", "--header-backup-file", &backup, &image]);
    assert_eq!(std::fs::metadata(&backup).unwrap().len(), Luks2::HEADER.get());
    bench.expect(args!["luksKillSlot", "--key-file", &new, &image, "0"]);
    assert_eq!((bench.opens(&image, b"old"), bench.opens(&image, b"new")), (Some(2), Some(0)));
    let opened = read::open(&image, b"new").unwrap();
    assert_eq!(opened, 1);
    bench.expect(args!["luksHeaderRestore", "--header-backup-file", &backup, &image]);
    assert_eq!(bench.opens(&image, b"old"), Some(0));
    assert!(bench.decrypted(&image, b"new") == inner().1);
}

#[test]
fn either_copy_of_the_header_may_be_lost() {
    let Some(bench) = Bench::new() else { return };
    for (number, (at, len)) in
        [(0, 16384), (16384, 16384), (9, 1), (16384 + 5000, 1)].into_iter().enumerate()
    {
        let image = bench.make(&format!("{number}"), &luks(SectorSize::B512), inner().0, &[b"key"]);
        let file = File::options().write(true).open(&image).unwrap();
        file.write_all_at(&vec![0xA5; len], at).unwrap();
        drop(file);
        assert_eq!(read::open(&image, b"key").unwrap(), 0, "ours, {len} bytes at {at}");
        assert_eq!(bench.opens(&image, b"key"), Some(0), "{len} bytes at {at}");
        // Writing the lost copy anew takes a lock, which is root's.
        if rustix::process::geteuid().is_root() {
            let repair = ["--batch-mode", "repair", "--type", "luks2"].map(OsStr::new);
            oracle::expect(&bench.cryptsetup, &[&repair[..], args![&image]].concat());
            let header = read::header(&image).unwrap();
            assert_eq!(header.flaw(), None, "{len} bytes at {at}, repaired");
            assert_eq!(bench.opens(&image, b"key"), Some(0), "{len} bytes at {at}, repaired");
        } else {
            eprintln!("SKIPPED: repairing needs root's lock");
        }
    }
}

#[test]
fn older_keyslots_do_not_shine_through() {
    let Some(bench) = Bench::new() else { return };
    let luks = luks(SectorSize::B512);
    let path = bench.path("device");
    std::fs::write(&path, vec![0xD1; 20 << 20]).unwrap();
    let (id, mut keys) = (KeyId("volume".into()), Keys::none());
    luks.forge(&id, &[passphrase(b"key")], &mut keys).unwrap();
    let device = File::options().read(true).write(true).open(&path).unwrap();
    let region = Poisoned(&device);
    let plan = luks.plan(&id, inner().0).unwrap();
    region::write(&plan, Region::Random(&region), &keys, &Options::default()).unwrap();
    let image = std::fs::read(&path).unwrap();
    assert!(image[32768 + 258_048..16 << 20].iter().all(|byte| *byte == 0));
    assert_eq!(bench.opens(&path, b"key"), Some(0));
}

/// A device that keeps what nobody writes.
struct Poisoned<'f>(&'f File);

impl region::Random for Poisoned<'_> {
    fn prepare(&self, _: Bytes) -> Result<(), region::Error> {
        Ok(())
    }

    fn write_at(&self, data: &[u8], offset: Bytes) -> std::io::Result<usize> {
        self.0.write_at(data, offset.get())
    }

    fn read_at(&self, buffer: &mut [u8], offset: Bytes) -> std::io::Result<usize> {
        self.0.read_at(buffer, offset.get())
    }

    fn unwritten(&self) -> region::Unwritten {
        region::Unwritten::Old
    }
}
