//! What the steps read, and what the user hears of them.

use std::error::Error;
use std::io::{self, Write};
use std::time::Instant;

use calve_image_core::plan::KeyId;
use calve_image_core::units::Bytes;
use calve_installer::copy::{self, Order, Source};
use calve_installer::run::{self, News};
use calve_installer::steps::step::HOST_KEY;
use calve_installer::steps::{Action, Input, ROOT, Step};
use calve_installer::target::Target;

use super::Session;
use super::args::Sender;
use super::copying::Copying;
use super::files;
use super::job::Job;
use super::reached::Reached;
use super::report::{Copy, Outcome, Report};
use super::wanted::HostKeyArg;
use crate::failure::Failure;
use crate::secrets::keyring::Keyring;

/// Has what is brought, and tells what happens.
pub(super) struct Desk<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) reached: &'a Reached,
    pub(super) job: &'a Job<'a>,
    pub(super) keyring: &'a Keyring,
    pub(super) report: &'a mut Report,
    /// Whether an earlier copy may have been torn by a restart of the machine.
    pub(super) doubts: bool,
    /// What went wrong with words that somebody had to read.
    pub(super) failure: Option<Failure>,
}

impl run::Desk for Desk<'_> {
    fn input(&mut self, input: &Input, sink: &mut (dyn Write + Send)) -> io::Result<()> {
        match input {
            Input::Nothing | Input::Text(_) => Ok(()),
            Input::Passphrase { volume, keyslot } => self.passphrase(volume, *keyslot, sink),
            Input::Both { volume, keyslot } => {
                for keyslot in [0, *keyslot] {
                    let bytes = self.keyring.key(&volume.0, keyslot).ok_or_else(missing)?;
                    write!(sink, "{:08}", bytes.len())?;
                    sink.write_all(&bytes)?;
                }
                Ok(())
            }
            Input::Secret(name) if name == HOST_KEY => match &self.session.wanted.host_key {
                HostKeyArg::Given(key) => sink.write_all(&key.text()),
                HostKeyArg::New | HostKeyArg::Installers => Err(missing()),
            },
            Input::Secret(dest) => {
                sink.write_all(self.job.load.given.secret(dest).ok_or_else(missing)?)
            }
            Input::Files(number) => {
                let overlay = self.session.wanted.extra_files.get(*number).ok_or_else(missing)?;
                files::send(overlay, self.job.etc, self.job.load.blueprint.epoch, sink)
            }
        }
    }

    fn copy(&mut self, _: &dyn Target) -> Result<(), Box<dyn Error + Send + Sync>> {
        let Session { wanted, interrupt, terminal } = *self.session;
        let found = self.job.load.subject.input();
        let (closure, store) = (found.closure, found.store);
        let source = match (&wanted.from, wanted.sender) {
            (Some(url), _) => Source::Store { url },
            (None, Sender::Calve) => Source::Files { closure, store },
            (None, Sender::Nix) => Source::Nix { closure, store },
        };
        let order = Order {
            toplevel: self.job.toplevel(),
            source,
            root: ROOT,
            substitutes: wanted.substitutes,
            keys: &wanted.trusted_keys,
            under: &["flock", "-s", run::BUSY],
            hidden: &wanted.hidden,
            doubts: self.doubts,
        };
        let started = Instant::now();
        let mut hear = Copying::new(interrupt, terminal);
        let copied = copy::copy(&order, self.reached.to(), &mut hear);
        hear.end();
        let copied = copied?;
        let copy = Copy::of(&copied, &source, started.elapsed());
        terminal.say(copy.words());
        self.report.copied = Some(copy);
        Ok(())
    }

    fn tell(&mut self, news: News<'_>) {
        let terminal = self.session.terminal;
        match news {
            News::Begins(step) => match step.action {
                Action::Run(_) => {
                    terminal.say(format!("{:<9} {}", step.phase.word(), step.name));
                }
                Action::Copy => {}
                Action::Restart(_) => {
                    terminal.say(format!("restarts  {}", self.reached.target().name()));
                }
            },
            News::Skips(step) => {
                self.report.step(step, Outcome::Had);
                terminal.say(format!("had       {}", step.name));
            }
            News::Ends { step, after } => {
                self.report.step(step, Outcome::Done(after));
                if let Err(failure) = self.show_recovery(step) {
                    self.failure.get_or_insert(failure);
                }
            }
            News::Waits => {
                terminal.say("waiting   for a command that an earlier run left behind");
            }
        }
    }

    fn is_over(&self) -> bool {
        self.session.interrupt.came()
    }
}

impl Desk<'_> {
    fn passphrase(&self, volume: &KeyId, keyslot: usize, sink: &mut dyn Write) -> io::Result<()> {
        sink.write_all(&self.keyring.key(&volume.0, keyslot).ok_or_else(missing)?)
    }

    /// Shows a recovery key as soon as it opens its volume: whatever fails later, the volume is there.
    fn show_recovery(&self, step: &Step) -> Result<(), Failure> {
        for command in step.commands() {
            match &command.input {
                Input::Passphrase { volume, keyslot } | Input::Both { volume, keyslot }
                    if command.guards.is_some() =>
                {
                    self.keyring.show_recovery_of(&volume.0, *keyslot, self.session.terminal)?;
                }
                Input::Passphrase { .. }
                | Input::Both { .. }
                | Input::Nothing
                | Input::Text(_)
                | Input::Secret(_)
                | Input::Files(_) => {}
            }
        }
        Ok(())
    }
}

/// What nobody brought; it was looked for before.
fn missing() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "nobody brought it")
}

/// So many bytes, in words.
pub(super) fn size(bytes: u64) -> String {
    Bytes::new(bytes).to_string()
}
