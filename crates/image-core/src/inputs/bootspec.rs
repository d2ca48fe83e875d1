//! `boot.json`: what a system's boot loader must start (Bootspec v1, NixOS RFC 125).
//!
//! The document is walked by hand and not derived, because an error must name the file and the key
//! (`boot.json: org.nixos.bootspec.v1.kernel: expected a string, found a number`), also inside a
//! specialisation. Unknown keys are extensions and ignored. Extensions that change how a system boots
//! are read (`org.nixos.systemd-boot`, `org.nixos.extra-initrd.v1`), so that they can be honoured or
//! refused by whoever writes the boot entries. Whether the files exist is not checked here.
//!
//! Follows RFC 125 and nixpkgs' `nixos/modules/system/activation/bootspec.{nix,cue}`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::store_path::{self, StoreFile, StorePath};

const V1: &str = "org.nixos.bootspec.v1";
const SPECIALISATIONS: &str = "org.nixos.specialisation.v1";
const SYSTEMD_BOOT: &str = "org.nixos.systemd-boot";
const EXTRA_INITRD: &str = "org.nixos.extra-initrd.v1";

/// The sort key that NixOS' builder uses where the document names none.
const DEFAULT_SORT_KEY: &str = "nixos";

/// Why a document is not a Bootspec v1; `file` is the caller's name for it, `key` a dotted path.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is not JSON.
    #[error("{file} is not JSON")]
    Json {
        /// The document.
        file: String,
        /// What the JSON reader says, with line and column.
        source: serde_json::Error,
    },
    /// A key is missing.
    #[error("{file}: {key} is missing, expected {expected}")]
    Missing {
        /// The document.
        file: String,
        /// The key.
        key: String,
        /// What should stand there.
        expected: &'static str,
    },
    /// A value is of another kind than it must be.
    #[error("{file}: {key}: expected {expected}, found {found}")]
    Kind {
        /// The document.
        file: String,
        /// The key.
        key: String,
        /// What should stand there.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// A path is not one of the store.
    #[error("{file}: {key} is malformed")]
    Path {
        /// The document.
        file: String,
        /// The key.
        key: String,
        /// What is wrong with it.
        source: store_path::Error,
    },
    /// A specialisation has specialisations; the RFC forbids it.
    #[error("{file}: {key}: expected no specialisations inside a specialisation, found {count}")]
    Nested {
        /// The document.
        file: String,
        /// The key.
        key: String,
        /// How many there are.
        count: usize,
    },
}

/// One bootable configuration, and its specialisations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bootspec {
    /// What a boot menu shows, `NixOS Vicuna 24.11 (Linux 6.12.107)`.
    pub label: String,
    /// Nix's name of the platform, `x86_64-linux`.
    pub system: String,
    /// The toplevel.
    pub toplevel: StorePath,
    /// The program to start as PID 1 of stage 2.
    pub init: StoreFile,
    /// The kernel image.
    pub kernel: StoreFile,
    /// The kernel's command line without `init=`, one item per parameter.
    pub kernel_params: Vec<String>,
    /// The initrd, where there is one.
    pub initrd: Option<StoreFile>,
    /// The program that appends secrets to a copy of the initrd; present only where there are any.
    pub initrd_secrets: Option<StoreFile>,
    /// What systemd-boot orders menu entries by.
    pub sort_key: String,
    /// The device tree that systemd-boot must hand to the kernel.
    pub devicetree: Option<StoreFile>,
    /// Whether it has systemd-boot's extension, which NixOS adds where systemd-boot is enabled.
    pub systemd_boot: bool,
    /// Further initrds, as paths on the ESP.
    pub extra_initrds: Vec<String>,
    /// Other configurations of the same closure, by name. Those inside have none.
    pub specialisations: BTreeMap<String, Bootspec>,
}

impl Bootspec {
    /// Reads a document; `file` is how errors call it.
    pub fn parse(text: &str, file: &str) -> Result<Self, Error> {
        let value: Value = serde_json::from_str(text)
            .map_err(|source| Error::Json { file: file.to_owned(), source })?;
        document(Place { file, key: "" }, &value, Depth::Top)
    }

    /// This configuration under no name, then each specialisation under its own.
    pub fn all(&self) -> impl Iterator<Item = (Option<&str>, &Bootspec)> {
        let named = self.specialisations.iter().map(|(name, spec)| (Some(name.as_str()), spec));
        std::iter::once((None, self)).chain(named)
    }
}

/// Whether a document may have specialisations.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Top,
    Specialisation,
}

