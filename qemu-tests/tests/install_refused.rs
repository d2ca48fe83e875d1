//! What `calve install` refuses it refuses before it changes anything: all disks keep every byte. Afterwards, in the
//! same installer: as somebody who may use sudo, without `nixos-install`, and with others who want to install, too.
#![allow(missing_docs)]

use std::path::{Path, PathBuf};
use std::process::Command;

use calve_machine::Bus;
use calve_qemu_tests::installing::begun;
use calve_qemu_tests::{Error, Guest, Images, Installing, Said, Sample};

const SIZE: u64 = 1 << 30;
const SMALL: u64 = 48 << 20;

/// `calve`'s exit codes: a mistake in the command line, and a refusal.
const USAGE: i32 = 2;
const REFUSED: i32 = 3;

#[test]
fn what_is_refused_is_untouched_and_sudo_installs() -> Result<(), Error> {
    let Some(installing) = Installing::new("install-refused")? else { return Ok(()) };
    let disk = installing.blank("disk.raw", SIZE)?;
    let used = installing.blank("used.raw", SIZE)?;
    let small = installing.blank("small.raw", SMALL)?;
    let images = installing.images();
    images.expect(Command::new("sgdisk").args(["-n1:2048:0", "-t1:8200", "-c1:old"]).arg(&used))?;
    let disks = [&*disk, &*used, &*small];
    let machine = installing.machine(&disks.map(|disk| (disk, Bus::VirtioBlk)))?;
    let mut guest = installing.start(&machine)?;
    guest.run("mkswap -L scratch /dev/vdb1 && swapon /dev/vdb1 && sync")?;

    let before = sums(images, &disks)?;
    refusals(&installing)?;
    guest.run("sync")?;
    assert_eq!(before, sums(images, &disks)?, "a disk was written to");

    by_sudo(&installing, &mut guest)?;
    guest.power_off()?;
    images.check_root(&disk)
}

fn sums(images: &Images, disks: &[&Path]) -> Result<String, Error> {
    images.expect(Command::new("sha256sum").args(disks))
}

fn refusals(installing: &Installing) -> Result<(), Error> {
    let run = |sample, words: &[&str]| installing.say(installing.install(sample, words));
    let refused = |said: Said, code: i32, expected: &str| {
        assert_eq!(said.code, Some(code), "expected {expected:?}: {}", said.err);
        assert!(said.err.contains(expected), "expected {expected:?}: {}", said.err);
    };
    let dry = run(Sample::Mini, &["--disk", "vda", "--dry-run"])?;
    assert_eq!(dry.code, Some(0), "{}", dry.err);
    for word in ["sfdisk", "mkfs.ext4", "mkfs.vfat", "nixos-install"] {
        assert!(dry.out.contains(word), "{word}: {}", dry.out);
    }

    let wipe = |disk| ["--disk", disk, "--yes-wipe", disk];
    refused(run(Sample::Mini, &[])?, USAGE, "/dev/vda");
    refused(run(Sample::Mini, &wipe("vdz"))?, USAGE, "vdz is no disk");
    refused(run(Sample::Mini, &wipe("sr0"))?, USAGE, "sr0 is no disk");
    refused(run(Sample::Mini, &["--disk", "vda", "--yes-wipe", "vdb"])?, USAGE, "vdb");
    refused(run(Sample::Mini, &["--disk", "vda"])?, REFUSED, "terminal");
    refused(run(Sample::Mini, &wipe("vdb"))?, REFUSED, "vdb1 is used as swap");
    refused(run(Sample::Mini, &wipe("vdc"))?, REFUSED, "\"ESP\" needs 512 MiB");
    // Neither a passphrase nor the first stage's host key.
    let encrypted = [&wipe("vda")[..], &["-p", "server-encrypted"]].concat();
    refused(run(Sample::EncryptedSystemd, &encrypted)?, REFUSED, "--unlock-ssh");
    refused(installing.say(for_arm(installing)?)?, REFUSED, "aarch64");
    Ok(())
}

/// The install of a system that says of itself that it is for another processor.
fn for_arm(installing: &Installing) -> Result<Command, Error> {
    let images = installing.images();
    let store: PathBuf = images.directory("arm")?;
    let info = Images::closure_info(Sample::Mini);
    let system = info.join("system").canonicalize()?;
    let script = "mkdir -p nix/store && xargs -a \"$0/store-paths\" cp -a -t nix/store && \
                  chmod -R u+w \"./$1\" && \
                  for x64 in nix/store/*/lib/systemd/boot/efi/systemd-bootx64.efi; do \
                  cp \"$x64\" \"${x64%x64.efi}aa64.efi\"; done && \
                  printf aarch64-linux >\"./$1/system\" && \
                  sed -i s/x86_64-linux/aarch64-linux/ \"./$1/boot.json\"";
    let mut copy = Command::new("sh");
    copy.args(["-c", script]).args([&*info, &*system]).current_dir(&store);
    images.expect(&mut copy)?;
    let port = installing.cable().port().to_string();
    let mut calve =
        installing.calve(&["install", "root@127.0.0.1", "--accept-new", "--port", &port]);
    calve.arg(&system).arg("--store").arg(store);
    calve.arg("--registration").arg(info.join("registration"));
    calve.args(["--disk", "vda", "--yes-wipe", "vda"]);
    Ok(calve)
}

/// Installs without `nixos-install` as a user who is not root, with the Nix of this machine, while others try the same.
fn by_sudo(installing: &Installing, guest: &mut Guest) -> Result<(), Error> {
    guest.run("cd /run/current-system/sw/bin && rm nixos-install nixos-enter")?;
    let words = ["--disk", "vda", "--yes-wipe", "vda", "--no-reboot", "--sender", "nix"];
    let mut others: Option<(Said, Said)> = None;
    let mut failed = None;
    let said =
        installing.kill_when(installing.install_as("nixos", Sample::Mini, &words), |lines| {
            if others.is_none() && failed.is_none() && !begun(lines).is_empty() {
                match two_more(installing, &words) {
                    Ok(said) => others = Some(said),
                    Err(error) => failed = Some(error),
                }
            }
            false
        })?;
    if let Some(error) = failed {
        return Err(error);
    }
    assert_eq!(said.code, Some(0), "{}", said.err);
    let (here, there) = others.expect("others tried");
    for said in [here, there] {
        assert_eq!(said.code, Some(REFUSED), "{}", said.err);
    }

    guest.run("nix-store --store /mnt --verify --check-contents")?;
    // What was installed is mounted again, and nothing else is done to it.
    guest.run("umount --recursive /mnt")?;
    let mount = ["--disk", "vda", "--phases", "mount"];
    installing.succeed(installing.install_as("nixos", Sample::Mini, &mount))?;
    let mounts = guest.run("findmnt -rn -o TARGET,FSTYPE | grep ^/mnt")?;
    assert_eq!(mounts, "/mnt ext4\n/mnt/boot vfat");
    let system = Images::closure_info(Sample::Mini).join("system").canonicalize()?;
    guest.reboot()?;
    assert_eq!(guest.run("readlink -f /run/booted-system")?, system.display().to_string());
    Ok(())
}

/// The same once more from here, and from where another operator sits.
fn two_more(installing: &Installing, words: &[&str]) -> Result<(Said, Said), Error> {
    let here = installing.say(installing.install_as("nixos", Sample::Mini, words))?;
    let mut elsewhere = installing.install_as("nixos", Sample::Mini, words);
    elsewhere.env("XDG_STATE_HOME", installing.images().scratch().join("elsewhere"));
    Ok((here, installing.say(elsewhere)?))
}
