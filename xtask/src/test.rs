//! placeholder
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}
#[derive(Debug, thiserror::Error)]
#[error("test")]
pub(crate) struct Error;
pub(crate) fn run(_args: &Args) -> Result<(), Error> {
    Ok(())
}
