//! The boot loader that a closure would install by itself.
//!
//! Every NixOS closure holds systemd's EFI programs, so their presence says nothing. What counts is the
//! command that `bin/switch-to-configuration` runs on `nixos-rebuild boot`: in the environment of its
//! wrapper (`INSTALL_BOOTLOADER`, since 24.11) or between two marks of the older Perl script. The
//! command is told by its name in the store, and where that says nothing by what its script calls.
//! Nothing is run.
//!
//! Follows nixpkgs' `switchable-system.nix` and `nixos/modules/system/boot/loader`, and lanzaboote's
//! `lanzaboote.nix`.

use std::fmt;

use serde::Serialize;

use super::builder::{self, Settings};
use super::store::{self, HostStore};
use super::store_path::{StoreFile, StorePath};

/// The variable that holds the command.
const VARIABLE: &str = "INSTALL_BOOTLOADER";

/// The mark before and after the command in the Perl script.
const PERL_MARK: &str = "EOFBOOTLOADER";

/// A boot loader, as NixOS' modules offer them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootLoader {
    /// systemd-boot, entries of type 1.
    SystemdBoot,
    /// GRUB, for UEFI or BIOS.
    Grub,
    /// A menu for U-Boot and the like.
    Extlinux,
    /// systemd-boot with signed images (`lzbt`).
    Lanzaboote,
    /// Unified kernel images.
    Uki,
    /// Limine.
    Limine,
    /// rEFInd.
    Refind,
    /// The Raspberry Pi's own firmware.
    RaspberryPi,
    /// A link to `init`, for containers and virtual machines.
    InitScript,
    /// None: the command does nothing.
    None,
    /// A command that is not known (`boot.loader.external`).
    Other,
}

impl fmt::Display for BootLoader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SystemdBoot => "systemd-boot",
            Self::Grub => "GRUB",
            Self::Extlinux => "extlinux (generic-extlinux-compatible)",
            Self::Lanzaboote => "lanzaboote",
            Self::Uki => "unified kernel images",
            Self::Limine => "Limine",
            Self::Refind => "rEFInd",
            Self::RaspberryPi => "the Raspberry Pi firmware",
            Self::InitScript => "an init script",
            Self::None => "none",
            Self::Other => "an unknown installer",
        })
    }
}

/// What a closure runs to install its boot loader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Installer {
    /// The command with its arguments.
    pub command: String,
    /// What it installs.
    pub boot_loader: BootLoader,
    /// What systemd-boot's builder was configured with, as far as its text says.
    pub settings: Settings,
}

impl Installer {
    /// Finds the installer of a toplevel; `None` where it cannot be switched to.
    pub fn find(store: &HostStore, toplevel: &StorePath) -> Result<Option<Self>, store::Error> {
        let Some(text) = script(store, toplevel, "bin/switch-to-configuration")? else {
            return Ok(None);
        };
        let Some(command) = command(&text) else {
            return Ok(None);
        };
        let program = command.split_whitespace().next().unwrap_or_default();
        let Ok(program) = program.parse::<StoreFile>() else {
            return Ok(Some(Self::other(command)));
        };
        let text = builder::text_of(store, &program)?.unwrap_or_default();
        let mut boot_loader = classify(&program, &text);
        let mut settings = Settings::default();
        if boot_loader == BootLoader::SystemdBoot {
            settings = builder::settings(store, &text)?;
            if settings.makes_uki {
                boot_loader = BootLoader::Uki;
            }
        }
        Ok(Some(Self { command, boot_loader, settings }))
    }

    fn other(command: String) -> Self {
        Self { command, boot_loader: BootLoader::Other, settings: Settings::default() }
    }
}

/// Reads a script of a toplevel; `None` where there is none.
fn script(
    store: &HostStore,
    toplevel: &StorePath,
    inner: &str,
) -> Result<Option<String>, store::Error> {
    let Ok(file) = toplevel.join(inner) else { return Ok(None) };
    builder::text_of(store, &file)
}

