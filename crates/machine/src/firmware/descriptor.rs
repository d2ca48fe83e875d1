//! QEMU's firmware descriptors: small JSON files in which a distribution says what it installed.
//!
//! Follows `docs/interop/firmware.json` of QEMU's source. The files' names give the priority; a
//! file in `/etc` replaces the one of the same name in `/usr/share`, and an empty one hides it.
//! Of a descriptor, only flash firmware for our machine without Secure Boot or SMM is of use.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Firmware, Flash, FlashFormat, Search};
use crate::architecture::Architecture;

/// Descriptor directories below the root; later ones win over earlier ones.
const DIRECTORIES: [&str; 5] = [
    "opt/homebrew/share/qemu/firmware",
    "usr/local/share/qemu/firmware",
    "run/current-system/sw/share/qemu/firmware",
    "usr/share/qemu/firmware",
    "etc/qemu/firmware",
];

/// Features that make firmware useless for unsigned images on a plain machine.
const REFUSED_FEATURES: [&str; 3] = ["requires-smm", "secure-boot", "enrolled-keys"];

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Descriptor {
    interface_types: Vec<String>,
    mapping: Mapping,
    targets: Vec<Target>,
    #[serde(default)]
    features: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mapping {
    device: String,
    executable: Option<File>,
    nvram_template: Option<File>,
}

#[derive(Deserialize)]
struct File {
    filename: PathBuf,
    format: String,
}

#[derive(Deserialize)]
struct Target {
    architecture: String,
    machines: Vec<String>,
}

/// The descriptor files in order of priority; each directory goes on the list of places.
pub(super) fn files(search: &Search, looked: &mut Vec<PathBuf>) -> Vec<PathBuf> {
    let mut by_name: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    let given = search.data_dirs.iter().map(|dir| dir.join("firmware"));
    let known = DIRECTORIES.iter().map(|dir| search.root.join(dir));
    for dir in given.chain(known) {
        looked.push(dir.join("*.json"));
        let Ok(entries) = fs::read_dir(&dir) else {
            continue;
        };
        for entry in entries.flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "json") {
                by_name.insert(entry.file_name(), entry.path());
            }
        }
    }
    by_name.into_values().collect()
}

/// Reads one descriptor; nothing when it does not describe firmware we can use.
///
/// A descriptor that cannot be read hides no other, so it is passed over.
pub(super) fn read(path: &Path, architecture: Architecture) -> Option<Firmware> {
    let text = fs::read_to_string(path).ok()?;
    let descriptor: Descriptor = match serde_json::from_str(&text) {
        Ok(descriptor) => descriptor,
        Err(error) => {
            tracing::debug!(path = %path.display(), %error, "firmware descriptor passed over");
            return None;
        }
    };
    if !descriptor.serves(architecture) {
        return None;
    }
    Some(Firmware {
        architecture,
        code: descriptor.mapping.executable?.flash()?,
        vars: descriptor.mapping.nvram_template?.flash()?,
    })
}

impl Descriptor {
    fn serves(&self, architecture: Architecture) -> bool {
        let machine = architecture.versioned_machine();
        self.interface_types.iter().any(|kind| kind == "uefi")
            && self.mapping.device == "flash"
            && !self.features.iter().any(|name| REFUSED_FEATURES.contains(&name.as_str()))
            && self.targets.iter().any(|target| {
                target.architecture == architecture.name()
                    && target.machines.iter().any(|pattern| matches_glob(pattern, machine))
            })
    }
}

impl File {
    fn flash(self) -> Option<Flash> {
        let format = match self.format.as_str() {
            "raw" => FlashFormat::Raw,
            "qcow2" => FlashFormat::Qcow2,
            _ => return None,
        };
        Some(Flash { path: self.filename, format })
    }
}

/// Whether `name` matches `pattern`, in which `*` stands for any text.
pub(super) fn matches_glob(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|tail| {
            tail.char_indices()
                .map(|(at, _)| &tail[at..])
                .chain([""])
                .any(|tail| matches_glob(rest, tail))
        }),
    }
}
