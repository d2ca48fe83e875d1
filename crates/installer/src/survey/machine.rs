//! What a machine is, beside its devices: what decides whether and how a system can be installed on it.

use std::collections::BTreeMap;

use calve_image_core::units::{Bytes, KIB};

use super::{Error, Host};

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// What it calls itself.
    pub name: Option<String>,
    /// Its processor, as the kernel calls it: `x86_64`, `aarch64`.
    pub processor: Option<String>,
    /// What started it.
    pub firmware: Firmware,
    /// Its memory, as far as the kernel may use it.
    pub memory: Bytes,
    /// The system that it runs.
    pub system: Running,
    /// The programs that an installation may need, and where they are.
    pub programs: BTreeMap<String, String>,
}

/// What started a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// UEFI, which takes programs for processors of so many bits.
    Uefi {
        /// 32 on some early machines with 64-bit processors.
        bits: u64,
    },
    /// A PC's BIOS, or something that only the kernel knows.
    Other,
}

/// The system that a machine runs, as os-release(5) says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Running {
    /// Its name for people: `NixOS 25.05 (Warbler)`.
    pub title: Option<String>,
    /// Whether it is NixOS.
    pub is_nixos: bool,
    /// Whether it is one that calls itself an installer (`VARIANT_ID=installer`).
    pub is_installer: bool,
    /// Whether its root goes when the machine is switched off: it started from a medium, or by a network.
    pub is_volatile: bool,
}

impl Machine {
    /// Reads what a snapshot has.
    ///
    /// # Errors
    /// What decides cannot be read.
    pub fn of(host: &Host) -> Result<Self, Error> {
        let attribute = |path: &str| host.attribute(&host.path(path));
        let meminfo = host.path("/proc/meminfo");
        let text = host.text(&meminfo)?;
        let memory = memory(&text).ok_or_else(|| Error::Nonsense {
            path: meminfo,
            expected: "MemTotal in kB",
            found: text.lines().next().unwrap_or_default().to_owned(),
        })?;
        let efi = host.path("/sys/firmware/efi");
        let bits =
            attribute("/sys/firmware/efi/fw_platform_size").and_then(|bits| bits.parse().ok());
        let firmware = match (efi.is_dir(), bits) {
            (true, bits) => Firmware::Uefi { bits: bits.unwrap_or(64) },
            (false, _) => Firmware::Other,
        };
        let programs = host.text(&host.path("/calve/programs"))?;
        let programs = programs.lines().filter_map(|line| line.split_once(' '));
        Ok(Self {
            name: attribute("/calve/hostname"),
            processor: attribute("/calve/machine"),
            firmware,
            memory,
            system: Running::of(host)?,
            programs: programs.map(|(name, path)| (name.to_owned(), path.to_owned())).collect(),
        })
    }

    /// Whether a program is there.
    pub fn has(&self, program: &str) -> bool {
        self.programs.contains_key(program)
    }
}

impl Running {
    fn of(host: &Host) -> Result<Self, Error> {
        let text = host.text(&host.path("/etc/os-release"))?;
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
            let value = line.trim().trim_matches(['"', '\'']).to_owned();
            Some(value).filter(|value| !value.is_empty())
        };
        let mounts = super::mounts::mounts(host)?;
        let root = mounts.iter().rfind(|mount| mount.at == std::path::Path::new("/"));
        Ok(Self {
            title: value("PRETTY_NAME").or_else(|| value("NAME")),
            is_nixos: value("ID").as_deref() == Some("nixos"),
            is_installer: value("VARIANT_ID").as_deref() == Some("installer"),
            is_volatile: root.is_some_and(|mount| {
                matches!(mount.format.as_str(), "tmpfs" | "ramfs" | "rootfs" | "overlay")
            }),
        })
    }
}

/// `MemTotal:        8130012 kB`.
fn memory(text: &str) -> Option<Bytes> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let number: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    number.checked_mul(KIB.get()).map(Bytes::new)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn machine(files: &[(&str, &str)]) -> Result<Machine, Error> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Machine::of(&Host::below(root.path()))
    }

    const MEMORY: (&str, &str) = ("proc/meminfo", "MemTotal:        2014512 kB\nMemFree: 1 kB\n");

    /// Texts of NixOS' own installer.
    #[test]
    fn an_installer() {
        let release = "BUG_REPORT_URL=\"x\"\nID=nixos\nNAME=NixOS\nPRETTY_NAME=\"NixOS 25.05 (Warbler)\"\nVARIANT_ID=\"installer\"\n";
        let found = machine(&[
            MEMORY,
            ("etc/os-release", release),
            (
                "proc/self/mountinfo",
                "22 1 0:19 / / rw,relatime shared:1 - tmpfs tmpfs rw,mode=755\n",
            ),
            ("sys/firmware/efi/fw_platform_size", "64\n"),
            ("calve/hostname", "nixos\n"),
            ("calve/machine", "x86_64\n"),
            (
                "calve/programs",
                "nix /run/current-system/sw/bin/nix\nsfdisk /run/current-system/sw/bin/sfdisk\n",
            ),
        ])
        .unwrap();
        assert_eq!(found.system.title.as_deref(), Some("NixOS 25.05 (Warbler)"));
        let Running { is_nixos, is_installer, is_volatile, .. } = found.system;
        assert!(is_nixos && is_installer && is_volatile);
        assert_eq!((found.firmware, found.memory), (Firmware::Uefi { bits: 64 }, KIB * 2_014_512));
        assert!(found.has("nix") && !found.has("nixos-install"));
    }

    #[test]
    fn another_system_and_one_that_says_nothing() {
        let debian = ("etc/os-release", "ID=debian\nPRETTY_NAME='Debian GNU/Linux 12'\n");
        let root = ("proc/self/mountinfo", "22 1 254:1 / / rw - ext4 /dev/vda1 rw\n");
        let found = machine(&[MEMORY, debian, root]).unwrap();
        assert_eq!(found.system.title.as_deref(), Some("Debian GNU/Linux 12"));
        assert!(!found.system.is_nixos && !found.system.is_volatile);
        assert_eq!((found.firmware, found.name), (Firmware::Other, None));
        let said = machine(&[]).unwrap_err().to_string();
        assert!(said.contains("expected MemTotal in kB"), "{said}");
    }
}
