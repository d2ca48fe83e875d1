//! The operating system's random source: volume keys, salts and stripes.
//!
//! The one place of this crate whose result is never the same twice. Plans do not come here.

use zeroize::Zeroizing;

use super::Error;

/// Returns random bytes that are wiped when their owner goes.
pub(super) fn secret(len: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut bytes = Zeroizing::new(vec![0; len]);
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// Returns random bytes that the image shows to everybody.
pub(super) fn salt<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
