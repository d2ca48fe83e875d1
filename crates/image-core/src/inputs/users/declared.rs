//! `users-groups.json`: users and groups as a configuration declares them.
//!
//! Keys that later or earlier releases of NixOS have or lack take the value that the script gives them.

use std::fmt;

use serde::{Deserialize, Deserializer};

use super::Error;

/// What a configuration declares.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Declared {
    /// Whether accounts may be changed on the machine.
    pub mutable_users: bool,
    /// The users, by name.
    pub users: Vec<DeclaredUser>,
    /// The groups, by name.
    pub groups: Vec<DeclaredGroup>,
}

/// A user as declared.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeclaredUser {
    /// The account's name.
    pub name: String,
    /// The uid; without one a free one is taken.
    pub uid: Option<u32>,
    /// The name of the primary group, or one digit.
    pub group: String,
    /// What stands in the field for the full name.
    #[serde(default)]
    pub description: String,
    /// The home directory.
    pub home: String,
    /// The home's mode, octal.
    #[serde(default = "home_mode")]
    pub home_mode: String,
    /// Whether the home directory is made.
    #[serde(default)]
    pub create_home: bool,
    /// The login shell.
    pub shell: Option<String>,
    /// Whether a free uid is one of the system's.
    #[serde(default)]
    pub is_system_user: bool,
    /// The password's hash.
    pub hashed_password: Option<Secret>,
    /// A file of the machine that holds the hash.
    #[serde(alias = "passwordFile")]
    pub hashed_password_file: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// The password of an account that is new.
    pub initial_password: Option<Secret>,
    /// The password's hash of an account that is new.
    pub initial_hashed_password: Option<Secret>,
    /// The day on which the account ends, as 2026-12-31.
    pub expires: Option<String>,
    /// Whether its services run while nobody is logged in.
    pub linger: Option<bool>,
    /// Whether it gets 65536 uids and gids of its own for containers.
    #[serde(default)]
    pub auto_sub_uid_gid_range: bool,
    /// Further uids for containers.
    #[serde(default, deserialize_with = "ranges::<_, UidRange>")]
    pub sub_uid_ranges: Vec<Range>,
    /// Further gids for containers.
    #[serde(default, deserialize_with = "ranges::<_, GidRange>")]
    pub sub_gid_ranges: Vec<Range>,
}

/// A group as declared.
#[derive(Debug, Clone, Deserialize)]
pub struct DeclaredGroup {
    /// The group's name.
    pub name: String,
    /// The gid; without one a free one is taken.
    pub gid: Option<u32>,
    /// The users for whom it is not the primary group.
    #[serde(default)]
    pub members: Vec<String>,
}

/// A password or its hash.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Holds a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Shows the text to the one who writes it down.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Ids for containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub start: u32,
    /// How many.
    pub count: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UidRange {
    start_uid: u32,
    count: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GidRange {
    start_gid: u32,
    count: u32,
}

impl From<UidRange> for Range {
    fn from(UidRange { start_uid: start, count }: UidRange) -> Self {
        Self { start, count }
    }
}

impl From<GidRange> for Range {
    fn from(GidRange { start_gid: start, count }: GidRange) -> Self {
        Self { start, count }
    }
}

fn ranges<'de, D: Deserializer<'de>, R: Deserialize<'de> + Into<Range>>(
    deserializer: D,
) -> Result<Vec<Range>, D::Error> {
    let ranges = Vec::<R>::deserialize(deserializer)?;
    Ok(ranges.into_iter().map(Into::into).collect())
}

/// The default of `users.users.<name>.homeMode`; releases before 22.05 did not write it.
fn home_mode() -> String {
    "700".to_owned()
}

impl Declared {
    /// Reads the text; `file` is how errors call it.
    ///
    /// # Errors
    /// A text of another form.
    pub fn parse(text: &str, file: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|source| Error::Json { file: file.to_owned(), source })
    }
}
