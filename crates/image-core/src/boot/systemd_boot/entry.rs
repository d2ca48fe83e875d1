//! Entries of the menu: one file for the system and one for each specialisation.
//!
//! Follows the UAPI Boot Loader Specification, type 1, and `BOOT_ENTRY` of nixpkgs' builder.

use super::{Content, Error};
use crate::epoch::Epoch;
use crate::inputs::bootspec::Bootspec;
use crate::inputs::store::HostStore;
use crate::inputs::store_path::StoreFile;

/// Where kernels and initrds lie.
const KERNELS: &str = "EFI/nixos";

/// Where entries lie.
const ENTRIES: &str = "loader/entries";

/// The name of the one generation that an image has.
pub(super) const GENERATION: &str = "nixos-generation-1";

/// Characters that FAT refuses in names.
pub(crate) const FAT_REFUSES: &str = "\"*/:<>?\\|";

/// Where an entry lies on the ESP.
pub(super) fn file_name(specialisation: Option<&str>, tries: Option<u32>) -> Result<String, Error> {
    let mut name = format!("{ENTRIES}/{GENERATION}");
    if let Some(part) = specialisation {
        if part.contains(|c: char| c.is_control() || FAT_REFUSES.contains(c)) {
            return Err(Error::Name { name: part.to_owned() });
        }
        name.push_str(&format!("-specialisation-{part}"));
    }
    if let Some(tries) = tries {
        name.push_str(&format!("+{tries}"));
    }
    Ok(name + ".conf")
}

/// One entry of the menu.
pub(super) struct Entry<'a> {
    specialisation: Option<&'a str>,
    spec: &'a Bootspec,
    kernel: StoreFile,
    initrd: Option<StoreFile>,
    devicetree: Option<StoreFile>,
}

impl<'a> Entry<'a> {
    pub(super) fn of(
        store: &HostStore,
        specialisation: Option<&'a str>,
        spec: &'a Bootspec,
    ) -> Result<Self, Error> {
        if !spec.extra_initrds.is_empty() {
            let paths = spec.extra_initrds.clone();
            return Err(Error::ExtraInitrds { toplevel: spec.toplevel.clone(), paths });
        }
        let resolve =
            |file: &Option<StoreFile>| file.as_ref().map(|f| store.resolve(f)).transpose();
        Ok(Self {
            specialisation,
            spec,
            kernel: store.resolve(&spec.kernel)?,
            initrd: resolve(&spec.initrd)?,
            devicetree: resolve(&spec.devicetree)?,
        })
    }

    /// What the entry's lines refer to.
    pub(super) fn files(&self) -> impl Iterator<Item = (String, Content)> {
        [Some(&self.kernel), self.initrd.as_ref(), self.devicetree.as_ref()]
            .into_iter()
            .flatten()
            .map(|file| (place(file), Content::Store(file.clone())))
    }

    /// The file's text.
    pub(super) fn text(&self, distro: &str, epoch: Epoch) -> Result<String, Error> {
        let distro = self.plain("the distribution's name", distro)?;
        let title = match self.specialisation {
            Some(name) => format!("{distro} ({name})"),
            None => distro.to_owned(),
        };
        let label = self.plain("the label", &self.spec.label)?;
        let sort_key = self.plain("the sort key", &self.spec.sort_key)?;
        let mut options = format!("init={}", self.spec.init);
        for parameter in &self.spec.kernel_params {
            options.push(' ');
            options.push_str(self.plain("a kernel parameter", parameter)?);
        }
        let line = |key: &str, file: &Option<StoreFile>| {
            file.as_ref().map(|file| format!("{key} /{}\n", place(file))).unwrap_or_default()
        };
        Ok(format!(
            "title {title}\nsort-key {sort_key}\nversion Generation 1 {label}, built on {date}\n\
             linux /{kernel}\n{initrd}options {options}\n{devicetree}",
            date = date(epoch),
            kernel = place(&self.kernel),
            initrd = line("initrd", &self.initrd),
            devicetree = line("devicetree", &self.devicetree),
        ))
    }

    fn plain<'t>(&self, what: &'static str, text: &'t str) -> Result<&'t str, Error> {
        if text.contains(char::is_control) {
            let toplevel = self.spec.toplevel.clone();
            return Err(Error::Control { what, toplevel, text: text.to_owned() });
        }
        Ok(text)
    }
}

/// Where a file of the store lies on the ESP.
pub(crate) fn place(file: &StoreFile) -> String {
    let base = file.path().base_name();
    if file.inner().is_empty() {
        format!("{KERNELS}/{base}.efi")
    } else {
        format!("{KERNELS}/{base}-{}.efi", file.file_name())
    }
}

/// The day of an epoch in UTC, `2026-11-21`.
pub(super) fn date(epoch: Epoch) -> String {
    // Years are counted from March, so that a leap day is the last of its year.
    let days = u64::from(epoch.seconds()) / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}
