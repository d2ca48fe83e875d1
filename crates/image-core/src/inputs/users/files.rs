//! Accounts as the files that a first activation leaves.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use super::account::{Accounts, Group, User};
use super::declared::Range;
use crate::epoch::Epoch;
use crate::tree::path::PathError;
use crate::tree::{Entry, Meta, Mode, Origin, Source, TreeBuilder, TreePath};

/// The group that may read `/etc/shadow`.
const SHADOW: &str = "shadow";

/// Directories that the users' snippet of `activate` makes before it runs the script.
const DIRECTORIES: [(&str, u16); 2] = [("/root", 0o700), ("/home", 0o755)];

impl Accounts {
    /// Claims the files and homes; returns the layer that has them.
    ///
    /// # Errors
    /// A home that is no path.
    pub fn add(&self, tree: &mut TreeBuilder, epoch: Epoch) -> Result<Origin, PathError> {
        let layer = tree.layer("accounts");
        for (path, mode) in DIRECTORIES {
            let entry = Entry::directory(Meta::root(Mode::new(mode), epoch));
            tree.add(layer, TreePath::parse(path)?, entry);
        }
        for (path, meta) in self.homes(epoch)? {
            tree.add(layer, path, Entry::directory(meta));
        }
        for (path, text, meta) in self.files(epoch) {
            let source = Source::bytes(text.into_bytes());
            tree.add(layer, TreePath::parse(path)?, Entry::file(meta, source));
        }
        let linger = TreePath::parse("/var/lib/systemd/linger")?;
        for user in self.users.iter().filter(|user| user.linger) {
            let entry = Entry::file(Meta::root(Mode::F644, epoch), Source::bytes([]));
            tree.add(layer, linger.join(&TreePath::parse(&user.name)?), entry);
        }
        Ok(layer)
    }

    /// The homes to make; where users share one, the last declared by uid has it.
    fn homes(&self, epoch: Epoch) -> Result<BTreeMap<TreePath, Meta>, PathError> {
        let fixed = DIRECTORIES.map(|(path, _)| path);
        let made = self.users.iter().filter_map(|user| Some((user, user.home_mode?)));
        made.filter(|(user, _)| !fixed.contains(&user.home.as_str()))
            .map(|(user, mode)| {
                let meta = Meta { uid: user.uid, gid: user.gid, ..Meta::root(mode, epoch) };
                Ok((TreePath::parse(&user.home)?, meta))
            })
            .collect()
    }

    /// Path, text and metadata of each file.
    fn files(&self, epoch: Epoch) -> [(&'static str, String, Meta); 10] {
        let all = Meta::root(Mode::F644, epoch);
        let shadow = self.groups.iter().find(|group| group.name == SHADOW).map(|group| group.gid);
        let shadow = match shadow {
            Some(gid) => Meta { gid, ..Meta::root(Mode::new(0o640), epoch) },
            None => Meta::root(Mode::new(0o600), epoch),
        };
        let uids = self.users.iter().map(|user| (user.name.as_str(), user.uid));
        let gids = self.groups.iter().map(|group| (group.name.as_str(), group.gid));
        let allotted = self
            .users
            .iter()
            .filter_map(|user| user.auto_sub_ids.map(|first| (user.name.as_str(), first)));
        let lines = |line: fn(&User) -> String| self.users.iter().map(line).collect::<String>();
        [
            ("/etc/passwd", lines(passwd_line), all.clone()),
            ("/etc/group", self.groups.iter().map(group_line).collect(), all.clone()),
            ("/etc/shadow", lines(shadow_line), shadow),
            ("/etc/subuid", lines(|user| sub_ids(user, &user.sub_uids)), all.clone()),
            ("/etc/subgid", lines(|user| sub_ids(user, &user.sub_gids)), all.clone()),
            ("/var/lib/nixos/uid-map", map(uids.clone()), all.clone()),
            ("/var/lib/nixos/gid-map", map(gids.clone()), all.clone()),
            ("/var/lib/nixos/auto-subuid-map", map(allotted) + "\n", all.clone()),
            ("/var/lib/nixos/declarative-users", names(uids), all.clone()),
            ("/var/lib/nixos/declarative-groups", names(gids), all),
        ]
    }
}

fn passwd_line(user: &User) -> String {
    let User { name, uid, gid, description, home, shell, .. } = user;
    format!("{name}:x:{uid}:{gid}:{description}:{home}:{shell}\n")
}

fn group_line(group: &Group) -> String {
    let Group { name, gid, members } = group;
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    format!("{name}:x:{gid}:{}\n", members.join(","))
}

/// The password counts as last changed on day 1: on day 0 a login would ask for a new one.
fn shadow_line(user: &User) -> String {
    let expires = user.expires.map(|day| day.to_string()).unwrap_or_default();
    format!("{}:{}:1:::::{expires}:\n", user.name, user.password.reveal())
}

fn sub_ids(user: &User, ranges: &[Range]) -> String {
    let mut text = String::new();
    for Range { start, count } in ranges.iter().copied().chain(user.auto_range()) {
        let _ = writeln!(text, "{}:{start}:{count}", user.name);
    }
    text
}

/// A JSON object with sorted keys and no spaces, as Perl's `to_json` writes it.
fn map<'a>(ids: impl Iterator<Item = (&'a str, u32)>) -> String {
    let sorted: BTreeMap<&str, u32> = ids.collect();
    let object = sorted.into_iter().map(|(name, id)| (name.to_owned(), Value::from(id)));
    Value::Object(object.collect()).to_string()
}

fn names<'a>(ids: impl Iterator<Item = (&'a str, u32)>) -> String {
    let mut names: Vec<&str> = ids.map(|(name, _)| name).collect();
    names.sort_unstable();
    names.join(" ")
}
