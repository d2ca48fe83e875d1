//! Commands on this machine.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{Answer, Call, Error, Feed, Kept, Login, Target, child};
use crate::keys::Source;

/// This machine.
#[derive(Debug, Clone)]
pub struct Local {
    login: Login,
    stop: Arc<AtomicBool>,
    hidden: Vec<Source>,
}

impl Local {
    /// This machine, as whoever runs this process.
    pub fn new() -> Self {
        let login = if rustix::process::geteuid().is_root() { Login::Root } else { Login::User };
        Self { login, stop: Arc::default(), hidden: Vec::new() }
    }

    /// The same, whose commands end when the flag is raised.
    #[must_use]
    pub fn stopped_by(self, stop: Arc<AtomicBool>) -> Self {
        Self { stop, ..self }
    }

    /// The same, whose commands do not get to see the variables that keys come from.
    #[must_use]
    pub fn hiding(self, hidden: Vec<Source>) -> Self {
        Self { hidden, ..self }
    }

    fn command(&self, call: &Call<'_>) -> Command {
        let (program, arguments) = call.words.split_first().unwrap_or((&"true", &[]));
        let mut command = Command::new(program);
        command.args(arguments);
        self.hidden.iter().for_each(|source| source.hide_from(&mut command));
        command
    }
}

impl Default for Local {
    fn default() -> Self {
        Self::new()
    }
}

impl Target for Local {
    fn name(&self) -> &str {
        "this machine"
    }

    fn login(&self) -> Login {
        self.login
    }

    fn stream(&self, call: &Call<'_>, feed: &mut Feed<'_>) -> Result<Answer, Error> {
        child::run(&mut self.command(call), &self.stop, &mut |sink| {
            sink.write_all(call.input)?;
            feed(sink)
        })
    }

    fn listen(&self, call: &Call<'_>, hear: &mut dyn FnMut(&str)) -> Result<Answer, Error> {
        child::listen(&mut self.command(call), call.input, &self.stop, hear)
    }

    fn keep(&self, call: &Call<'_>) -> Result<Kept, Error> {
        Kept::start(&mut self.command(call), call, &self.stop)
    }
}
