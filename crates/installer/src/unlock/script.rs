//! The command that is run on the host: `remote.sh`, and before it what it has to know.

use super::ticket::Asks;

/// The script; what it may rely on is said there.
const SCRIPT: &str = include_str!("remote.sh");

/// Returns the whole command. Nothing in it is secret: anybody on the host may read it.
pub(super) fn command(asks: Option<&Asks>) -> String {
    let (kind, fifo) = match asks {
        None => ("any", "/"),
        Some(Asks::Systemd) => ("systemd", "/"),
        Some(Asks::CryptsetupAskpass) => ("askpass", "/"),
        Some(Asks::Fifo { path }) => ("fifo", path.as_str()),
    };
    let mut text = format!("kind={kind}\nfifo='{}'\n", fifo.replace('\'', r"'\''"));
    for line in SCRIPT.lines().filter(|line| !line.trim_start().starts_with('#')) {
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn shells_understand_it() {
        let fifo = Asks::Fifo { path: "/it's here".to_owned() };
        let kinds = [None, Some(Asks::Systemd), Some(Asks::CryptsetupAskpass), Some(fifo)];
        for text in kinds.map(|asks| command(asks.as_ref())) {
            assert!(!text.contains("\n#"));
            let status = Command::new("sh").args(["-n", "-c", &text]).status().unwrap();
            assert!(status.success(), "{text}");
        }
    }

    #[test]
    fn a_path_is_one_word() {
        let text = command(Some(&Asks::Fifo { path: "/it's $(here)".to_owned() }));
        let script = format!("{}\nprintf %s \"$fifo\"", text.split_once("say()").unwrap().0);
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(output.stdout, b"/it's $(here)");
    }
}
