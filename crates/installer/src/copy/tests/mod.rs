//! Copies by every way, with a real Nix and a real sshd, and what goes wrong with them.
//!
//! - `lab`: where they are tried
//! - `whole`: copies that come to their end, at once or in pieces
//! - `wrong`: copies that cannot

mod lab;
mod whole;
mod wrong;
