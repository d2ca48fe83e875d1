//! What to do about what the host says: which question is whose, which answer was wrong, when it is done.
//!
//! The host never says that a passphrase was right, so this judges by what happens next. Wrong: the same volume is
//! asked for again. Right: the volume is open, which the kernel tells; or the host went on and ended
//! the connection; or nobody has asked for long. Passphrases do not come by here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::said::{Kind, Said};

/// How long nobody asks after a volume was opened, when nobody knows how many there are.
const SETTLED: Duration = Duration::from_secs(4);

/// How long nobody asks after an answer, when what is open cannot be seen: deriving a key takes seconds.
const SILENT: Duration = Duration::from_secs(30);

/// How long a program that asks again is let wait. `cryptsetup-askpass` may do so while the answer is being tried, and is
/// right if the host does not go on.
const GRACE: Duration = Duration::from_secs(8);

/// A question of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The volume's mapper name, or what of it is known.
    pub volume: String,
    /// The host's own words.
    pub words: String,
    /// How often a wrong passphrase was given for this volume before.
    pub wrong: u32,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Listen on.
    Listen,
    /// Somebody has to answer.
    Answer(Question),
    /// A volume was opened.
    Opened(String),
    /// Nobody took an answer.
    Stuck(String),
    /// It is done.
    Done,
}

/// The state of a conversation, over as many connections as it takes.
#[derive(Debug)]
pub(super) struct Dialogue {
    /// The volumes that are to be opened, if that is known.
    wanted: BTreeSet<String>,
    devices: BTreeMap<String, String>,
    open: BTreeSet<String>,
    opened: Vec<String>,
    /// How often each volume was answered for since it was last right.
    answers: BTreeMap<String, u32>,
    last: Option<String>,
    kind: Option<Kind>,
    is_booted: bool,
    is_waiting: bool,
    quiet_since: Option<Duration>,
    /// The words of a question that may be none, and since when.
    held: Option<(String, Duration)>,
}

impl Dialogue {
    /// The beginning; `wanted` are mapper names, none if they are not known.
    pub(super) fn new(wanted: &[String]) -> Self {
        Self {
            wanted: wanted.iter().cloned().collect(),
            devices: BTreeMap::new(),
            open: BTreeSet::new(),
            opened: Vec::new(),
            answers: BTreeMap::new(),
            last: None,
            kind: None,
            is_booted: false,
            is_waiting: false,
            quiet_since: None,
            held: None,
        }
    }

    /// Another connection begins.
    pub(super) fn begin(&mut self) {
        self.held = None;
    }

    /// A question that turned out to be one.
    pub(super) fn due(&mut self, now: Duration) -> Option<Act> {
        let is_due = |(_, since): &mut (String, Duration)| now.saturating_sub(*since) >= GRACE;
        self.held.take_if(is_due).map(|(words, _)| self.asked(words))
    }

    /// How the host asks, once it is known.
    pub(super) fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// Whether the host is no initrd.
    pub(super) fn is_booted(&self) -> bool {
        self.is_booted
    }

    /// Whether an answer was given, and nobody waits for one: then a host that is gone went on.
    pub(super) fn is_answered(&self) -> bool {
        self.last.is_some() && !self.is_waiting
    }

    /// An answer was given.
    pub(super) fn answered(&mut self, now: Duration) {
        self.is_waiting = false;
        self.quiet_since = Some(now);
    }

    /// The last answer reached nobody; gives the volume.
    pub(super) fn unanswered(&mut self) -> String {
        self.is_waiting = false;
        let volume = self.last.take().unwrap_or_default();
        if let Some(answers) = self.answers.get_mut(&volume) {
            *answers = answers.saturating_sub(1);
        }
        volume
    }

    /// The volumes that were opened since the beginning.
    pub(super) fn opened(&self) -> &[String] {
        &self.opened
    }

