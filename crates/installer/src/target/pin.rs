//! The key that a host must have, so that ssh asks nobody else about it (ssh_config(5)).
//!
//! It is looked up by a name of our own: addresses change, keys do not. Neither the user's files nor the network vouch for
//! another, and what the host says of further keys is not kept.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::host_key::PublicKey;

/// The name of the host in its file.
const ALIAS: &str = "calve-pinned";

/// What else could vouch.
const NOBODY_ELSE: [&str; 6] = [
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=/dev/null",
    "KnownHostsCommand=none",
    "VerifyHostKeyDNS=no",
    "UpdateHostKeys=no",
    "CheckHostIP=no",
];

/// Writes the key where ssh finds it: the directory is nobody else's.
pub(crate) fn write(directory: &Path, key: &PublicKey) -> io::Result<()> {
    std::fs::write(file(directory), format!("{ALIAS} {}\n", key.line()))
}

/// The settings of a connection to the host whose key the directory has.
pub(crate) fn settings(directory: &Path) -> Vec<OsString> {
    let mut known = OsString::from("UserKnownHostsFile=\"");
    known.push(file(directory));
    known.push("\"");
    let alias = format!("HostKeyAlias={ALIAS}").into();
    [known, alias].into_iter().chain(NOBODY_ELSE.map(OsString::from)).collect()
}

/// Its known_hosts file.
pub(crate) fn file(directory: &Path) -> PathBuf {
    directory.join("known_hosts")
}
