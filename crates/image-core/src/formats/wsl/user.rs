//! Who is logged in when the distribution is opened.
//!
//! WSL takes the name in `wsl.conf`, else the uid of the `oobe.defaultUid` that it kept from the
//! installation, else root. The closure's `wsl.conf` comes back with the first activation, so it is
//! not overruled, but asked for.

use super::conf::Conf;
use super::{Error, Findings};
use crate::inputs::users::{Accounts, User};

/// The key in `wsl.conf`.
const KEY: &str = "user.default";

const ROOT: &str = "root";

/// Who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// The account's name.
    pub(super) name: String,
    /// Its uid.
    pub(super) uid: u32,
}

/// Chooses the user; what was asked for, what the closure says, the only person, root.
///
/// # Errors
/// [`Error::NoUser`] with all whom one could have meant.
pub(super) fn choose(
    asked: Option<&str>,
    conf: Option<&Conf>,
    accounts: &Accounts,
    findings: &mut Findings,
) -> Result<Choice, Error> {
    let said = conf.and_then(|conf| conf.value(KEY));
    if let Some(name) = asked
        && accounts.user(name).is_none()
    {
        let people = accounts.people().map(|user| user.name.clone()).collect();
        return Err(Error::NoUser { name: name.to_owned(), people });
    }
    if let (Some(said), Some(asked)) = (&said, asked)
        && said != asked
    {
        findings.refuse(
            "default user",
            format!("{said} to be logged in: its own /etc/wsl.conf says so"),
            "the user of this file as soon as the system was active once",
            "set wsl.defaultUser in the configuration, or leave --user out",
        );
    }
    if let Some(said) = said.as_deref().filter(|said| accounts.user(said).is_none()) {
        findings.refuse(
            "default user",
            format!("{said} to be logged in: its own /etc/wsl.conf says so"),
            "a login only to accounts, and there is none of that name",
            "declare the user: users.users",
        );
    }
    let named = asked.or(said.as_deref()).and_then(|name| accounts.user(name));
    let user = named.or_else(|| only_person(accounts, findings));
    Ok(match user {
        Some(user) => Choice { name: user.name.clone(), uid: user.uid },
        None => Choice { name: ROOT.to_owned(), uid: 0 },
    })
}

/// The only person that the system knows; root, and a warning, where there is none or a crowd.
fn only_person<'a>(accounts: &'a Accounts, findings: &mut Findings) -> Option<&'a User> {
    let people: Vec<&User> = accounts.people().collect();
    match people.as_slice() {
        [person] => Some(person),
        [] => {
            findings.warn(
                "default user",
                "no account of a person".to_owned(),
                "a login as root",
                "declare one, with isNormalUser = true",
            );
            None
        }
        people => {
            let names: Vec<&str> = people.iter().map(|user| user.name.as_str()).collect();
            findings.warn(
                "default user",
                format!("nobody in particular to be logged in: it has {}", names.join(", ")),
                "a login as root",
                "say who: --user NAME",
            );
            None
        }
    }
}
