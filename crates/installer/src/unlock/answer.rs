//! Reaches the host, answers it, and knows when that is done.
//!
//! One connection does it where the login shell is one; where a program takes its place, another one with a terminal. A host
//! that starts refuses connections first, so those that fail are tried again until patience ends.

use std::path::Path;
use std::time::{Duration, Instant};

use super::dialogue::{Act, Dialogue, Question};
use super::process::{Event, Process};
use super::said::{Hearing, Kind, Said};
use super::ssh::{Pin, Purpose};
use super::words::{Trouble, Words};
use super::{Error, Keeper, News, Order, Unlocked, script};
use crate::{keys, patience};

/// How often limits and the keeper are looked at.
const TICK: Duration = Duration::from_millis(100);

/// How long after a failed connection the next one begins.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a login shell may be silent.
const SILENT_SHELL: Duration = Duration::from_secs(10);

/// How long a host that has booted may take to ask all the same.
const BOOTED: Duration = Duration::from_secs(3);

/// How often nobody may take an answer.
const MOST_STUCK: u32 = 3;

/// Unlocks.
pub(super) fn unlock(order: &Order<'_>, keeper: &mut dyn Keeper) -> Result<Unlocked, Error> {
    let directory = order.host.prepare().map_err(Error::Prepare)?;
    let mut run = Run {
        order,
        keeper,
        directory: directory.as_ref().map(tempfile::TempDir::path),
        script: script::command(order.asks),
        dialogue: Dialogue::new(order.volumes),
        started: Instant::now(),
        active: Instant::now(),
        reached: None,
        found: None,
        stuck: 0,
        is_told: false,
    };
    let is_gone = run.connect()?;
    Ok(run.unlocked(is_gone))
}

struct Run<'a> {
    order: &'a Order<'a>,
    keeper: &'a mut dyn Keeper,
    directory: Option<&'a Path>,
    script: String,
    dialogue: Dialogue,
    started: Instant,
    /// When something happened that patience is measured from.
    active: Instant,
    reached: Option<Instant>,
    found: Option<String>,
    stuck: u32,
    is_told: bool,
}

/// How a connection ended.
enum Over {
    /// It is done.
    Done,
    /// The host, or the network, ended it.
    Lost(Trouble),
    /// What ran on the host ended.
    Ended,
    /// The login shell is none.
    NoShell,
}