/// The command in the text of `switch-to-configuration`.
fn command(text: &str) -> Option<String> {
    let assigned = text.match_indices(VARIABLE).find_map(|(at, _)| {
        // A shell wrapper assigns it; a compiled one holds name and value as neighbours.
        let rest = &text[at + VARIABLE.len()..];
        let value = rest.trim_start_matches(['=', '\'', '"', '\0', ' ']);
        let end = value.find(['\'', '"', '\0', '\n']).unwrap_or(value.len());
        value.starts_with('/').then(|| value[..end].trim().to_owned())
    });
    assigned.or_else(|| {
        let (_, after) = text.split_once(PERL_MARK)?;
        let line = after.lines().nth(1)?.trim();
        (!line.is_empty()).then(|| line.to_owned())
    })
}

fn classify(program: &StoreFile, text: &str) -> BootLoader {
    let names = [program.path().name(), program.file_name()];
    let named = |part: &str| names.iter().any(|name| name.contains(part));
    if text.contains("/bin/lzbt") || named("lanzaboote") || named("lzbt") {
        BootLoader::Lanzaboote
    } else if text.contains("ukify") {
        BootLoader::Uki
    } else if named("systemd-boot") || named("gummiboot") {
        BootLoader::SystemdBoot
    } else if named("install-grub") || text.contains("install-grub") {
        BootLoader::Grub
    } else if named("extlinux") || text.contains("extlinux-conf-builder") {
        BootLoader::Extlinux
    } else if named("limine") {
        BootLoader::Limine
    } else if named("refind") {
        BootLoader::Refind
    } else if named("raspberry") || named("uboot-builder") {
        BootLoader::RaspberryPi
    } else if named("init-script-builder") || named("initScriptBuilder") {
        BootLoader::InitScript
    } else if program.inner() == "bin/true" {
        BootLoader::None
    } else {
        BootLoader::Other
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::path::Path;

    use super::*;

    const TOP: &str = "22qfp468zx6lkb1b8lll57c5fia9ccgs-nixos-system-x-24.11";
    const TOOL: &str = "p1ghxi6s5ar9ga8i0wcsadlng4vqc25a";

    fn put(root: &Path, path: &str, text: &str) {
        let file = root.join("nix/store").join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// The installer found for a `switch-to-configuration` and the program it runs.
    fn found(switch: &str, tool: &str, text: &str) -> Option<Installer> {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), &format!("{TOP}/bin/switch-to-configuration"), switch);
        put(root.path(), &format!("{TOOL}-{tool}"), text);
        let toplevel = StorePath::from_base_name(TOP).unwrap();
        Installer::find(&HostStore::at(root.path()), &toplevel).unwrap()
    }

    #[test]
    fn each_boot_loader() {
        use BootLoader as B;
        for (tool, arguments, text, expected) in [
            ("install-systemd-boot.sh", "", "", B::SystemdBoot),
            ("systemd-boot-builder.py", "", "", B::SystemdBoot),
            ("install-grub.sh", "", "exec perl install-grub.pl", B::Grub),
            ("extlinux-conf-builder.sh", " -g 20 -t 5 -c", "", B::Extlinux),
            ("install-extlinux-conf.sh", "", "", B::Extlinux),
            ("bootinstall", "", "/nix/store/x-lzbt/bin/lzbt install", B::Lanzaboote),
            ("install-uki", "", "/nix/store/x/lib/systemd/ukify build", B::Uki),
            ("limine-install.py", "", "", B::Limine),
            ("refind-install.py", "", "", B::Refind),
            ("coreutils-9.5/bin/true", "", "", B::None),
            ("init-script-builder.sh", "", "", B::InitScript),
            ("my-hook", "", "echo", B::Other),
        ] {
            let command = format!("/nix/store/{TOOL}-{tool}{arguments}");
            let shell = format!("#!/bin/sh\nexport INSTALL_BOOTLOADER='{command}'\nexec x\n");
            let perl = format!(
                "chomp(my $install_boot_loader = <<'EOFBOOTLOADER');\n{command}\nEOFBOOTLOADER\n"
            );
            let compiled = format!("\x7fELF\0INSTALL_BOOTLOADER\0{command}\0TOPLEVEL\0");
            for switch in [shell, perl, compiled] {
                let installer = found(&switch, tool, text).unwrap();
                assert_eq!(installer.boot_loader, expected, "{tool}: {switch}");
                assert_eq!(installer.command, command);
            }
        }
        assert_eq!(found("#!/bin/sh\nexit 1\n", "x", ""), None);
    }
}
