//! Where a closure has a GRUB, for each platform.
//!
//! nixpkgs keeps `lib/grub/<platform>`, Debian `usr/lib/grub/<platform>`; a `system-path` links to either,
//! so links are followed before paths are compared. BIOS and UEFI may come from different store paths: the
//! images have nothing in common.

use std::collections::BTreeSet;
use std::fmt;

use super::Error;
use crate::boot::systemd_boot::Machine;
use crate::inputs::closure::Closure;
use crate::inputs::store::{self, HostStore};
use crate::inputs::store_path::{StoreFile, StorePath};

/// Where the folders of the platforms lie in a store path.
const PLACES: [&str; 2] = ["lib/grub", "usr/lib/grub"];

/// What every folder has.
const KERNEL: &str = "kernel.img";

/// The processors whose UEFI kernels can be linked here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cpu {
    X86_64,
    Aarch64,
}

/// What an image of GRUB runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// A PC with a BIOS.
    Bios,
    /// A machine with UEFI.
    Efi(Machine),
}

impl Platform {
    /// All that images can be made for.
    pub const ALL: [Self; 3] =
        [Self::Bios, Self::Efi(Machine::X86_64), Self::Efi(Machine::Aarch64)];

    /// GRUB's name of the platform, which is the name of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bios => "i386-pc",
            Self::Efi(Machine::X86_64) => "x86_64-efi",
            Self::Efi(Machine::Aarch64) => "arm64-efi",
            // There is no image for it, so it is never looked for.
            Self::Efi(Machine::I686) => "i386-efi",
        }
    }

    /// Whose UEFI kernel it is; none where there is nothing to link.
    pub(super) fn cpu(self) -> Option<Cpu> {
        match self {
            Self::Efi(Machine::X86_64) => Some(Cpu::X86_64),
            Self::Efi(Machine::Aarch64) => Some(Cpu::Aarch64),
            Self::Bios | Self::Efi(Machine::I686) => None,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A closure's GRUB: one folder for each platform, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grub {
    folders: Vec<(Platform, StoreFile)>,
}

impl Grub {
    /// Looks through the closure; `None` where no path holds a GRUB.
    ///
    /// Of several for one platform the greatest name is taken (`grub-2.12` before `grub-2.06`), then the
    /// greatest hash; [`Grub::folder`] says which it was.
    ///
    /// # Errors
    /// A path of the closure cannot be looked at.
    pub fn find(store: &HostStore, closure: &Closure) -> Result<Option<Self>, Error> {
        let mut folders = Vec::new();
        for platform in Platform::ALL {
            let mut found = BTreeSet::new();
            for info in closure.paths() {
                found.extend(folder(store, &info.path, platform)?);
            }
            let best = found.into_iter().max_by_key(|folder: &StoreFile| {
                (folder.path().name().to_owned(), folder.path().base_name().to_owned())
            });
            folders.extend(best.map(|folder| (platform, folder)));
        }
        Ok(if folders.is_empty() { None } else { Some(Self { folders }) })
    }

    /// The folder of a platform.
    ///
    /// # Errors
    /// There is none; says for which platforms there are.
    pub fn folder(&self, platform: Platform) -> Result<&StoreFile, Error> {
        let found = self.folders.iter().find(|(known, _)| *known == platform);
        found.map(|(_, folder)| folder).ok_or_else(|| self.lacks(platform))
    }

    /// Says that it is not for a platform.
    pub(super) fn lacks(&self, platform: Platform) -> Error {
        let known: Vec<&str> = self.folders.iter().map(|(known, _)| known.name()).collect();
        Error::Platform { expected: platform, found: known.join(", ") }
    }

    /// Whether images can be made for a platform.
    pub fn is_for(&self, platform: Platform) -> bool {
        self.folder(platform).is_ok()
    }
}

/// The folder of a platform in one store path, links followed.
fn folder(
    store: &HostStore,
    path: &StorePath,
    platform: Platform,
) -> Result<Option<StoreFile>, Error> {
    for place in PLACES {
        let inner = format!("{place}/{platform}/{KERNEL}");
        let kernel = match store.resolve(&path.join(&inner)?) {
            Ok(kernel) => kernel,
            // Something else that happens to be called `lib` and leads elsewhere.
            Err(store::Error::Outside { .. } | store::Error::Loop { .. }) => continue,
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error.into()),
        };
        if let Some((folder, KERNEL)) = kernel.inner().rsplit_once('/') {
            return Ok(Some(kernel.path().join(folder)?));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::inputs::closure::PathInfo;

    const OLD: &str = "z1ghxi6s5ar9ga8i0wcsadlng4vqc25a-grub-2.06";
    const NEW: &str = "31nfjp6r58f3bm5ddfyc1f23kh7674vw-grub-2.12";
    const SYSTEM: &str = "dkjkx193vdcfsb620i6awinym48z03lq-system-path";
    const ODD: &str = "0cp4457rsfjysx8b863093x3ljf5yrry-odd";

    fn closure(names: &[&str]) -> Closure {
        let paths: Vec<StorePath> =
            names.iter().map(|name| StorePath::from_base_name(name).unwrap()).collect();
        let infos = paths.iter().map(|path| PathInfo::sample(path.clone(), Vec::new()));
        Closure::of(infos, &paths).unwrap()
    }

    #[test]
    fn the_newest_is_found_through_links() {
        let root = tempfile::tempdir().unwrap();
        let path = |base: &str| root.path().join("nix/store").join(base);
        let put = |base: &str, folder: &str| {
            fs::create_dir_all(path(base).join(folder)).unwrap();
            fs::write(path(base).join(folder).join(KERNEL), "").unwrap();
        };
        put(OLD, "usr/lib/grub/i386-pc");
        put(OLD, "usr/lib/grub/arm64-efi");
        put(NEW, "lib/grub/i386-pc");
        fs::create_dir_all(path(SYSTEM)).unwrap();
        symlink(format!("/nix/store/{NEW}/lib"), path(SYSTEM).join("lib")).unwrap();
        fs::create_dir_all(path(ODD)).unwrap();
        symlink("/usr/lib", path(ODD).join("lib")).unwrap();
        symlink("usr", path(ODD).join("usr")).unwrap();

        let store = HostStore::at(root.path());
        let find = |names: &[&str]| Grub::find(&store, &closure(names)).unwrap();
        let grub = find(&[OLD, NEW, SYSTEM, ODD]).unwrap();
        let folder = |platform| grub.folder(platform).unwrap().to_string();
        assert_eq!(folder(Platform::Bios), format!("/nix/store/{NEW}/lib/grub/i386-pc"));
        let arm = folder(Platform::Efi(Machine::Aarch64));
        assert_eq!(arm, format!("/nix/store/{OLD}/usr/lib/grub/arm64-efi"));
        let error = grub.folder(Platform::Efi(Machine::X86_64)).unwrap_err().to_string();
        let expected = "the closure brings no GRUB for x86_64-efi, only for i386-pc, arm64-efi";
        assert_eq!(error, expected);
        assert_eq!(find(&[ODD]), None);
        assert_eq!(find(&[SYSTEM]).unwrap().folders, [grub.folders[0].clone()]);
    }
}
