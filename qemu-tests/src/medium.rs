//! ISOs in a machine: as a CD and as a stick, and what a live system is, whichever loader started it.

use std::path::Path;
use std::process::Command;

use calve_machine::{Bus, Disk};

use crate::{Error, Guest, Images};

/// What `stat` says of all that the names on its input hold, in words that coreutils and busybox
/// share: kind and mode, owner, size and time. Contents and targets Nix verifies; sizes of directories
/// are the file system's own affair.
const LISTING: &str = "xargs sh -c 'find \"$@\" -type d -exec stat -c \"%n %f %u:%g %Y\" {} + -o \
                       -exec stat -c \"%n %f %u:%g %s %Y\" {} +' sh | LC_ALL=C sort | sha256sum";

/// An ISO in a CD drive.
pub fn cd(iso: &Path) -> Result<Disk, Error> {
    Ok(Disk { bus: Bus::ScsiCd, ..Disk::open(iso)? })
}

/// An ISO written to a stick.
///
/// The samples' kernel has no USB storage, so this stick is a virtio disk: to firmware and boot
/// loaders, which read it first, both are disks of 512-byte sectors.
pub fn stick(iso: &Path) -> Result<Disk, Error> {
    Ok(Disk::open(iso)?)
}

impl Guest {
    /// Requires of a live system with Nix that its store is the sample's, whole and registered, and
    /// can be written to in memory.
    pub fn is_live(&mut self, images: &Images) -> Result<(), Error> {
        self.all_units_up()?;
        self.run("nix-store --verify --check-contents")?;
        let registered = "nix-store -qR /run/booted-system | LC_ALL=C sort";
        let expected = images.store_paths()?.join("\n");
        assert_eq!(self.run(registered)?, expected, "another closure is registered");
        self.run(
            "test /nix/var/nix/profiles/system -ef /run/current-system && test -e /etc/NIXOS",
        )?;
        let added = self.run("nix-store --add /proc/version")?;
        self.run(&format!(
            "test -e {added} && test -e /nix/.rw-store/store/{}",
            base_name(&added)
        ))?;
        Ok(())
    }

    /// Requires that the kernel sees in the medium's squashfs what is in this machine's store.
    pub fn sees_the_store(&mut self, images: &Images) -> Result<(), Error> {
        let names = "ls -A | grep -vx nix-path-registration";
        let seen = self.run(&format!("cd /nix/.ro-store && {names} | {LISTING}"))?;
        let script = format!("cd /nix/store && sed s,/nix/store/,, \"$0\" | {LISTING}");
        let paths = images.scratch().join("store-paths");
        let expected = images.expect(Command::new("sh").args(["-c", &script]).arg(paths))?;
        assert_eq!(seen.trim(), expected.trim(), "the kernel sees another store");
        Ok(())
    }
}

fn base_name(store_path: &str) -> &str {
    store_path.rsplit('/').next().unwrap_or(store_path)
}
