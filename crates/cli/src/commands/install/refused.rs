//! What about a machine forbids an installation, each with its way out.

use std::fmt::Write;

use calve_installer::refuse::Refusal;

use super::reached::Reached;
use crate::failure::{Failure, Kind};
use crate::write_refusal;

/// All refusals at once.
pub(super) fn refused(reached: &Reached, refusals: &[Refusal]) -> Failure {
    let mut note = String::new();
    for refusal in refusals {
        // Writing to a string cannot fail.
        let _ = writeln!(note, "  {refusal}\n    {}", way_out(refusal));
    }
    let message = format!("nothing can be installed on {} like this", reached.target().name());
    Failure::new(Kind::Refused, message).note(note)
}

fn way_out(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Disk(refusal) => write_refusal::way_out(refusal),
        Refusal::Sector { .. } => "name another disk".to_owned(),
        Refusal::Clash { device, .. } => {
            format!("take {device} out, or give the system another name to look for")
        }
        Refusal::Root { at, .. } => {
            format!("umount --recursive {}, or --resume if it is an installation's", at.display())
        }
        Refusal::Processor { found, .. } => {
            format!("build the system for {found}-linux")
        }
        Refusal::Firmware { .. } => {
            "choose UEFI in the machine's setup, and start the installer again".to_owned()
        }
        Refusal::Program { name, .. } if name == "nix-store" || name == "nix" => {
            "start a NixOS installer on it".to_owned()
        }
        Refusal::Program { name, .. } => {
            format!("start a NixOS installer on it, or one of your own with {name}")
        }
        Refusal::Login => {
            "log in as root, or let sudo ask that user nothing (security.sudo.wheelNeedsPassword)"
                .to_owned()
        }
    }
}
