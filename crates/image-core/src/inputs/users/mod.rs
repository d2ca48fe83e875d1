//! The accounts that a system's first activation makes, made without running it.
//!
//! NixOS writes what it wants into a `users-groups.json`, and `update-users-groups.pl` turns that and
//! what the machine has into `/etc/passwd` and its kin. In an image the machine has nothing yet, so the
//! result is a function of the JSON text:
//!
//! - [`declared`]: the JSON
//! - [`account`]: ids, groups and passwords settled by the script's rules
//! - [`password`]: what stands in `/etc/shadow`; [`sha512_crypt`]: how a password is hashed
//! - [`files`]: accounts as files, homes included
//!
//! An activation that finds these files changes nothing in them. What it would have done only for an
//! account that is not there yet (initial passwords, lingering) is therefore done here.
//!
//! Where the script's own result depends on the order of a Perl hash, or on chance, accounts are
//! taken by uid, and salts are derived. Not supported: systemd-sysusers and userborn, which read other
//! files.
//!
//! Follows nixpkgs' `nixos/modules/config/update-users-groups.pl` and `users-groups.nix`.

pub mod account;
pub mod declared;
pub mod files;
pub mod password;
pub mod sha512_crypt;

pub use account::{Accounts, Group, Note, User};
pub use declared::Declared;

/// Why no accounts can be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no `users-groups.json`.
    #[error("{file} is no list of users and groups as NixOS writes it")]
    Json {
        /// How the text is called.
        file: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A value would end its field or line in `/etc/passwd`.
    #[error("the {field} of {name:?} holds a colon, a line break or a control character")]
    Field {
        /// Whose.
        name: String,
        /// Which value; it may be a secret, so it is not told.
        field: &'static str,
    },
    /// A mode, date or path is none.
    #[error("the {field} of {name:?} is {found:?}, expected {expected}")]
    Value {
        /// Whose.
        name: String,
        /// Which value.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// All ids of a range are taken.
    #[error("no id is left for {name:?}: expected a free one from {first} to {last}")]
    NoId {
        /// Whose.
        name: String,
        /// The first id of the range.
        first: u32,
        /// The last.
        last: u32,
    },
    /// A password that `crypt` would refuse.
    #[error(
        "the password of {name:?} has {found} bytes, expected at most {}",
        sha512_crypt::PASSWORD_MAX
    )]
    LongPassword {
        /// Whose.
        name: String,
        /// Its length.
        found: usize,
    },
}

#[cfg(test)]
mod tests;
