//! The menu as ISOLINUX reads it.
//!
//! Kernels are given by LINUX, INITRD and APPEND, and the file is called `isolinux.cfg`, because tools
//! that make sticks of ISOs look for these and rewrite what they find (nixpkgs' `iso-image.nix` tells of
//! UNetbootin). Follows SYSLINUX' own `doc/syslinux.txt` and `doc/menu.txt`.

use super::{Menu, TIMEOUT, place};

/// Writes the file.
pub fn text(menu: &Menu) -> String {
    // Counted in tenths of a second.
    let mut text = format!(
        "SERIAL 0 115200\nTIMEOUT {}\nUI menu.c32\nMENU TITLE NixOS\n",
        TIMEOUT.saturating_mul(10)
    );
    let default = menu.default_entry().map_or("nixos", |entry| entry.name.as_str());
    text.push_str(&format!("DEFAULT {default}\n"));
    for (number, entry) in menu.entries.iter().enumerate() {
        // A caret would mark the next letter as a key.
        let title = entry.title.replace('^', " ");
        text.push_str(&format!("\nLABEL {}\nMENU LABEL {title}\n", entry.name));
        if number == menu.default {
            text.push_str("MENU DEFAULT\n");
        }
        text.push_str(&format!("LINUX {}\n", place(&entry.kernel)));
        if let Some(initrd) = &entry.initrd {
            text.push_str(&format!("INITRD {}\n", place(initrd)));
        }
        text.push_str(&format!("APPEND {}\n", entry.command_line()));
    }
    text
}