    /// Takes what the host said at a time.
    pub(super) fn hear(&mut self, said: Said, now: Duration) -> Act {
        match said {
            Said::Hello => Act::Listen,
            Said::Kind(kind) => {
                self.kind = Some(kind);
                Act::Listen
            }
            Said::Booted => {
                self.is_booted = true;
                Act::Listen
            }
            Said::Volume { device, name } => {
                self.devices.insert(device, name);
                Act::Listen
            }
            Said::Ask { id: _, words } => self.asked(words),
            Said::Prompt(words) => {
                self.kind = Some(Kind::Shell);
                if self.answers.contains_key(&self.volume(&words)) {
                    self.held = Some((words, now));
                    return Act::Listen;
                }
                self.asked(words)
            }
            Said::Taken => {
                self.answered(now);
                Act::Listen
            }
            Said::Stuck => Act::Stuck(self.unanswered()),
            Said::Later => {
                self.unanswered();
                Act::Listen
            }
            Said::Open(name) => self.is_open(name, now),
            Said::Tick => self.tick(now),
        }
    }

    fn asked(&mut self, words: String) -> Act {
        let volume = self.volume(&words);
        let answers = self.answers.entry(volume.clone()).or_default();
        let wrong = *answers;
        *answers = answers.saturating_add(1);
        self.last = Some(volume.clone());
        self.is_waiting = true;
        self.quiet_since = None;
        Act::Answer(Question { volume, words, wrong })
    }

    fn is_open(&mut self, name: String, now: Duration) -> Act {
        self.answers.remove(&name);
        if !self.open.insert(name.clone()) {
            return Act::Listen;
        }
        if self.last.is_none() {
            // It was open before.
            return Act::Listen;
        }
        self.opened.push(name.clone());
        if self.quiet_since.is_some() {
            self.quiet_since = Some(now);
        }
        Act::Opened(name)
    }

    /// Nothing new: is it done?
    fn tick(&self, now: Duration) -> Act {
        let is_all_open = !self.wanted.is_empty() && self.wanted.is_subset(&self.open);
        let Some(since) = self.quiet_since else {
            let was_open = is_all_open && self.last.is_none();
            return if was_open { Act::Done } else { Act::Listen };
        };
        let quiet = now.saturating_sub(since);
        let is_settled = self.wanted.is_empty() && !self.opened.is_empty() && quiet >= SETTLED;
        if is_all_open || is_settled || quiet >= SILENT { Act::Done } else { Act::Listen }
    }

    /// Whether nobody has asked for long; for hosts that do not even tick.
    pub(super) fn is_silent(&self, now: Duration) -> bool {
        self.tick(now) == Act::Done
    }

    /// The volume that a question is about.
    fn volume(&self, words: &str) -> String {
        let about = about(words);
        if let Some(name) = self.devices.get(about) {
            return name.clone();
        }
        let is_part = |char: char| char.is_alphanumeric() || "-_.+".contains(char);
        let named = |name: &&String| words.split(|char| !is_part(char)).any(|word| word == **name);
        // A program that is no shell tells devices only; where there is one volume, it is that.
        let only = self.wanted.iter().next().filter(|_| self.wanted.len() == 1);
        if let Some(name) = self.wanted.iter().find(named).or(only) {
            return name.clone();
        }
        about.rsplit('/').next().unwrap_or(about).to_owned()
    }
}

/// What words such as `Please enter passphrase for disk Big (root) on /:` are about.
fn about(words: &str) -> &str {
    let end = |char: char| matches!(char, ':' | '!' | '?' | ' ');
    let words = words.trim_end_matches(end);
    let words = words.split_once(" for ").map_or(words, |(_, about)| about);
    let words = words.strip_prefix("disk ").unwrap_or(words);
    // systemd: DESCRIPTION (NAME) on MOUNTPOINT
    let inside = words.rsplit_once('(').and_then(|(_, rest)| rest.split_once(')'));
    match inside {
        Some((name, _)) => name,
        None => words.split_once(" on /").map_or(words, |(name, _)| name),
    }
}

#[cfg(test)]
#[path = "dialogue_tests.rs"]
mod tests;
