//! Which modules an image carries, and in which order.
//!
//! An ISO has no `x86_64-efi/*.mod` beside its menu, so that everything a menu uses must be in the image
//! itself. The kernel loads modules in the order in which they lie there and does not look ahead: what a
//! module needs comes before it. `moddep.lst` says what that is, one line each: `linux: boot video …`.
//!
//! Modules came and went between GRUB's versions. Those without which no kernel is started are needed; the
//! rest is welcome, and left out where the closure's GRUB has none.

use std::collections::{BTreeMap, BTreeSet};

use super::file::{File, Folder};
use super::{Error, Platform};

/// Without these no ISO is found, read or started.
const NEEDED: [&str; 7] =
    ["iso9660", "part_gpt", "part_msdos", "search", "configfile", "normal", "linux"];

/// The disks of a BIOS; UEFI's are in the kernel.
const NEEDED_BIOS: [&str; 1] = ["biosdisk"];

/// The EFI partition.
const NEEDED_EFI: [&str; 1] = ["fat"];

/// What menus of ISOs use.
const WELCOME: [&str; 25] = [
    "search_fs_file",
    "search_fs_uuid",
    "search_label",
    "echo",
    "test",
    "true",
    "regexp",
    "sleep",
    "ls",
    "cat",
    "loadenv",
    "loopback",
    "minicmd",
    "probe",
    "boot",
    "chain",
    "halt",
    "reboot",
    "serial",
    "terminal",
    "terminfo",
    "all_video",
    "gfxterm",
    "keystatus",
    "gzio",
];

/// What menus use on UEFI alone; `fdt` has `devicetree`, on Arm.
const WELCOME_EFI: [&str; 3] = ["efi_gop", "efifwsetup", "fdt"];

/// Reads all modules of an image in the order in which the kernel can load them.
pub(super) fn read(folder: Folder<'_>, platform: Platform) -> Result<Vec<File>, Error> {
    let list = folder.read("moddep.lst")?;
    let needs = parse(&list)?;
    let (needed, welcome): (&[&str], &[&str]) = match platform {
        Platform::Bios => (&NEEDED_BIOS, &[]),
        Platform::Efi(_) => (&NEEDED_EFI, &WELCOME_EFI),
    };
    let mut wanted: Vec<&str> = [needed, &NEEDED].concat();
    for name in [&WELCOME, welcome].concat() {
        if folder.store.kind(&folder.file(&file_name(name))?)?.is_some() {
            wanted.push(name);
        }
    }
    let read = |(name, needed_by): (&str, &str)| match folder.read(&file_name(name)) {
        Err(Error::Store(error)) if error.is_not_found() => {
            let file = folder.file(&file_name(name))?;
            Err(Error::Module { file, needed_by: needed_by.to_owned() })
        }
        read => read,
    };
    order(&needs, &wanted).into_iter().map(read).collect()
}

fn file_name(module: &str) -> String {
    format!("{module}.mod")
}

/// What every module needs, by its name.
fn parse(list: &File) -> Result<BTreeMap<&str, Vec<&str>>, Error> {
    let text = std::str::from_utf8(&list.bytes)
        .map_err(|_| list.malformed("is not UTF-8 text".to_owned()))?;
    let line = |line| match str::split_once(line, ':') {
        Some((name, needs)) => Ok((name.trim(), needs.split_whitespace().collect())),
        None => Err(list.malformed(format!("has {line:?}, expected \"MODULE: MODULES\""))),
    };
    text.lines().map(line).collect()
}

/// All wanted modules and what they need, each once and after what it needs, with who asked for it.
///
/// What is named last on a line comes first: the order of `grub-mkimage`, so that images can be compared.
fn order<'a>(
    needs: &BTreeMap<&'a str, Vec<&'a str>>,
    wanted: &[&'a str],
) -> Vec<(&'a str, &'a str)> {
    let mut seen = BTreeSet::new();
    let mut order = Vec::new();
    for name in wanted {
        // A stack instead of recursion: a list may be as deep as it is long.
        let mut pending = vec![(*name, "an ISO's menu", false)];
        while let Some((name, needed_by, ready)) = pending.pop() {
            if ready {
                order.push((name, needed_by));
            } else if seen.insert(name) {
                pending.push((name, needed_by, true));
                let below = needs.get(name).into_iter().flatten();
                pending.extend(below.map(|below| (*below, name, false)));
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> File {
        let place = "/nix/store/p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-grub/moddep.lst".parse().unwrap();
        File { place, bytes: text.into() }
    }

    #[test]
    fn what_a_module_needs_comes_before_it() {
        let list = list("linux: boot video\nvideo:\nboot: extcmd\nnormal: boot extcmd \n");
        let needs = parse(&list).unwrap();
        let found = order(&needs, &["linux", "normal", "boot", "echo"]);
        let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["video", "extcmd", "boot", "linux", "normal", "echo"]);
        assert_eq!(found[1], ("extcmd", "boot"));
    }

    #[test]
    fn a_circle_ends() {
        let list = list("a: b\nb: a\n");
        let found = order(&parse(&list).unwrap(), &["a"]);
        assert_eq!(found, [("b", "a"), ("a", "an ISO's menu")]);
    }

    #[test]
    fn a_line_that_is_none_is_refused() {
        let found = parse(&list("linux boot\n")).unwrap_err().to_string();
        assert!(found.ends_with("has \"linux boot\", expected \"MODULE: MODULES\""), "{found}");
    }
}
