//! All steps as text: what somebody reads before they are done, and can paste into a shell of root's.
//!
//! What a command reads stands behind `<`: a text as it is, a secret by its name. Commands that destroy
//! something say which disk they look at first.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::ROOT;
use super::step::{Action, Command, Input, Step};

/// What ends a text that a command reads; no text of ours has such a line.
const END: &str = "END";

/// Programs that our scripts may call, beside those that every system has.
pub(crate) const IN_SCRIPTS: [&str; 17] = [
    "chroot",
    "cryptsetup",
    "findmnt",
    "mount",
    "mountpoint",
    "ssh-keygen",
    "swapoff",
    "swapon",
    "systemctl",
    "tar",
    "umount",
    "unshare",
    "wipefs",
    "mkfs.btrfs",
    "mkfs.xfs",
    "btrfs",
    "nix-env",
];

/// Lists what each step does, command by command.
pub fn listing(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        let mut about = vec![step.phase.word().to_owned()];
        about.extend(step.is_volatile.then(|| "only what is not done".to_owned()));
        about.extend(step.destroys.as_ref().map(|disk| format!("destroys on {disk}")));
        line(&mut text, format_args!("# {}: {}", step.name, about.join(", ")));
        match &step.action {
            Action::Run(commands) | Action::Restart(commands) => {
                for command in commands {
                    self::command(&mut text, command);
                }
            }
            Action::Copy => line(&mut text, format_args!("# the closure comes to {ROOT}")),
        }
        text.push('\n');
    }
    text
}

fn command(text: &mut String, command: &Command) {
    let guard = command.guards.as_ref();
    let guard = guard.map(|disk| format!("  # only while {disk} is the disk that was surveyed"));
    let (words, guard) = (command.line(), guard.unwrap_or_default());
    match &command.input {
        Input::Nothing => line(text, format_args!("{words}{guard}")),
        Input::Text(input) => {
            line(text, format_args!("{words} <<'{END}'{guard}"));
            text.push_str(input);
            if !input.ends_with('\n') {
                text.push('\n');
            }
            line(text, format_args!("{END}"));
        }
        input @ (Input::Passphrase { .. }
        | Input::Both { .. }
        | Input::Secret(_)
        | Input::Files(_)) => line(text, format_args!("{words}  # < {input}{guard}")),
    }
}

/// A string takes whatever is written to it.
fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(text, "{line}");
}

/// Lists the programs that steps need, beside those that every system has.
pub fn programs(steps: &[Step]) -> BTreeSet<&str> {
    let mut programs = BTreeSet::new();
    for command in steps.iter().flat_map(Step::commands) {
        let mut words = command.words.iter().map(String::as_str);
        match words.next() {
            Some("sh") => {}
            Some(program) => _ = programs.insert(program),
            None => continue,
        }
        // Scripts, and what comes after the words of a program that starts another.
        for word in words {
            let is_name = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
            let names = word.split(|c| !is_name(c));
            programs.extend(names.filter(|name| IN_SCRIPTS.contains(name)));
        }
    }
    programs
}
