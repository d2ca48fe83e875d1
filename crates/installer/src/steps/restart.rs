//! The machine lets go of the new system's disks, and starts from them.

use super::ROOT;
use super::mount::{Spot, swaps};
use super::step::{Action, Command, Phase, Step};

/// Swaps no longer to an area, if it is swapped to.
const UNSWAP: &str =
    r#"! grep -qs -e "^$(readlink -f "$1") " -e "^$1 " /proc/swaps || exec swapoff "$1""#;

/// Lets go of everything that is mounted.
const UNMOUNT: &str = r#"! mountpoint -q "$1" || exec umount --recursive "$1""#;

/// Closes a volume, if it is open.
const CLOSE: &str = r#"! cryptsetup status "$1" >/dev/null 2>&1 || exec cryptsetup close "$1""#;

/// A moment later, so that this command ends well and whoever waits for it hears so.
const REBOOT: &str = "(sleep 3; systemctl reboot || reboot) </dev/null >/dev/null 2>&1 &";

/// Lists the last step: what `spots` hold is closed, and the machine restarts.
pub fn restart(spots: &[Spot]) -> Vec<Step> {
    let mut commands = vec![Command::new(["sync"])];
    let swaps = swaps(spots);
    commands.extend(swaps.map(|(_, swap)| Command::script(UNSWAP, "unswap", [swap.as_str()])));
    commands.push(Command::script(UNMOUNT, "unmount", [ROOT]));
    let luks = spots.iter().rev().filter_map(|spot| Some(spot.luks()?.0));
    commands.extend(luks.map(|mapper| Command::script(CLOSE, "close", [mapper])));
    commands.push(Command::new(["sh", "-c", REBOOT]));
    vec![Step {
        name: "restart".to_owned(),
        phase: Phase::Reboot,
        destroys: None,
        is_volatile: false,
        action: Action::Restart(commands),
    }]
}