impl Run<'_> {
    /// Connects until it is done; tells whether the host is gone then.
    fn connect(&mut self) -> Result<bool, Error> {
        let mut talks = false;
        loop {
            match self.converse(talks)? {
                Over::Done => return Ok(false),
                // Whatever comes next on that address, the host went on.
                Over::Lost(_) if self.dialogue.is_answered() => return Ok(true),
                Over::Lost(trouble) => self.lost(trouble)?,
                Over::NoShell => talks = true,
                // A program that asks ends when nobody is asked for a while: what now?
                Over::Ended => self.lost(Trouble::Closed)?,
            }
        }
    }

    /// Whether it is worth to try again, and then after a pause.
    fn lost(&mut self, trouble: Trouble) -> Result<(), Error> {
        let host = self.order.host.name.clone();
        if let (Trouble::Changed { found, .. }, Some(system)) = (&trouble, self.order.system_key)
            && *found == system.to_string()
        {
            return Err(Error::AlreadyUp { host, found: found.clone() });
        }
        if !trouble.may_pass() {
            return Err(Error::Host { host, trouble });
        }
        if self.active.elapsed() >= self.order.patience {
            return Err(Error::Unreached { host, patience: self.order.patience, last: trouble });
        }
        if !self.is_told {
            self.is_told = true;
            self.keeper.tell(News::Waiting(&trouble));
        }
        nap(PAUSE, self.keeper)
    }

    /// One connection, from its beginning to its end.
    fn converse(&mut self, talks: bool) -> Result<Over, Error> {
        let purpose = if talks { Purpose::Talk } else { Purpose::Run(&self.script) };
        let command = self.order.host.command(self.directory, purpose);
        let mut process = Process::start(command).map_err(Error::Start)?;
        self.dialogue.begin();
        let (mut hearing, mut words) = (Hearing::default(), Words::default());
        let (mut greeted, mut entered) = (false, None::<Instant>);
        loop {
            if self.keeper.is_over() {
                return Err(Error::Interrupted);
            }
            if let Some(act) = self.dialogue.due(self.started.elapsed()) {
                self.act(act, "", &mut process)?;
            }
            if self.is_quiet()? {
                return Ok(Over::Done);
            }
            match process.next(TICK).map_err(Error::Start)? {
                Event::Said(bytes) => {
                    for said in hearing.hear(&bytes) {
                        greeted = true;
                        if self.heard(said, &mut process)? {
                            return Ok(Over::Done);
                        }
                    }
                }
                Event::Words(line) => {
                    if line.contains("Entering interactive session") {
                        entered = Some(Instant::now());
                    }
                    if let Some(said) = words.hear(&line) {
                        self.keeper.tell(News::Words(&said));
                    }
                    self.found = words.found().map(str::to_owned).or(self.found.take());
                }
                Event::Nothing => {
                    let is_silent = entered.is_some_and(|since| since.elapsed() >= SILENT_SHELL);
                    if is_silent && !greeted && !talks && self.reached.is_none() {
                        return Ok(Over::NoShell);
                    }
                }
                // 255 is ssh's own; what was run ends with others.
                Event::Over(status) if status.code().is_none_or(|code| code == 255) => {
                    let pinned = match &self.order.host.pin {
                        Pin::Key(key) => Some(key.to_string()),
                        Pin::Known | Pin::AcceptNew => None,
                    };
                    return Ok(Over::Lost(words.trouble(pinned.as_deref())));
                }
                Event::Over(_) if !greeted && !talks => return Ok(Over::NoShell),
                Event::Over(_) if self.dialogue.kind() == Some(Kind::Shell) || !greeted => {
                    return Ok(Over::Ended);
                }
                Event::Over(_) => return Ok(Over::Lost(Trouble::Closed)),
            }
        }
    }

    /// Takes what the host said; tells whether it is done.
    fn heard(&mut self, said: Said, process: &mut Process) -> Result<bool, Error> {
        if matches!(said, Said::Hello | Said::Prompt(_)) && self.reached.is_none() {
            self.reached = Some(Instant::now());
            self.active = Instant::now();
            self.keeper.tell(News::Reached { after: self.started.elapsed() });
        }
        // A program reads a line, the script a mark before it.
        let prefix = if matches!(said, Said::Prompt(_)) { "" } else { "+" };
        if said == Said::Kind(Kind::Unknown) {
            return Err(Error::NoWay { host: self.order.host.name.clone() });
        }
        let act = self.dialogue.hear(said, self.started.elapsed());
        self.act(act, prefix, process)
    }

    /// Does what is to be done next; tells whether it is done.
    fn act(&mut self, act: Act, prefix: &str, process: &mut Process) -> Result<bool, Error> {
        match act {
            Act::Listen => Ok(false),
            Act::Answer(question) => {
                self.answer(question, prefix, process)?;
                Ok(false)
            }
            Act::Opened(volume) => {
                self.active = Instant::now();
                self.keeper.tell(News::Opened(&volume));
                Ok(false)
            }
            Act::Stuck(volume) => {
                self.stuck += 1;
                if self.stuck < MOST_STUCK {
                    return Ok(false);
                }
                Err(Error::Stuck { volume })
            }
            Act::Done => Ok(true),
        }
    }

    fn answer(
        &mut self,
        question: Question,
        prefix: &str,
        process: &mut Process,
    ) -> Result<(), Error> {
        let Some(key) = self.keeper.answer(&question) else {
            let interrupted = self.keeper.is_over();
            return Err(if interrupted { Error::Interrupted } else { Error::GivenUp(question) });
        };
        let passphrase = keys::typed(&key)
            .map_err(|source| Error::Untypable { volume: question.volume.clone(), source })?;
        // While somebody thought about it, the host may have gone away: then it is asked anew.
        if process.answer(prefix, passphrase).is_ok() {
            self.dialogue.answered(self.started.elapsed());
        } else {
            self.dialogue.unanswered();
        }
        self.active = Instant::now();
        Ok(())
    }

    /// Nothing happens: whether it is done, or has taken too long.
    fn is_quiet(&self) -> Result<bool, Error> {
        if self.dialogue.is_answered() && self.dialogue.is_silent(self.started.elapsed()) {
            return Ok(true);
        }
        let (host, patience) = (self.order.host.name.clone(), self.order.patience);
        let Some(reached) = self.reached else {
            // Who logs in may have to touch a key or type a password: only silence of the network counts, and ssh
            // has its own limits there.
            return Ok(false);
        };
        if self.dialogue.is_booted() && !self.dialogue.is_answered() && reached.elapsed() >= BOOTED
        {
            let found = self.found.clone().unwrap_or_default();
            return Err(Error::AlreadyUp { host, found });
        }
        if self.active.elapsed() < patience {
            return Ok(false);
        }
        Err(if self.dialogue.is_answered() {
            Error::Stalled { host, patience }
        } else {
            Error::NobodyAsks { host, patience }
        })
    }

    fn unlocked(self, is_gone: bool) -> Unlocked {
        let reached = self.reached.unwrap_or(self.started);
        Unlocked {
            kind: self.dialogue.kind().unwrap_or(Kind::Unknown),
            opened: self.dialogue.opened().to_vec(),
            reach: reached.duration_since(self.started),
            unlock: reached.elapsed(),
            found: self.found,
            is_gone,
            at: Instant::now(),
        }
    }
}

/// Sleeps, unless the keeper says that it is over.
pub(super) fn nap(time: Duration, keeper: &dyn Keeper) -> Result<(), Error> {
    if patience::nap(time, &|| keeper.is_over()) { Ok(()) } else { Err(Error::Interrupted) }
}
