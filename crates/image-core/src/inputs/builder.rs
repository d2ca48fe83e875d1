//! What systemd-boot's builder was configured with: the constants in its text.
//!
//! NixOS writes its options into a Python program, `NAME = "value"` at the start of lines; the installer
//! calls it and may do more. What only the running system can do (extra commands, files copied to the
//! ESP) is noted, so that it can be told. Nothing is run.
//!
//! Follows nixpkgs' `systemd-boot.nix` and `systemd-boot-builder.py` of NixOS 23.11 to 26.05.

use serde::Serialize;

use super::store::{self, HostStore};
use super::store_path::StoreFile;
use crate::units::{Bytes, MIB};

/// Scripts are read up to this size; the largest known is 90 KiB.
const SCRIPT_MAX: Bytes = MIB;

/// The constants; `None` where an older builder has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Where the ESP is mounted.
    pub esp_mount_point: Option<String>,
    /// Where kernels and entries go; differs from the ESP with XBOOTLDR.
    pub boot_mount_point: Option<String>,
    /// The menu's timeout in seconds; empty for none.
    pub timeout: Option<String>,
    /// Whether the command line may be edited.
    pub editor: Option<bool>,
    /// The console's resolution.
    pub console_mode: Option<String>,
    /// Tries of a new generation, where boot counting is on.
    pub boot_counting_tries: Option<u32>,
    /// What entries are titled.
    pub distro_name: Option<String>,
    /// Whether the menu starts Windows by a reboot, for BitLocker's sake.
    pub reboot_for_bitlocker: bool,
    /// Whether kernels are packed into unified images.
    pub makes_uki: bool,
    /// Whether it copies further files to the ESP: memtest86, netboot.xyz, drivers, entries.
    pub copies_extra_files: bool,
    /// Whether the installer runs further commands.
    pub runs_extra_commands: bool,
}

/// Reads the constants of the builder that an installer's text calls.
pub(super) fn settings(store: &HostStore, installer: &str) -> Result<Settings, store::Error> {
    let called = installer.split(['"', '\'', '\n', ' ', ';']).find_map(|word| {
        let file = word.parse::<StoreFile>().ok()?;
        file.path().name().contains("systemd-boot").then_some((word, file))
    });
    let (text, rest) = match called {
        Some((word, builder)) => {
            let (_, rest) = installer.split_once(word).unwrap_or_default();
            (text_of(store, &builder)?.unwrap_or_default(), rest)
        }
        // Before 23.11 the installer was the builder itself.
        None => (installer.to_owned(), ""),
    };
    let is_command = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with('#');
    let counting = constant(&text, "BOOT_COUNTING").is_some_and(|value| value == "True");
    let tries = constant(&text, "BOOT_COUNTING_TRIES").and_then(|tries| tries.parse().ok());
    let copier = called_text(store, &text, "COPY_EXTRA_FILES")?;
    let uki = called_text(store, &text, "UKI_CONFIG")?;
    let uki: serde_json::Value = serde_json::from_str(&uki).unwrap_or_default();
    Ok(Settings {
        esp_mount_point: constant(&text, "EFI_SYS_MOUNT_POINT").map(|path| mount_point(&path)),
        boot_mount_point: constant(&text, "BOOT_MOUNT_POINT").map(|path| mount_point(&path)),
        timeout: constant(&text, "TIMEOUT"),
        editor: constant(&text, "EDITOR").map(|value| value == "1" || value == "True"),
        console_mode: constant(&text, "CONSOLE_MODE"),
        boot_counting_tries: tries.filter(|_| counting),
        distro_name: constant(&text, "DISTRO_NAME"),
        reboot_for_bitlocker: constant(&text, "REBOOT_FOR_BITLOCKER").is_some_and(|v| v == "1"),
        makes_uki: uki.get("enable").and_then(serde_json::Value::as_bool) == Some(true),
        copies_extra_files: copier.contains("/bin/install "),
        runs_extra_commands: rest.lines().skip(1).any(|line| is_command(&line)),
    })
}

/// The text of the file that a constant names; empty where there is none.
fn called_text(store: &HostStore, text: &str, name: &str) -> Result<String, store::Error> {
    let file = constant(text, name).and_then(|path| path.parse::<StoreFile>().ok());
    Ok(file.map(|file| text_of(store, &file)).transpose()?.flatten().unwrap_or_default())
}

/// A mount point as fstab has it: without a slash at its end.
fn mount_point(path: &str) -> String {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() { path } else { trimmed }.to_owned()
}

