//! Commands on this machine.

use std::process::Command;

use super::{Answer, Call, Error, Login, Target, call};

/// This machine.
#[derive(Debug, Clone, Copy)]
pub struct Local {
    login: Login,
}

impl Local {
    /// This machine, as whoever runs this process.
    pub fn new() -> Self {
        let login = if rustix::process::geteuid().is_root() { Login::Root } else { Login::User };
        Self { login }
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

    fn call(&self, call: &Call<'_>) -> Result<Answer, Error> {
        let (program, arguments) = call.words.split_first().unwrap_or((&"true", &[]));
        call::run(Command::new(program).args(arguments), call.input)
    }
}
