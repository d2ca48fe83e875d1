//! `calve schema`: the JSON schema of profiles, for editors and for Nix code that writes profiles.

use crate::failure::Failure;
use crate::profile::Profile;
use crate::terminal::Terminal;

/// Print the JSON schema of profiles
///
/// Editors complete and check TOML profiles with it; JSON profiles follow the same schema.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  calve schema > calve-profile.schema.json")]
pub(crate) struct Args {}

/// Prints the schema.
pub(crate) fn run(Args {}: Args, terminal: Terminal) -> Result<(), Failure> {
    terminal.print_json(&schemars::schema_for!(Profile))
}
