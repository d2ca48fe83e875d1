//! What does the last part of an installation: `nixos-install`, or the same steps where there is none.
//!
//! Follows nixpkgs' `nixos-install.sh` and `nixos-enter.sh`, what they do for a closure that is there already.

use calve_image_core::inputs::store_path::StorePath;

use super::ROOT;
use super::step::{Command, Phase, Step};
use crate::survey::Machine;

/// Makes the system profile's first generation, and keeps Nix from collecting it.
const LINK: &str = include_str!("link.sh");

/// Makes the marks by which programs know the new root: as a NixOS, and for GRUB.
const MARK: &str = r#"umask 022; mkdir -p "$1/etc"; touch "$1/etc/NIXOS"; exec ln -sfn /proc/mounts "$1/etc/mtab""#;

/// Activates the system and installs its boot loader.
const ENTER: &str = include_str!("enter.sh");

/// What installs a system whose closure is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The machine's `nixos-install`.
    NixosInstall,
    /// Our own commands.
    Own {
        /// Whether Nix makes the profile's generation.
        has_nix_env: bool,
    },
}

impl Engine {
    /// Chooses by what a machine has.
    pub fn of(machine: &Machine) -> Self {
        // Both are of one package; the one does nothing without the other.
        if machine.has("nixos-install") && machine.has("nixos-enter") {
            return Self::NixosInstall;
        }
        Self::Own { has_nix_env: machine.has("nix-env") }
    }

    /// Lists the steps that install a system.
    pub(super) fn steps(self, toplevel: &StorePath) -> Vec<Step> {
        let toplevel = toplevel.to_string();
        let step = |name: &str, command| Step::run(name.to_owned(), Phase::Install, vec![command]);
        let has_nix_env = match self {
            Self::NixosInstall => {
                let words = ["nixos-install", "--root", ROOT, "--system", &toplevel];
                let words = words.into_iter().chain(["--no-root-passwd", "--no-channel-copy"]);
                return vec![step("nixos-install", Command::new(words))];
            }
            Self::Own { has_nix_env } => has_nix_env,
        };
        let profile = format!("{ROOT}/nix/var/nix/profiles/system");
        let profile = if has_nix_env {
            Command::new(["nix-env", "--store", ROOT, "--profile", &profile, "--set", &toplevel])
        } else {
            Command::script(LINK, "link", [ROOT, &toplevel])
        };
        let enter =
            ["unshare", "--fork", "--kill-child", "--mount", "--uts", "--mount-proc", "--pid"];
        let enter = enter.into_iter().chain(["sh", "-c", ENTER, "enter", ROOT, &toplevel]);
        vec![
            step("set the system profile", profile),
            step("mark the root", Command::script(MARK, "mark", [ROOT])),
            step("activate and install the boot loader", Command::new(enter)),
        ]
    }
}
