//! placeholder
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub(crate) struct Error;
pub(crate) fn run() -> Result<(), Error> {
    Ok(())
}
