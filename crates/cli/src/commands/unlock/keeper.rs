//! Who has the passphrases: sources that were named, and somebody at the terminal.
//!
//! What can be read is read before anything is connected, so that a missing file costs no try on the host. A wrong passphrase from
//! a source is the end, as it would be as wrong again; somebody who types may try three times.

use std::io;

use calve_installer::keys::{self, Named, Source};
use calve_installer::unlock::{self, Keeper, News, Question};
use zeroize::Zeroizing;

use crate::failure::{Failure, Kind};
use crate::interrupt::Interrupt;
use crate::passphrase;
use crate::terminal::Terminal;

/// How often somebody may type one.
const TRIES: u32 = 3;

/// Passphrases, and where words go.
pub(super) struct Desk {
    keys: Vec<Key>,
    host: String,
    terminal: Terminal,
    interrupt: Interrupt,
    /// Why no passphrase was given.
    failure: Option<Failure>,
}

struct Key {
    from: Named,
    /// Nothing where somebody is asked.
    bytes: Option<Zeroizing<Vec<u8>>>,
}

impl Desk {
    /// Reads the sources.
    pub(super) fn new(
        named: &[Named],
        host: String,
        terminal: Terminal,
        interrupt: Interrupt,
    ) -> Result<Self, Failure> {
        let mut desk = Self { keys: Vec::new(), host, terminal, interrupt, failure: None };
        for from in named {
            if desk.keys.iter().any(|key| key.from.name == from.name) {
                let whose = from.name.as_deref().unwrap_or("all volumes");
                return Err(Failure::usage(format!("--key was given twice for {whose}")));
            }
            let bytes = if from.source == Source::Prompt {
                None
            } else {
                Some(from.source.read(&mut nobody).map_err(|error| desk.interrupt.or(error))?)
            };
            if let Some(bytes) = &bytes {
                keys::typed(bytes).map_err(|error| {
                    let error = Untypable { from: from.source.clone(), source: error };
                    Failure::new(Kind::Usage, error).hint(
                        "such a keyslot opens from a key file only; add one with a passphrase",
                    )
                })?;
            }
            desk.keys.push(Key { from: from.clone(), bytes });
        }
        Ok(desk)
    }

    /// What to report: why there was no passphrase, rather than that there was none.
    pub(super) fn failure(&mut self, error: unlock::Error) -> Failure {
        match self.failure.take() {
            Some(failure) => failure,
            None => self.interrupt.or(error),
        }
    }

    /// The source for a volume, else that for all.
    fn key(&self, volume: &str) -> Option<&Key> {
        let find =
            |name: Option<&str>| self.keys.iter().find(|key| key.from.name.as_deref() == name);
        find(Some(volume)).or_else(|| find(None))
    }

    fn ask(&mut self, question: &Question) -> Option<Zeroizing<Vec<u8>>> {
        let prompt = format!("passphrase of {} on {}: ", question.volume, self.host);
        loop {
            match passphrase::ask(&prompt, &self.interrupt) {
                // Nobody has an empty one, and a try on the host is worth more.
                Ok(text) if text.is_empty() => {}
                Ok(text) => return Some(text),
                Err(source) => {
                    let error = keys::Error::Unanswered { source };
                    self.failure = Some(self.interrupt.or(error));
                    return None;
                }
            }
        }
    }
}

impl Keeper for Desk {
    fn answer(&mut self, question: &Question) -> Option<Zeroizing<Vec<u8>>> {
        let volume = &question.volume;
        let given = self.key(volume).and_then(|key| Some((key.bytes.clone()?, &key.from.source)));
        match given {
            Some((bytes, _)) if question.wrong == 0 => Some(bytes),
            Some((_, source)) => {
                let failure = Failure::new(
                    Kind::WrongPassphrase,
                    format!("{} does not open {volume}: it was given the key {source}", self.host),
                );
                self.failure = Some(failure.hint(format!(
                    "is {volume} the volume of that key? Others: --key {volume}=SOURCE"
                )));
                None
            }
            None if question.wrong >= TRIES => {
                let error =
                    format!("{} was given {TRIES} wrong passphrases of {volume}", self.host);
                let hint = "the host may ask no more until it is restarted";
                self.failure = Some(Failure::new(Kind::WrongPassphrase, error).hint(hint));
                None
            }
            None => {
                if question.wrong > 0 {
                    self.terminal.say(format!("wrong     that passphrase does not open {volume}"));
                }
                self.ask(question)
            }
        }
    }

    fn tell(&mut self, news: News<'_>) {
        let host = &self.host;
        let line = match news {
            News::Waiting(trouble) => format!("waiting   for {host}: {trouble}"),
            News::Reached { after } => {
                format!("reached   {host} after {:.1} s", after.as_secs_f64())
            }
            News::Opened(volume) => format!("opened    {volume}"),
            News::Gone { after } => {
                format!("left      the initrd, after {:.1} s", after.as_secs_f64())
            }
            News::Words(words) => format!("ssh       {words}"),
        };
        self.terminal.say(line);
    }

    fn is_over(&self) -> bool {
        self.interrupt.came()
    }
}

/// Those who are asked are asked later.
fn nobody() -> io::Result<Zeroizing<Vec<u8>>> {
    Err(io::ErrorKind::NotFound.into())
}

/// A key that no prompt takes.
#[derive(Debug, thiserror::Error)]
#[error("the key {from} is no passphrase")]
struct Untypable {
    from: Source,
    source: keys::Untypable,
}