/// Reads a program's bytes as text; `None` where it is not there or too large to be a script.
pub(super) fn text_of(store: &HostStore, file: &StoreFile) -> Result<Option<String>, store::Error> {
    match store.read(file, SCRIPT_MAX) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(store::Error::Size { .. }) => Ok(None),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The first quoted text after `NAME =` at the start of a line.
fn constant(text: &str, name: &str) -> Option<String> {
    let assignment = format!("\n{name} = ");
    let after = &text[text.find(&assignment)? + assignment.len()..];
    let value = after.lines().next()?.split('"').nth(1)?;
    let plain = value.len() < 256 && !value.contains('@');
    plain.then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    const TOOL: &str = "p1ghxi6s5ar9ga8i0wcsadlng4vqc25a";
    const BUILDER: &str = "dc5k4dn45d4spay66vy6alhcbycbmzds-systemd-boot";

    /// The settings of a builder's text, called by an installer that then does more.
    fn read(constants: &str, more: &str) -> Settings {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let file = root.path().join("nix/store").join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        put(&format!("{BUILDER}/bin/systemd-boot"), &format!("#! python3 -B\n{constants}"));
        put(&format!("{TOOL}-nothing"), "#!/bin/bash\n\n\n");
        put(&format!("{TOOL}-memtest"), "#!/bin/bash\n/nix/store/x/bin/install -Dp \"a\" b\n");
        put(&format!("{TOOL}-uki.json"), "{\"enable\": true}");
        let installer = format!("#!/bin/sh\n/nix/store/{BUILDER}/bin/systemd-boot \"$@\"\n{more}");
        settings(&HostStore::at(root.path()), &installer).unwrap()
    }

    #[test]
    fn constants_of_every_version() {
        let settings = read(
            "EFI_SYS_MOUNT_POINT = Path(\"/efi/\")\nBOOT_MOUNT_POINT = Path(\"/boot\")\n\
             TIMEOUT = \"5\"\nEDITOR = \"\" == \"1\"  # noqa: PLR0133\nCONSOLE_MODE = \"keep\"\n\
             DISTRO_NAME = \"NixOS\"\nREBOOT_FOR_BITLOCKER = bool(\"1\")\n\
             BOOT_COUNTING_TRIES = \"3\"\nBOOT_COUNTING = \"True\" == \"True\"\n",
            "\n",
        );
        let expected = Settings {
            esp_mount_point: Some("/efi".to_owned()),
            boot_mount_point: Some("/boot".to_owned()),
            timeout: Some("5".to_owned()),
            editor: Some(false),
            console_mode: Some("keep".to_owned()),
            boot_counting_tries: Some(3),
            distro_name: Some("NixOS".to_owned()),
            reboot_for_bitlocker: true,
            ..Settings::default()
        };
        assert_eq!(settings, expected);
        // NixOS 24.05 has plain texts and `bool`.
        let older = read(
            "EFI_SYS_MOUNT_POINT = \"/boot\"\nTIMEOUT = \"\"\nEDITOR = bool(\"1\")\n\
             REBOOT_FOR_BITLOCKER = bool(\"\")\nBOOT_COUNTING_TRIES = \"3\"\n\
             BOOT_COUNTING = \"\" == \"True\"\n",
            "",
        );
        assert_eq!(older.esp_mount_point.as_deref(), Some("/boot"));
        assert_eq!((older.timeout.as_deref(), older.editor), (Some(""), Some(true)));
        assert_eq!((older.boot_counting_tries, older.reboot_for_bitlocker), (None, false));
        assert_eq!(read("", ""), Settings::default());
    }

    #[test]
    fn what_the_running_system_would_add() {
        let copier = |name: &str| format!("COPY_EXTRA_FILES = \"/nix/store/{TOOL}-{name}\"\n");
        assert!(read(&copier("memtest"), "").copies_extra_files);
        assert!(!read(&copier("nothing"), "").copies_extra_files);
        assert!(!read(&copier("none"), "").copies_extra_files);
        assert!(read("", "\n# and then\ncp /boot/a /boot/b\n").runs_extra_commands);
        assert!(!read("", "\n# and then\n  \n").runs_extra_commands);
        let uki =
            format!("UKI_CONFIG = json.loads(Path(\"/nix/store/{TOOL}-uki.json\").read_text())\n");
        assert!(read(&uki, "").makes_uki);
    }
}
