//! What a system's first stage will do: load modules, unlock volumes, mount file systems.
//!
//! Told from the initrd's own files. With systemd these are `etc/crypttab` and an fstab: NixOS gives
//! systemd a store path in `SYSTEMD_SYSROOT_FSTAB` (`…-initrd-fstab`), elsewhere it is `etc/fstab`. The
//! scripted stage 1 has a list of mounts (`…-initrd-fsinfo`, four lines each) and calls
//! `cryptsetup luksOpen` in its script. Follows nixpkgs' `stage-1-init.sh`, `luksroot.nix`,
//! `filesystems.nix` and `systemd/initrd.nix`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::crypttab::{self, Volume};
use super::device_spec::DeviceSpec;
use super::fstab::{self, Fstab, Mount};
use super::initrd::{self, Initrd, Limits, module_name};
use super::remote_unlock::{self, RemoteUnlock};
use super::store::{self, HostStore};
use super::store_path::StoreFile;

/// Why an initrd could not be understood.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be reached.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// It is no initrd.
    #[error("{file} cannot be read as an initrd")]
    Initrd {
        /// Which file.
        file: StoreFile,
        /// What is wrong with it.
        source: initrd::Error,
    },
    /// Its fstab is malformed.
    #[error("{file} holds a malformed fstab")]
    Fstab {
        /// Which initrd.
        file: StoreFile,
        /// What is wrong with it.
        source: fstab::Error,
    },
    /// Its crypttab is malformed.
    #[error("{file} holds a malformed crypttab")]
    Crypttab {
        /// Which initrd.
        file: StoreFile,
        /// What is wrong with it.
        source: crypttab::Error,
    },
}

/// What runs first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// NixOS' shell script.
    Scripted,
    /// systemd, the default since NixOS 26.05.
    Systemd,
}

/// The first stage of one configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stage1 {
    /// What runs first.
    pub kind: Kind,
    /// Modules in the initrd, by the kernel's names.
    pub modules: BTreeSet<String>,
    /// What it mounts.
    pub mounts: Vec<Mount>,
    /// What it unlocks.
    pub volumes: Vec<Volume>,
    /// Whether it prepares an upper directory for an `/etc` that is an overlay
    /// (`system.etc.overlay.mutable`; nixpkgs' unit `rw-etc.service`).
    pub writable_etc: bool,
    /// What it has for somebody who unlocks its volumes from afar.
    pub remote: RemoteUnlock,
}

impl Stage1 {
    /// Reads an initrd of the store.
    pub fn read(store: &HostStore, file: &StoreFile) -> Result<Self, Error> {
        let limits = Limits::default();
        let wrong = |source| Error::Initrd { file: file.clone(), source };
        let initrd = Initrd::list(store.open(file)?, &limits).map_err(wrong)?;
        let mut places = BTreeMap::new();
        for path in ["etc/fstab", "etc/crypttab", "init"] {
            if let Some(name) = initrd.resolve(path.as_bytes()) {
                places.insert(path, name);
            }
        }
        for list in ["-initrd-fsinfo", "-initrd-fstab"] {
            let mut names = initrd.entries().map(|(name, _)| name);
            let name = names.find(|name| name.ends_with(list.as_bytes()));
            places.extend(name.map(|name| (list, name.to_vec())));
        }
        let is_systemd = initrd.resolve(b"etc/initrd-release").is_some()
            || places.get("init").is_some_and(|name| name.ends_with(b"systemd"));
        let is_script = |name: &Vec<u8>| initrd.size(name).is_some_and(|size| size <= limits.file);
        if is_systemd || !places.get("init").is_some_and(is_script) {
            // A program need not be looked at, and is large.
            places.remove("init");
        }
        let mut wanted = remote_unlock::files(&initrd, limits.file);
        wanted.extend(places.values().cloned());
        let contents = Initrd::extract(store.open(file)?, &wanted, &limits).map_err(wrong)?;
        let text = |path: &str| {
            let content = contents.get(places.get(path)?)?;
            Some(String::from_utf8_lossy(content).into_owned())
        };
        // A program instead of a script says nothing, and is not systemd.
        let script = (!is_systemd).then(|| text("init").unwrap_or_default());
        Ok(Self {
            remote: RemoteUnlock::read(&initrd, &contents, script.as_deref()),
            kind: if is_systemd { Kind::Systemd } else { Kind::Scripted },
            modules: initrd.modules(),
            mounts: mounts(
                file,
                &[text("etc/fstab"), text("-initrd-fstab")],
                text("-initrd-fsinfo"),
            )?,
            volumes: volumes(file, text("etc/crypttab"), script)?,
            writable_etc: initrd.entries().any(|(name, _)| name.ends_with(b"/rw-etc.service")),
        })
    }
}

