//! Units that Microsoft asks to be disabled or masked, of the system and of users.
//!
//! NixOS lays all units out in `/etc/systemd`: a unit is enabled where a `.wants` or `.requires`
//! directory names it, and masked where it is a link to `/dev/null`.

use super::Subject;
use crate::tree::{Kind, Node};

/// Units that manage what WSL manages.
pub(super) const MANAGED: [&str; 4] =
    ["systemd-resolved.service", "systemd-networkd.service", "NetworkManager.service", "tmp.mount"];

/// Units that make and remove temporary files.
pub(super) const TMPFILES: [&str; 5] = [
    "systemd-tmpfiles-setup.service",
    "systemd-tmpfiles-clean.service",
    "systemd-tmpfiles-clean.timer",
    "systemd-tmpfiles-setup-dev-early.service",
    "systemd-tmpfiles-setup-dev.service",
];

/// Tells which of some units would be started.
pub(super) fn enabled(subject: Subject<'_>, units: &[&str]) -> Option<String> {
    let of = |manager: &str| subject.find(&format!("{}/etc/systemd/{manager}", subject.toplevel));
    let managers: Vec<Node<'_>> = ["system", "user"].into_iter().filter_map(of).collect();
    let is_enabled = |unit: &str| managers.iter().any(|manager| starts(*manager, unit));
    let found: Vec<&str> = units.iter().copied().filter(|unit| is_enabled(unit)).collect();
    (!found.is_empty()).then(|| format!("{} to be started", found.join(", ")))
}

fn starts(manager: Node<'_>, unit: &str) -> bool {
    let named = manager.child(unit.as_bytes());
    let is_masked = named.is_some_and(|unit| match unit.kind() {
        Kind::Symlink(target) => **target == *b"/dev/null",
        Kind::Directory | Kind::File(_) | Kind::Device(_) | Kind::Fifo => false,
    });
    let pulls = |directory: &Node<'_>| {
        let name = directory.name();
        (name.ends_with(b".wants") || name.ends_with(b".requires"))
            && directory.child(unit.as_bytes()).is_some()
    };
    !is_masked && manager.children().any(|directory| pulls(&directory))
}
