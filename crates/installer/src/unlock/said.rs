//! What the host says, taken apart.
//!
//! Our own script speaks in lines that begin with a mark. Where the login shell is not one but a program that asks, as NixOS
//! wikis tell people to set up, nothing but its questions comes: the last line, without an end. On a terminal such a
//! program may show what it is given, so nothing that was heard is ever passed on but the words of a question.

/// What our script's lines begin with.
const MARK: &str = "@calve ";

/// Most bytes of a line that are kept.
const LONGEST: usize = 4 << 10;

/// One thing that the host said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The script runs.
    Hello,
    /// How the host asks.
    Kind(Kind),
    /// The host is no initrd.
    Booted,
    /// A device becomes a volume when it is opened.
    Volume { device: String, name: String },
    /// Somebody asks, and waits for an answer.
    Ask { id: String, words: String },
    /// The answer was taken by whoever asked.
    Taken,
    /// The answer could not be given.
    Stuck,
    /// The answer was not given, as another question goes first or this one is gone.
    Later,
    /// A volume is open.
    Open(String),
    /// The host is still there.
    Tick,
    /// A program that is no shell asks.
    Prompt(String),
}

/// How a host asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As systemd does.
    Systemd,
    /// As NixOS' scripted stage 1 does.
    CryptsetupAskpass,
    /// Through a FIFO.
    Fifo,
    /// By a program in place of a login shell.
    Shell,
    /// In no way that is known.
    Unknown,
}

impl Kind {
    fn of(word: &str) -> Self {
        match word {
            "systemd" => Self::Systemd,
            "askpass" => Self::CryptsetupAskpass,
            "fifo" => Self::Fifo,
            _ => Self::Unknown,
        }
    }

    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::CryptsetupAskpass => "cryptsetup-askpass",
            Self::Fifo => "fifo",
            Self::Shell => "login shell",
            Self::Unknown => "unknown",
        }
    }
}

/// Hears bytes as they come.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    line: Vec<u8>,
    is_script: bool,
}

impl Hearing {
    /// Takes bytes and gives what they say.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Vec<Said> {
        let mut said = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' => {
                    said.extend(self.line());
                    self.line.clear();
                }
                _ if self.line.len() < LONGEST => self.line.push(*byte),
                _ => {}
            }
        }
        if !self.is_script
            && let Some(prompt) = prompt(&self.line)
        {
            self.line.clear();
            said.push(Said::Prompt(prompt));
        }
        said
    }

    fn line(&mut self) -> Option<Said> {
        let text = String::from_utf8_lossy(&self.line);
        let text = text.trim_end_matches('\r');
        let said = script_line(text.split_once(MARK)?.1)?;
        self.is_script |= said == Said::Hello;
        Some(said)
    }
}

fn script_line(text: &str) -> Option<Said> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let said = match word {
        "hello" => Said::Hello,
        "kind" => Said::Kind(Kind::of(rest)),
        "booted" => Said::Booted,
        "volume" => {
            let (device, name) = rest.split_once(' ')?;
            Said::Volume { device: device.to_owned(), name: name.to_owned() }
        }
        "ask" => {
            let mut parts = rest.splitn(3, ' ');
            let id = parts.next()?.to_owned();
            let _device = parts.next()?;
            Said::Ask { id, words: parts.next().unwrap_or_default().to_owned() }
        }
        "taken" => Said::Taken,
        "stuck" => Said::Stuck,
        "later" => Said::Later,
        "open" => Said::Open(rest.to_owned()),
        "tick" => Said::Tick,
        _ => return None,
    };
    Some(said)
}

/// The question that an unfinished line asks.
fn prompt(line: &[u8]) -> Option<String> {
    let text = plain(&String::from_utf8_lossy(line));
    let text = text.trim();
    let question = text.strip_suffix("(press TAB for no echo)").unwrap_or(text).trim_end();
    let lower = question.to_ascii_lowercase();
    let is_one = question.ends_with([':', '!', '?'])
        && ["passphrase", "password", "recovery key", "pin"]
            .iter()
            .any(|word| lower.contains(word));
    is_one.then(|| question.to_owned())
}

/// Leaves out escape sequences and control characters.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char == '\u{1b}' {
            // A control sequence ends with its first letter; others have one character.
            if chars.next() == Some('[') {
                chars.by_ref().find(|char| ('@'..='~').contains(char));
            }
        } else if !char.is_control() {
            plain.push(char);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn heard(text: &str) -> Vec<Said> {
        Hearing::default().hear(text.as_bytes())
    }

    #[test]
    fn lines_of_the_script() {
        let text = "motd\n@calve hello 1\r\n@calve kind askpass\n@calve volume /dev/x root\n\
                    @calve ask 1 /dev/x /dev/x\n@calve taken\n@calve open root\n@calve tick\n@calve what\n";
        let said = [
            Said::Hello,
            Said::Kind(Kind::CryptsetupAskpass),
            Said::Volume { device: "/dev/x".to_owned(), name: "root".to_owned() },
            Said::Ask { id: "1".to_owned(), words: "/dev/x".to_owned() },
            Said::Taken,
            Said::Open("root".to_owned()),
            Said::Tick,
        ];
        assert_eq!(heard(text), said);
        // Byte by byte, it is the same.
        let mut hearing = Hearing::default();
        let bytes: Vec<_> = text.bytes().flat_map(|byte| hearing.hear(&[byte])).collect();
        assert_eq!(bytes, said);
    }

    #[test]
    fn messages_of_systemd() {
        let message = "Please enter passphrase for disk one (root)\u{1b}[31m on /:";
        let said = heard(&format!("@calve ask ask.Ja4dR8 cryptsetup:/dev/x {message}\n"));
        let words = message.to_owned();
        assert_eq!(said, [Said::Ask { id: "ask.Ja4dR8".to_owned(), words }]);
        let said = heard("@calve ask ask.1 - \n");
        assert_eq!(said, [Said::Ask { id: "ask.1".to_owned(), words: String::new() }]);
    }

    #[test]
    fn programs_that_are_no_shells() {
        let askpass = "Passphrase for /dev/disk/by-partlabel/root: ";
        let words = "Passphrase for /dev/disk/by-partlabel/root:".to_owned();
        assert_eq!(heard(askpass), [Said::Prompt(words)]);
        let agent = "\u{1b}[0;1;39m🔐 Please enter passphrase for disk root: (press TAB for no echo) \u{1b}[0m";
        let words = "🔐 Please enter passphrase for disk root:".to_owned();
        assert_eq!(heard(agent), [Said::Prompt(words)]);
        assert_eq!(heard("waiting for LUKS to request a passphrase.."), []);
        // Asked once, and what is echoed is no question.
        let mut hearing = Hearing::default();
        assert_eq!(hearing.hear(askpass.as_bytes()).len(), 1);
        assert_eq!(hearing.hear(b"hunter2\r\n****\r\n"), []);
        assert_eq!(hearing.hear(askpass.as_bytes()).len(), 1);
    }

    proptest! {
        #[test]
        fn anything_is_heard(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20)) {
            let mut hearing = Hearing::default();
            for chunk in chunks {
                hearing.hear(&chunk);
                prop_assert!(hearing.line.len() <= LONGEST);
            }
        }
    }
}
