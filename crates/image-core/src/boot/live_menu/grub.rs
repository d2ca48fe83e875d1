//! The menu as GRUB reads it, in BIOS and UEFI machines alike.
//!
//! The text is a script, so whatever is not plain is quoted. Where there is a BIOS, GRUB speaks on the
//! first serial line too; UEFI firmware leads its own console there, and two at once would say all
//! things twice. Follows GRUB's manual and `grub_create_loader_cmdline` of its sources.

use super::{Menu, TIMEOUT, place};

/// Writes `grub.cfg`; GRUB's root is the medium by then.
pub fn text(menu: &Menu) -> String {
    let mut text = format!(
        "set default={}\nset timeout={TIMEOUT}\n\
         if [ \"$grub_platform\" = pc ]; then\n  \
         if serial --unit=0 --speed=115200; then\n    \
         terminal_input console serial\n    terminal_output console serial\n  fi\nfi\n",
        menu.default
    );
    for entry in &menu.entries {
        let parameters: Vec<String> =
            entry.parameters.iter().flat_map(|text| arguments(text)).collect();
        text.push_str(&format!(
            "\nmenuentry {} --id {} {{\n  linux {} {}\n",
            quoted(&entry.title),
            quoted(&entry.name),
            quoted(&place(&entry.kernel)),
            parameters.join(" ")
        ));
        for (command, file) in [("initrd", &entry.initrd), ("devicetree", &entry.devicetree)] {
            if let Some(file) = file {
                text.push_str(&format!("  {command} {}\n", quoted(&place(file))));
            }
        }
        text.push_str("}\n");
    }
    text.push_str(
        "\nif [ \"$grub_platform\" = efi ]; then\n  \
         menuentry 'Firmware Setup' --id firmware {\n    fwsetup\n  }\nfi\n",
    );
    text
}

/// The arguments that GRUB makes a parameter of again.
///
/// It puts arguments with spaces into double quotes itself, and the kernel takes those away wherever
/// they begin: `"a=b c"` and `a="b c"` mean the same to it.
fn arguments(parameter: &str) -> Vec<String> {
    let mut arguments = vec![String::new()];
    let mut is_inside = false;
    for c in parameter.chars() {
        match (c, arguments.last_mut()) {
            ('"', _) => is_inside = !is_inside,
            (' ', _) if !is_inside => arguments.push(String::new()),
            (c, Some(last)) => last.push(c),
            (_, None) => {}
        }
    }
    arguments.retain(|argument| !argument.is_empty());
    arguments.iter().map(|argument| quoted(argument)).collect()
}

/// A word as GRUB's script takes it for one.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-_.,:=+@%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_reach_the_kernel_as_they_are() {
        let of = |text: &str| arguments(text).join(" ");
        assert_eq!(of("root=LABEL=nixos-24.11-x86_64"), "root=LABEL=nixos-24.11-x86_64");
        assert_eq!(of("dyndbg=\"file x +p\""), "'dyndbg=file x +p'");
        assert_eq!(of("a b"), "a b");
        assert_eq!(of("x=$(y);z"), "'x=$(y);z'");
        assert_eq!(of("x='y'"), "'x='\\''y'\\'''");
        assert_eq!(of(""), "");
    }
}
