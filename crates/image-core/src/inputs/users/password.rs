//! What stands in the password field of `/etc/shadow`, and whether it is a hash.

use super::Error;
use super::account::Note;
use super::declared::{DeclaredUser, Secret};
use super::sha512_crypt::{self, PASSWORD_MAX, Salt};
use crate::ids::Ids;

/// The field of an account that no password opens.
pub const LOCKED: &str = "!";

/// Whether a field holds a hash: one that opens an account, locked or not.
pub fn is_hash(field: &str) -> bool {
    // `crypt` writes $id$… or, in its oldest form, thirteen characters.
    let field = field.trim_start_matches('!');
    field.starts_with('$') || field.starts_with('_') || field.len() == 13
}

/// The field of a new account, by the script's order of precedence.
///
/// The file of a `hashedPasswordFile` is the machine's, and not there yet: like the script then, it
/// leaves what the others say.
pub(super) fn field(
    user: &DeclaredUser,
    ids: &Ids,
    notes: &mut Vec<Note>,
) -> Result<Secret, Error> {
    let hash = |password: &Secret| hash(&user.name, password, ids);
    let initial = || match (&user.initial_password, &user.initial_hashed_password) {
        (Some(password), _) => hash(password).map(Some),
        (None, hashed) => Ok(hashed.clone()),
    };
    let said = match &user.hashed_password {
        Some(hashed) => Some(hashed.clone()),
        None => initial()?,
    };
    let said = match (&user.hashed_password_file, &user.password) {
        (Some(file), _) => {
            notes.push(Note::PasswordFile { user: user.name.clone(), file: file.clone() });
            said
        }
        (None, Some(password)) => Some(hash(password)?),
        (None, None) => said,
    };
    Ok(said.unwrap_or_else(|| Secret::new(LOCKED)))
}

fn hash(name: &str, password: &Secret, ids: &Ids) -> Result<Secret, Error> {
    let password = password.reveal().as_bytes();
    if password.len() > PASSWORD_MAX {
        return Err(Error::LongPassword { name: name.to_owned(), found: password.len() });
    }
    let salt = Salt::of(ids.uuid(&format!("salt of user {name}")).into_bytes());
    Ok(Secret::new(sha512_crypt::hash(password, &salt)))
}