fn mounts(
    file: &StoreFile,
    fstabs: &[Option<String>],
    fsinfo: Option<String>,
) -> Result<Vec<Mount>, Error> {
    let mut mounts = Vec::new();
    for text in fstabs.iter().flatten() {
        let fstab = Fstab::parse(text, "its fstab")
            .map_err(|source| Error::Fstab { file: file.clone(), source })?;
        mounts.extend(fstab.mounts);
    }
    mounts.extend(read_fsinfo(&fsinfo.unwrap_or_default()));
    Ok(mounts)
}

/// Reads the scripted stage 1's list: mount point, device, type and options on a line each.
fn read_fsinfo(text: &str) -> Vec<Mount> {
    let lines: Vec<&str> = text.lines().collect();
    lines
        .chunks_exact(4)
        .enumerate()
        .map(|(index, mount)| Mount {
            spec: mount[1].to_owned(),
            device: DeviceSpec::parse(mount[1]),
            mount_point: mount[0].to_owned(),
            fs_type: mount[2].to_owned(),
            options: mount[3].split(',').map(str::to_owned).collect(),
            line: index * 4 + 1,
        })
        .collect()
}

fn volumes(
    file: &StoreFile,
    crypttab: Option<String>,
    init: Option<String>,
) -> Result<Vec<Volume>, Error> {
    let mut volumes = crypttab::parse(&crypttab.unwrap_or_default(), "etc/crypttab")
        .map_err(|source| Error::Crypttab { file: file.clone(), source })?;
    let init = init.unwrap_or_default();
    for volume in init.lines().enumerate().filter_map(|(index, line)| opened(index + 1, line)) {
        // The script has one call for each way to get at a key.
        match volumes.iter_mut().find(|known| known.name == volume.name) {
            Some(known) => known.key_file = known.key_file.take().or(volume.key_file),
            None => volumes.push(volume),
        }
    }
    Ok(volumes)
}

/// The volume that a line of the script opens: `cryptsetup luksOpen DEVICE NAME …`.
fn opened(line: usize, text: &str) -> Option<Volume> {
    let (_, call) = text.split_once("cryptsetup luksOpen ")?;
    let clean = |word: &str| word.trim_matches(['"', '\'', ';']).to_owned();
    let is_option = |word: &&str| word.starts_with('-');
    let mut words = call.split_ascii_whitespace().filter(|word| !is_option(word));
    let device = clean(words.next()?);
    let name = clean(words.next()?);
    // A variable is not known before it runs.
    let known = !device.contains('$') && !name.contains('$');
    let value = |option: &str| {
        let mut options = call.split_ascii_whitespace().filter(is_option);
        options.find_map(|word| Some(clean(word.strip_prefix(option)?)))
    };
    known.then(|| Volume {
        name,
        device: DeviceSpec::parse(&device),
        // What stands at `-` was typed.
        key_file: value("--key-file=").filter(|file| file != "-"),
        options: value("--header=").map(|file| format!("header={file}")).into_iter().collect(),
        line,
    })
}

