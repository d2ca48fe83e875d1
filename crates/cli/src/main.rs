//! `calve`: the command line over the libraries.
//!
//! A command is one file in [`commands`]: its arguments, whose doc comments are the help, and a
//! `run` that calls the libraries and prints. Arguments take two stages: what was typed (`…Args`)
//! and what it means (a `Spec`, validated, nothing done yet). Data goes to stdout, words to stderr
//! ([`terminal`]). The libraries' errors get their exit code and their hints at one place,
//! [`failure`]. What the libraries do not do is done here: processes, the environment, signals.

mod biggest;
mod blueprint;
mod cache_dir;
mod closure_source;
mod commands;
mod confirm;
mod device;
mod disk_drawing;
mod drawing;
mod elsewhere;
mod failure;
mod findings;
mod host_key;
mod interrupt;
mod key_arg;
mod machine;
mod nix;
mod passphrase;
mod profile;
mod progress;
mod secrets;
mod ssh_options;
mod system;
mod terminal;
mod tty;
mod write_refusal;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::main()
}
