//! Accounts settled: every user and group with its id, its password field and its home.

use std::collections::{BTreeMap, BTreeSet};

use super::Error;
use super::declared::{Declared, DeclaredUser, Range, Secret};
use super::password;
use crate::ids::Ids;
use crate::tree::{Mode, TreePath};

/// Where ids of system users and of groups are taken from, the last one first.
const SYSTEM: (u32, u32) = (400, 999);

/// Where ids of people are taken from, the first one first (`UID_MIN` and `UID_MAX` of `login.defs`).
const PEOPLE: (u32, u32) = (1000, 29999);

/// The group of users whose group nobody declared (`nogroup`).
const NOGROUP: u32 = 65534;

/// Ids for containers: the first account's begin here, and each account has this many.
const SUB_IDS: (u32, u32) = (100_000, 65_536);

/// The shell of accounts that have none.
const NOLOGIN: &str = "/run/current-system/sw/bin/nologin";

/// All accounts of a system.
#[derive(Debug, Clone)]
pub struct Accounts {
    /// Users by uid, then by name.
    pub users: Vec<User>,
    /// Groups by gid, then by name.
    pub groups: Vec<Group>,
    /// What could not be done as declared.
    pub notes: Vec<Note>,
}

/// A user of the system.
#[derive(Debug, Clone)]
pub struct User {
    /// The account's name.
    pub name: String,
    /// Its uid.
    pub uid: u32,
    /// The gid of its primary group.
    pub gid: u32,
    /// The field for the full name.
    pub description: String,
    /// The home directory, as it stands in passwd.
    pub home: String,
    /// The mode of the home, where the home is to be made.
    pub home_mode: Option<Mode>,
    /// The login shell.
    pub shell: String,
    /// The password field of shadow.
    pub password: Secret,
    /// The day since 1970 on which the account ends.
    pub expires: Option<i64>,
    /// Whether its services run while nobody is logged in.
    pub linger: bool,
    /// Uids for containers.
    pub sub_uids: Vec<Range>,
    /// Gids for containers.
    pub sub_gids: Vec<Range>,
    /// The first of the ids that were allotted to it for containers.
    pub auto_sub_ids: Option<u32>,
}

/// A group of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The group's name.
    pub name: String,
    /// Its gid.
    pub gid: u32,
    /// Its members, sorted.
    pub members: BTreeSet<String>,
}

/// Something that could not be done as declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A user's group is declared nowhere; it is in `nogroup` now.
    UnknownGroup {
        /// Whose.
        user: String,
        /// Which group.
        group: String,
    },
    /// A password is in a file of the machine that is to be.
    PasswordFile {
        /// Whose.
        user: String,
        /// Which file.
        file: String,
    },
}

impl User {
    /// Whether it is a person's account rather than a service's.
    pub fn is_person(&self) -> bool {
        (PEOPLE.0..=PEOPLE.1).contains(&self.uid)
    }

    /// Whether its password field holds a hash.
    pub fn has_hash(&self) -> bool {
        password::is_hash(self.password.reveal())
    }
}

impl Accounts {
    /// Settles what is declared, for a machine that has no accounts yet.
    ///
    /// # Errors
    /// Values that no account can have.
    pub fn of(declared: &Declared, ids: &Ids) -> Result<Self, Error> {
        let groups = groups(declared)?;
        let gids = groups.iter().map(|group| (group.name.as_str(), group.gid)).collect();
        let mut notes = Vec::new();
        let mut taken = Taken(declared.users.iter().filter_map(|user| user.uid).collect());
        let mut users = Vec::with_capacity(declared.users.len());
        for declared in &declared.users {
            let uid = match declared.uid {
                Some(uid) => uid,
                None if declared.is_system_user => taken.highest(&declared.name, SYSTEM)?,
                None => taken.lowest(&declared.name, PEOPLE)?,
            };
            let gid = primary_group(declared, &gids, &mut notes);
            users.push(user(declared, uid, gid, password::field(declared, ids, &mut notes)?)?);
        }
        users.sort_by(|left, right| (left.uid, &left.name).cmp(&(right.uid, &right.name)));
        let wants = |name: &str| {
            declared.users.iter().any(|user| user.name == name && user.auto_sub_uid_gid_range)
        };
        let chosen = users.iter_mut().filter(|user| wants(&user.name));
        for (user, number) in chosen.zip(0_u32..) {
            user.auto_sub_ids = Some(SUB_IDS.0.saturating_add(SUB_IDS.1.saturating_mul(number)));
        }
        Ok(Self { users, groups, notes })
    }

    /// Returns no accounts at all.
    pub const fn none() -> Self {
        Self { users: Vec::new(), groups: Vec::new(), notes: Vec::new() }
    }

    /// Finds a user by name.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// The accounts of people, by uid.
    pub fn people(&self) -> impl Iterator<Item = &User> {
        self.users.iter().filter(|user| user.is_person())
    }
}

