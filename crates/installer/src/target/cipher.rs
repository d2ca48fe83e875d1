//! Which cipher a large copy goes through: AES in GCM, where processor and user leave that to us.
//!
//! ssh's own first choice is ChaCha20, which needs no help of a processor and takes more of its time than all else of
//! a copy, where AES has help. Only the order of ssh's own list is changed, and only where nobody else changed it: neither the user's
//! configuration nor that of the machine. What the host does not know it does not take.

use std::fs;
use std::process::{Command, Stdio};

/// What goes first.
const FAST: [&str; 2] = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"];

/// The setting of a connection; none where there is nothing to choose.
///
/// Both commands tell what ssh would do (`ssh -G`): as it is going to be called, and without any configuration.
pub(super) fn setting(mut called: Command, mut bare: Command) -> Option<String> {
    if !has_aes(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()) {
        return None;
    }
    let told = |command: &mut Command| {
        let told = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        ciphers(&String::from_utf8_lossy(&told.stdout))
    };
    let ours = told(&mut bare)?;
    if told(&mut called)? != ours {
        return None;
    }
    Some(faster(&ours))
}

/// Whether a processor says that it has instructions for AES, as x86 and ARM say it.
fn has_aes(cpuinfo: &str) -> bool {
    let flags =
        cpuinfo.lines().find(|line| line.starts_with("flags") || line.starts_with("Features"));
    flags.is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "aes"))
}

/// The list of ciphers that `ssh -G` tells.
fn ciphers(told: &str) -> Option<String> {
    told.lines().find_map(|line| line.strip_prefix("ciphers ")).map(str::to_owned)
}

/// The same list, in another order.
fn faster(list: &str) -> String {
    let (first, rest): (Vec<&str>, Vec<&str>) =
        list.split(',').partition(|cipher| FAST.contains(cipher));
    let list: Vec<&str> = first.into_iter().chain(rest).collect();
    format!("Ciphers={}", list.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_changes_and_nothing_else() {
        let list = "chacha20-poly1305@openssh.com,aes128-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com";
        let expected = "Ciphers=aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr";
        assert_eq!(faster(list), expected);
        assert_eq!(faster("a,b"), "Ciphers=a,b");
    }

    #[test]
    fn processors_say_what_they_have() {
        assert!(has_aes("model name : x\nflags\t\t: fpu aes avx\n"));
        assert!(has_aes("Features\t: fp asimd aes\n"));
        assert!(!has_aes("flags\t\t: fpu vaes\n") && !has_aes(""));
    }

    #[test]
    fn whoever_chose_keeps_the_choice() {
        let says = |text: &str| {
            let mut command = Command::new("printf");
            command.arg(text);
            command
        };
        let mine = "ciphers aes256-ctr\n";
        let default = "host x\nciphers a,aes128-gcm@openssh.com\n";
        assert_eq!(setting(says(mine), says(default)), None);
        assert_eq!(setting(says(""), says("")), None);
        if let Some(chosen) = setting(says(default), says(default)) {
            assert_eq!(chosen, "Ciphers=aes128-gcm@openssh.com,a");
        }
    }
}
