//! The menu as systemd-boot reads it, with the kernels, which it cannot read from anywhere else.
//!
//! Entries are ordered by their sort keys, which count. systemd-boot adds the firmware's setup by
//! itself (`auto-firmware`). Follows the UAPI Boot Loader Specification, type 1, and loader.conf(5).

use std::collections::BTreeMap;

use super::{Menu, TIMEOUT};
use crate::boot::systemd_boot::{Content, Files, Machine, place};
use crate::inputs::store_path::StoreFile;

/// Plans the files of an EFI system partition; `program` is systemd-boot itself.
pub fn files(menu: &Menu, machine: Machine, program: StoreFile) -> Files {
    let mut files = BTreeMap::from([(machine.fallback(), Content::Store(program))]);
    for (number, entry) in menu.entries.iter().enumerate() {
        let mut text = format!(
            "title {}\nsort-key nixos-{number:03}\nlinux /{}\n",
            entry.title,
            place(&entry.kernel)
        );
        let more = [("initrd", &entry.initrd), ("devicetree", &entry.devicetree)];
        for (key, file) in more {
            if let Some(file) = file {
                text.push_str(&format!("{key} /{}\n", place(file)));
            }
        }
        text.push_str(&format!("options {}\n", entry.command_line()));
        files.insert(format!("loader/entries/{}.conf", entry.name), Content::Text(text));
    }
    for file in menu.files() {
        files.insert(place(file), Content::Store(file.clone()));
    }
    let default = menu.default_entry().map_or("nixos", |entry| entry.name.as_str());
    let conf = format!("timeout {TIMEOUT}\ndefault {default}.conf\nconsole-mode keep\n");
    files.insert("loader/loader.conf".to_owned(), Content::Text(conf));
    files.insert("loader/entries.srel".to_owned(), Content::Text("type1\n".to_owned()));
    Files(files)
}
