//! Finds UEFI firmware for a machine: a code image and a template for its variables.
//!
//! Looks, in this order, at the paths the caller names; at QEMU's own firmware descriptors
//! (`docs/interop/firmware.json` in QEMU's source), which is how distributions say what they
//! installed; at the places where they put it before that; and at an `ovmf-prebuilt` cache
//! directory if the caller names one. The first complete pair of files wins.
//!
//! Secure Boot builds are passed over: images are not signed. A failure lists every place looked
//! at and the packages that would help. Nothing is downloaded and no environment is read.

mod descriptor;
mod places;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::architecture::Architecture;

/// UEFI firmware as two flash images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firmware {
    /// The architecture it runs on.
    pub architecture: Architecture,
    /// The read-only code.
    pub code: Flash,
    /// The empty variable store; each run gets its own copy.
    pub vars: Flash,
}

/// One flash image and its format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flash {
    /// Where it is.
    pub path: PathBuf,
    /// How it is stored.
    pub format: FlashFormat,
}

/// The formats in which distributions ship flash images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlashFormat {
    /// The bytes themselves.
    Raw,
    /// A qcow2 image of them (Fedora).
    Qcow2,
}

impl FlashFormat {
    /// QEMU's name of the format.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }
}

/// Where to look for firmware.
#[derive(Debug, Clone)]
pub struct Search {
    /// The guest's architecture.
    pub architecture: Architecture,
    /// The code image to use, whatever else is there.
    pub code: Option<PathBuf>,
    /// The variable store that belongs to `code`; derived from its name when absent.
    pub vars: Option<PathBuf>,
    /// The directory that stands for `/`.
    pub root: PathBuf,
    /// QEMU data directories to look in first, such as `PREFIX/share/qemu`.
    pub data_dirs: Vec<PathBuf>,
    /// A directory that the `ovmf-prebuilt` crate has filled.
    pub prebuilt: Option<PathBuf>,
}

impl Search {
    /// Looks where distributions put firmware, and nowhere else.
    pub fn new(architecture: Architecture) -> Self {
        Self {
            architecture,
            code: None,
            vars: None,
            root: PathBuf::from("/"),
            data_dirs: Vec::new(),
            prebuilt: None,
        }
    }
}

/// Why there is no firmware.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No complete pair of files anywhere.
    #[error(
        "no UEFI firmware for {architecture} found; install {packages}; looked at:\n  {}",
        looked_at(.places)
    )]
    NotFound {
        /// The architecture asked for.
        architecture: Architecture,
        /// The packages that hold it, for people.
        packages: &'static str,
        /// Every place looked at, in order.
        places: Vec<PathBuf>,
    },
    /// The named file is not there.
    #[error("firmware {} cannot be read", path.display())]
    Unreadable {
        /// The path the caller named.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Code was named, but its variable store is neither named nor beside it.
    #[error(
        "firmware code {} has no variable store beside it; expected {}",
        code.display(),
        expected.display()
    )]
    NoVars {
        /// The code image.
        code: PathBuf,
        /// Where the variable store would be.
        expected: PathBuf,
    },
}

fn looked_at(places: &[PathBuf]) -> String {
    let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
    places.join("\n  ")
}

impl Firmware {
    /// Finds firmware, or says where it looked.
    pub fn find(search: &Search) -> Result<Self, Error> {
        if let Some(code) = &search.code {
            return Self::explicit(search, code);
        }
        let mut looked = Vec::new();
        let descriptors = descriptor::files(search, &mut looked);
        let described =
            descriptors.iter().filter_map(|path| descriptor::read(path, search.architecture));
        for firmware in described {
            looked.push(firmware.code.path.clone());
            if firmware.is_complete() {
                return Ok(firmware);
            }
        }
        for (code, vars) in places::pairs(search) {
            looked.push(code.clone());
            let firmware = Self::pair(search.architecture, &code, &vars);
            if firmware.is_complete() {
                return Ok(firmware);
            }
        }
        Err(Error::NotFound {
            architecture: search.architecture,
            packages: places::packages(search.architecture),
            places: looked,
        })
    }

    fn explicit(search: &Search, code: &Path) -> Result<Self, Error> {
        let vars = match &search.vars {
            Some(vars) => vars.clone(),
            None => vars_beside(code),
        };
        readable(code)?;
        if search.vars.is_none() && !vars.is_file() {
            return Err(Error::NoVars { code: code.to_owned(), expected: vars });
        }
        readable(&vars)?;
        Ok(Self::pair(search.architecture, code, &vars))
    }

    fn pair(architecture: Architecture, code: &Path, vars: &Path) -> Self {
        Self { architecture, code: Flash::named(code), vars: Flash::named(vars) }
    }

    fn is_complete(&self) -> bool {
        self.code.path.is_file() && self.vars.path.is_file()
    }
}

impl Flash {
    /// Takes the format from the file's extension, as distributions name them.
    fn named(path: &Path) -> Self {
        let format = match path.extension() {
            Some(extension) if extension == "qcow2" => FlashFormat::Qcow2,
            Some(_) | None => FlashFormat::Raw,
        };
        Self { path: path.to_owned(), format }
    }
}

fn readable(path: &Path) -> Result<(), Error> {
    match fs::File::open(path) {
        Ok(_) => Ok(()),
        Err(source) => Err(Error::Unreadable { path: path.to_owned(), source }),
    }
}

/// The variable store's path by the naming that every distribution follows: `CODE` becomes `VARS`.
fn vars_beside(code: &Path) -> PathBuf {
    let name = code.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let vars = match name.as_str() {
        "edk2-x86_64-code.fd" => "edk2-i386-vars.fd".to_owned(),
        "edk2-aarch64-code.fd" => "edk2-arm-vars.fd".to_owned(),
        _ => name.replace("CODE", "VARS").replace("code", "vars"),
    };
    code.with_file_name(vars)
}

#[cfg(test)]
mod tests;