fn document(place: Place<'_>, value: &Value, depth: Depth) -> Result<Bootspec, Error> {
    let all = Section::of(place, value)?;
    let v1_key = all.key(V1);
    let v1 = Section::of(place.at(&v1_key), all.required(V1, "an object")?)?;
    let systemd_boot_key = all.key(SYSTEMD_BOOT);
    let systemd_boot = all.section(&systemd_boot_key, SYSTEMD_BOOT)?;
    let extra_initrd_key = all.key(EXTRA_INITRD);
    let extra_initrd = all.section(&extra_initrd_key, EXTRA_INITRD)?;
    let devicetree = systemd_boot.as_ref().map(|s| s.optional_file("devicetree")).transpose()?;
    let sort_key = systemd_boot.as_ref().map(|s| s.optional_text("sortKey")).transpose()?;
    Ok(Bootspec {
        label: v1.text("label")?.to_owned(),
        system: v1.text("system")?.to_owned(),
        toplevel: v1.path("toplevel")?,
        init: v1.file("init")?,
        kernel: v1.file("kernel")?,
        kernel_params: v1.texts("kernelParams")?,
        initrd: v1.optional_file("initrd")?,
        initrd_secrets: v1.optional_file("initrdSecrets")?,
        sort_key: sort_key.flatten().unwrap_or(DEFAULT_SORT_KEY).to_owned(),
        devicetree: devicetree.flatten(),
        systemd_boot: systemd_boot.is_some(),
        extra_initrds: extra_initrd.map(|s| s.texts("paths")).transpose()?.unwrap_or_default(),
        specialisations: specialisations(&all, depth)?,
    })
}

fn specialisations(all: &Section<'_>, depth: Depth) -> Result<BTreeMap<String, Bootspec>, Error> {
    let key = all.key(SPECIALISATIONS);
    let Some(section) = all.section(&key, SPECIALISATIONS)? else {
        return Ok(BTreeMap::new());
    };
    let count = section.map.len();
    if depth == Depth::Specialisation && count > 0 {
        return Err(Error::Nested { file: all.place.file.to_owned(), key, count });
    }
    section
        .map
        .iter()
        .map(|(name, value)| {
            let key = section.key(name);
            let spec = document(all.place.at(&key), value, Depth::Specialisation)?;
            Ok((name.clone(), spec))
        })
        .collect()
}

/// Where in which document an error would be.
#[derive(Clone, Copy)]
struct Place<'a> {
    file: &'a str,
    key: &'a str,
}

impl<'a> Place<'a> {
    fn at<'b>(self, key: &'b str) -> Place<'b>
    where
        'a: 'b,
    {
        Place { file: self.file, key }
    }
}

/// An object of the document, and where it stands.
struct Section<'a> {
    place: Place<'a>,
    map: &'a Map<String, Value>,
}

impl<'a> Section<'a> {
    fn of(place: Place<'a>, value: &'a Value) -> Result<Self, Error> {
        let map = value.as_object().ok_or_else(|| Error::Kind {
            file: place.file.to_owned(),
            key: if place.key.is_empty() { "the document" } else { place.key }.to_owned(),
            expected: "an object",
            found: kind(value),
        })?;
        Ok(Self { place, map })
    }

    /// The dotted path of a key in this section.
    fn key(&self, name: &str) -> String {
        if self.place.key.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.place.key)
        }
    }

    /// A section inside this one that may be missing; `key` is its dotted path.
    fn section<'b>(&'b self, key: &'b str, name: &str) -> Result<Option<Section<'b>>, Error> {
        self.optional(name).map(|value| Section::of(self.place.at(key), value)).transpose()
    }

    /// A value; null is as good as missing.
    fn optional(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn required(&self, name: &str, expected: &'static str) -> Result<&'a Value, Error> {
        self.optional(name).ok_or_else(|| Error::Missing {
            file: self.place.file.to_owned(),
            key: self.key(name),
            expected,
        })
    }

    fn wrong_kind(&self, name: &str, expected: &'static str, found: &Value) -> Error {
        Error::Kind {
            file: self.place.file.to_owned(),
            key: self.key(name),
            expected,
            found: kind(found),
        }
    }

    fn text(&self, name: &str) -> Result<&'a str, Error> {
        let value = self.required(name, "a string")?;
        value.as_str().ok_or_else(|| self.wrong_kind(name, "a string", value))
    }

    fn optional_text(&self, name: &str) -> Result<Option<&'a str>, Error> {
        self.optional(name).map(|_| self.text(name)).transpose()
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, Error> {
        const EXPECTED: &str = "a list of strings";
        let value = self.required(name, EXPECTED)?;
        let items = value.as_array().ok_or_else(|| self.wrong_kind(name, EXPECTED, value))?;
        let text = |item: &Value| {
            let text = item.as_str().map(str::to_owned);
            text.ok_or_else(|| self.wrong_kind(name, EXPECTED, item))
        };
        items.iter().map(text).collect()
    }

    fn malformed(&self, name: &str, source: store_path::Error) -> Error {
        Error::Path { file: self.place.file.to_owned(), key: self.key(name), source }
    }

    fn path(&self, name: &str) -> Result<StorePath, Error> {
        self.text(name)?.parse().map_err(|source| self.malformed(name, source))
    }

    fn file(&self, name: &str) -> Result<StoreFile, Error> {
        self.text(name)?.parse().map_err(|source| self.malformed(name, source))
    }

    fn optional_file(&self, name: &str) -> Result<Option<StoreFile>, Error> {
        self.optional(name).map(|_| self.file(name)).transpose()
    }
}

/// A JSON value's kind, for a person.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
#[path = "bootspec_tests.rs"]
mod tests;
