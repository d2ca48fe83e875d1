//! What no store may hold, as it is named on the command line: for images and for installs alike.
//!
//! - [`luks_args`]: the keys of encrypted volumes, and which is for which
//! - [`keyring`]: those keys, read; [`qr`]: a recovery key on a screen
//! - [`initrd`]: what initrds want, and the host key by which a machine is unlocked from afar
//! - [`unlock_host`]: where that machine is reached; [`beside`]: the ticket for `calve unlock`

pub(crate) mod beside;
pub(crate) mod initrd;
pub(crate) mod keyring;
pub(crate) mod luks_args;
mod qr;
pub(crate) mod unlock_host;