/// The modules that a kernel has built in, by the kernel's names; from the text of `modules.builtin`.
pub fn read_builtin(text: &str) -> BTreeSet<String> {
    text.lines().filter_map(module_name).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn scripted_luks() {
        let fsinfo = include_str!("../../testdata/real/luks-initrd-ssh/initrd-fsinfo");
        let mounts = read_fsinfo(fsinfo);
        assert_eq!(mounts.len(), 1);
        assert_eq!(mounts[0].device, DeviceSpec::Mapper("cryptroot".to_owned()));
        assert_eq!((mounts[0].mount_point.as_str(), mounts[0].fs_type.as_str()), ("/", "ext4"));

        let script = "wait_target \"device\" /dev/disk/by-partlabel/cryptroot || die x\n\
            echo -n \"$p\" | cryptsetup luksOpen /dev/disk/by-partlabel/cryptroot cryptroot \
            --allow-discards --key-file=-\n\
            cryptsetup luksOpen /dev/disk/by-partlabel/cryptroot cryptroot\n\
            cryptsetup luksOpen $device $name\n";
        let file = "/nix/store/p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-initrd".parse().unwrap();
        let volumes = volumes(&file, None, Some(script.to_owned())).unwrap();
        assert_eq!(volumes.len(), 1);
        assert_eq!(volumes[0].name, "cryptroot");
        assert_eq!(volumes[0].device, DeviceSpec::PartLabel("cryptroot".to_owned()));
        assert_eq!((volumes[0].key_file.as_deref(), volumes[0].odd_option()), (None, None));
    }

    #[test]
    fn scripted_luks_with_a_key_file_and_a_header() {
        let script = "cryptsetup luksOpen UUID=1-2 data --header=/h --key-file=-\n\
            cryptsetup luksOpen UUID=1-2 data --header=/h --key-file=/etc/key \\\n";
        let file = "/nix/store/p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-initrd".parse().unwrap();
        let volumes = volumes(&file, None, Some(script.to_owned())).unwrap();
        assert_eq!(volumes.len(), 1);
        assert_eq!(volumes[0].key_file.as_deref(), Some("/etc/key"));
        assert_eq!(volumes[0].odd_option(), Some("header=/h"));
    }

    /// Reads an initrd made of these files.
    fn read(files: &[(&str, u32, &[u8])]) -> Result<Stage1, Error> {
        const BASE: &str = "p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-initrd";
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("nix/store").join(BASE);
        std::fs::create_dir_all(&directory).unwrap();
        let archive = crate::inputs::initrd::tests::archive(files);
        std::fs::write(directory.join("initrd"), archive).unwrap();
        let file = format!("/nix/store/{BASE}/initrd").parse().unwrap();
        Stage1::read(&HostStore::at(root.path()), &file)
    }

    #[test]
    fn systemd_is_pointed_at_an_fstab_of_the_store() {
        let link = (0o120_777, b"/nix/store/x-systemd/lib/systemd/systemd".as_slice());
        let fstab = b"/dev/disk/by-label/nixos / ext4 x-initrd.mount 0 1\n";
        let stage1 = read(&[
            ("init", link.0, link.1),
            ("nix/store/x-systemd/lib/systemd/systemd", 0o100_555, &[0x7f; 2 << 20]),
            ("nix/store/y-initrd-fstab", 0o100_444, fstab),
            ("etc/crypttab", 0o100_444, b"root PARTLABEL=root - discard\n"),
            ("nix/store/z-unit-rw-etc.service/rw-etc.service", 0o100_444, b"[Unit]\n"),
        ])
        .unwrap();
        assert_eq!(stage1.kind, Kind::Systemd);
        assert_eq!(stage1.mounts.len(), 1);
        assert_eq!(stage1.mounts[0].device, DeviceSpec::Label("nixos".to_owned()));
        assert_eq!(stage1.volumes[0].name, "root");
        assert!(stage1.writable_etc);
    }

    #[test]
    fn programs_are_not_read_as_scripts() {
        let stage1 = read(&[("init", 0o100_555, &[0x7f; 2 << 20])]).unwrap();
        assert_eq!(stage1.kind, Kind::Scripted);
        assert_eq!((stage1.mounts.len(), stage1.volumes.len()), (0, 0));
        assert!(!stage1.writable_etc);
    }

    #[test]
    fn builtin_modules() {
        let found = read_builtin("kernel/fs/ext4/ext4.ko\nkernel/drivers/nvme/nvme-core.ko\n\n");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["ext4", "nvme_core"]);
    }
}
