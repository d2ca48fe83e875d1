//! What stands before every command that destroys something: is this still the disk that was surveyed?

use crate::survey::Identity;

/// The exit code that says that it is another disk; its last words say why.
pub const CHANGED: i32 = 90;

/// What runs on the machine.
const SCRIPT: &str = include_str!("guard.sh");

/// The words of a command that runs only while the disk at `device` is the one of that identity.
pub fn guarded(device: &str, identity: &Identity, words: &[String]) -> Vec<String> {
    let size = identity.size.get() / 512;
    let sequence = identity.sequence.as_deref().unwrap_or("-");
    let known = [identity.number.to_string(), size.to_string(), sequence.to_owned()];
    let before = ["sh", "-c", SCRIPT, "guard", device].map(str::to_owned);
    before.into_iter().chain(known).chain(words.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use calve_image_core::units::Bytes;

    use super::*;
    use crate::survey::{Device, Host};

    /// On a disk of this machine, which is only asked who it is.
    #[test]
    fn another_disk_under_the_same_name_is_left_alone() {
        let disks = Device::disks(&Host::running()).unwrap();
        let Some(disk) = disks.first() else {
            eprintln!("SKIPPED: this machine has no disks");
            return;
        };
        let device = format!("/dev/{}", disk.name);
        let run = |device: &str, identity: &Identity| {
            let words = guarded(device, identity, &["echo".to_owned(), "it's done".to_owned()]);
            let output = Command::new(&words[0]).args(&words[1..]).output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            (output.status.code(), said + &String::from_utf8_lossy(&output.stderr))
        };
        let known = &disk.identity;
        assert_eq!(run(&device, known), (Some(0), "it's done\n".to_owned()));
        let other = |identity: Identity, expected: &str| {
            let (code, said) = run(&device, &identity);
            assert_eq!(code, Some(90), "{said}");
            assert!(said.contains(expected) && !said.contains("done"), "{said}");
        };
        other(Identity { size: known.size + Bytes::new(512), ..known.clone() }, "another size");
        other(Identity { number: "1:1".parse().unwrap(), ..known.clone() }, "another disk");
        if known.sequence.is_some() {
            let sequence = Some("999999".to_owned());
            other(Identity { sequence, ..known.clone() }, "taken out");
        }
        let (code, said) = run("/dev/no such disk", known);
        assert_eq!((code, said.as_str()), (Some(90), "/dev/no such disk is gone\n"));
    }
}
