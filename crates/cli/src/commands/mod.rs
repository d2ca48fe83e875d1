//! The commands: one file each, listed here once.

mod boot;
mod build;
mod cache;
mod check;
mod first_boot;
mod install;
mod luks;
mod schema;
mod show;
mod survey;
mod unlock;
mod write;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::{EXIT_CODES, Failure};
use crate::terminal::Terminal;

/// Turn a built NixOS system into something that boots
///
/// calve takes the closure of a NixOS system that is already built and computes a bootable image
/// of it: without root, KVM, a loop device or a virtual machine, in one pass, and the same bytes
/// every time. What would not boot is refused before a byte is written.
#[derive(Debug, Parser)]
#[command(
    name = "calve",
    version,
    max_term_width = 100,
    after_help = EXIT_CODES,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Args {
    /// Print nothing but results and errors
    #[arg(long, short, global = true, help_heading = "Words")]
    quiet: bool,

    /// Tell what is done, step by step; twice for all there is to tell
    #[arg(long, short, global = true, help_heading = "Words")]
    #[arg(action = clap::ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,

    #[command(subcommand)]
    command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
enum Command {
    #[command(subcommand)]
    Build(build::Command),
    Check(check::Args),
    Show(show::Args),
    Boot(boot::Args),
    Write(write::Args),
    Survey(survey::Args),
    Install(Box<install::Args>),
    Unlock(unlock::Args),
    #[command(subcommand)]
    Cache(cache::Command),
    #[command(subcommand)]
    Luks(luks::Command),
    #[command(subcommand)]
    FirstBoot(first_boot::Command),
    Schema(schema::Args),
}

/// Reads the arguments, runs the command, reports its failure.
pub(crate) fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return refuse(&error),
    };
    log_to_stderr(args.verbose);
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(args: Args) -> Result<(), Failure> {
    let terminal = Terminal::new(args.quiet);
    match args.command {
        Command::Build(command) => build::run(command, terminal),
        Command::Check(args) => check::run(args, terminal),
        Command::Show(args) => show::run(args, terminal),
        Command::Boot(args) => boot::run(args, terminal),
        Command::Write(args) => write::run(args, terminal),
        Command::Survey(args) => survey::run(args, terminal),
        Command::Install(args) => install::run(*args, terminal),
        Command::Unlock(args) => unlock::run(args, terminal),
        Command::Cache(command) => cache::run(command, terminal),
        Command::Luks(command) => luks::run(command, terminal),
        Command::FirstBoot(command) => first_boot::run(command, terminal),
        Command::Schema(args) => schema::run(args, terminal),
    }
}

/// Prints help, the version, or what is wrong with the arguments.
fn refuse(error: &clap::Error) -> ExitCode {
    // Help that nobody reads to its end is no failure.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => "calve=debug,calve_image_core=debug,calve_machine=debug",
        _ => "trace",
    };
    tracing_subscriber::fmt()
        .with_env_filter(level)
        .with_writer(std::io::stderr)
        .with_ansi(crate::terminal::stderr_is_lively())
        .without_time()
        .init();
}