impl User {
    /// The ids for containers that were allotted to it.
    pub fn auto_range(&self) -> Option<Range> {
        self.auto_sub_ids.map(|start| Range { start, count: SUB_IDS.1 })
    }
}

/// The ids that somebody has.
struct Taken(BTreeSet<u32>);

impl Taken {
    fn highest(&mut self, name: &str, (first, last): (u32, u32)) -> Result<u32, Error> {
        self.first_free(name, (first..=last).rev(), (first, last))
    }

    fn lowest(&mut self, name: &str, (first, last): (u32, u32)) -> Result<u32, Error> {
        self.first_free(name, first..=last, (first, last))
    }

    fn first_free(
        &mut self,
        name: &str,
        mut ids: impl Iterator<Item = u32>,
        (first, last): (u32, u32),
    ) -> Result<u32, Error> {
        let free = ids.find(|id| !self.0.contains(id));
        let id = free.ok_or_else(|| Error::NoId { name: name.to_owned(), first, last })?;
        self.0.insert(id);
        Ok(id)
    }
}

fn groups(declared: &Declared) -> Result<Vec<Group>, Error> {
    let mut taken = Taken(declared.groups.iter().filter_map(|group| group.gid).collect());
    let mut groups = Vec::with_capacity(declared.groups.len());
    for group in &declared.groups {
        plain(&group.name, "name", &group.name)?;
        for member in &group.members {
            plain(&group.name, "members", member)?;
        }
        let gid = match group.gid {
            Some(gid) => gid,
            None => taken.highest(&group.name, SYSTEM)?,
        };
        let members = group.members.iter().cloned().collect();
        groups.push(Group { name: group.name.clone(), gid, members });
    }
    groups.sort_by(|left, right| (left.gid, &left.name).cmp(&(right.gid, &right.name)));
    Ok(groups)
}

/// The gid of a user's group. One digit is a gid; so says the script, and no more digits than one.
fn primary_group(user: &DeclaredUser, gids: &BTreeMap<&str, u32>, notes: &mut Vec<Note>) -> u32 {
    let digit = match user.group.as_bytes() {
        [digit @ b'0'..=b'9'] => Some(u32::from(digit - b'0')),
        _ => None,
    };
    digit.or_else(|| gids.get(user.group.as_str()).copied()).unwrap_or_else(|| {
        let (user, group) = (user.name.clone(), user.group.clone());
        notes.push(Note::UnknownGroup { user, group });
        NOGROUP
    })
}

fn user(declared: &DeclaredUser, uid: u32, gid: u32, password: Secret) -> Result<User, Error> {
    let name = &declared.name;
    let shell = declared.shell.as_deref().unwrap_or(NOLOGIN);
    for (field, text) in [
        ("name", name.as_str()),
        ("description", &declared.description),
        ("home", &declared.home),
        ("shell", shell),
        ("password", password.reveal()),
    ] {
        plain(name, field, text)?;
    }
    let home_mode = declared.create_home.then(|| home_mode(declared)).transpose()?;
    Ok(User {
        name: name.clone(),
        uid,
        gid,
        description: declared.description.clone(),
        home: declared.home.clone(),
        home_mode,
        shell: shell.to_owned(),
        password,
        expires: declared.expires.as_deref().map(|date| day(name, date)).transpose()?,
        linger: declared.linger == Some(true),
        sub_uids: declared.sub_uid_ranges.clone(),
        sub_gids: declared.sub_gid_ranges.clone(),
        auto_sub_ids: None,
    })
}

/// Refuses what would end a field or a line.
fn plain(name: &str, field: &'static str, text: &str) -> Result<(), Error> {
    let is_plain = !text.chars().any(|c| c == ':' || c.is_control());
    is_plain.then_some(()).ok_or_else(|| Error::Field { name: name.to_owned(), field })
}

fn home_mode(user: &DeclaredUser) -> Result<Mode, Error> {
    let error = |field, expected, found: &String| Error::Value {
        name: user.name.clone(),
        field,
        expected,
        found: found.clone(),
    };
    if !user.home.starts_with('/') || TreePath::parse(&user.home).is_err() {
        return Err(error("home", "an absolute path", &user.home));
    }
    let bits = u16::from_str_radix(&user.home_mode, 8).ok().filter(|bits| *bits <= 0o7777);
    bits.map(Mode::new).ok_or_else(|| error("homeMode", "an octal mode", &user.home_mode))
}

/// The day since 1970 of a date such as 2026-12-31.
fn day(name: &str, date: &str) -> Result<i64, Error> {
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let day = match (parts.next().flatten(), parts.next().flatten(), parts.next().flatten()) {
        (Some(year), Some(month @ 1..=12), Some(day @ 1..=31)) => Some((year, month, day)),
        _ => None,
    };
    let (year, month, day) = day.ok_or_else(|| Error::Value {
        name: name.to_owned(),
        field: "expires",
        expected: "a date such as 2026-12-31",
        found: date.to_owned(),
    })?;
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil: years begin
    // in March, so that the leap day is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Ok(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}
