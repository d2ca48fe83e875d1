//! Whether anybody could log in: a machine that nobody gets into is found out when it runs.
//!
//! Accounts come from the file that the activation makes them from. An account is a way in when it has a shell and a
//! password, or a key of its own where there is an SSH server; so is a console that logs somebody in by itself. What
//! people bring beside the configuration is not seen, and systems whose accounts are made by something else
//! (systemd-sysusers, userborn) are not judged.

use super::{Findings, Told};
use crate::inputs::activation::Activation;
use crate::inputs::store::HostStore;
use crate::inputs::store_path::StoreFile;
use crate::inputs::system::Configuration;
use crate::inputs::users::Declared;
use crate::inputs::users::declared::{DeclaredUser, Secret};
use crate::units::{Bytes, MIB};

/// No list of accounts is larger.
const TEXT_MAX: Bytes = Bytes::new(16 * MIB.get());

/// Where NixOS has the keys of its configuration, by user.
const KEYS: &str = "etc/ssh/authorized_keys.d";

/// What an SSH server of NixOS has.
const SERVER: &str = "etc/ssh/sshd_config";

/// What NixOS says of consoles, beyond systemd's own unit.
const CONSOLE: &str = "etc/systemd/system/getty@.service.d/overrides.conf";

/// A graphical login, which may need no password.
const DISPLAY: &str = "etc/systemd/system/display-manager.service";

/// Warns of a configuration that lets nobody in.
pub(super) fn check(store: &HostStore, configuration: &Configuration, findings: &mut Findings) {
    let Some(declared) = declared(store, configuration) else { return };
    let system = Files { store, configuration };
    if system.is_open() || declared.users.iter().any(|user| system.lets_in(user)) {
        return;
    }
    findings.warn(Told {
        about: "login".to_owned(),
        wants: "nobody to log in: no account with a shell has a password or an SSH key".to_owned(),
        gives: "what the configuration says, unless files that are added hold authorized_keys"
            .to_owned(),
        mend: "set users.users.NAME.openssh.authorizedKeys.keys with services.openssh.enable, or \
               users.users.NAME.hashedPassword"
            .to_owned(),
    });
}

/// The accounts; none where they cannot be known.
fn declared(store: &HostStore, configuration: &Configuration) -> Option<Declared> {
    let activation = Activation::read(store, &configuration.toplevel).ok()??;
    let file = activation.users_groups()?;
    let text = store.read_text(&file, TEXT_MAX).ok()?;
    Declared::parse(&text, &file.to_string()).ok()
}

/// The files of a toplevel.
struct Files<'a> {
    store: &'a HostStore,
    configuration: &'a Configuration,
}

impl Files<'_> {
    fn file(&self, inner: &str) -> Option<StoreFile> {
        self.configuration.toplevel.join(inner).ok()
    }

    fn has(&self, inner: &str) -> bool {
        self.file(inner).is_some_and(|file| matches!(self.store.kind(&file), Ok(Some(_))))
    }

    /// Whether somebody is logged in without being asked.
    fn is_open(&self) -> bool {
        let console = self.file(CONSOLE).and_then(|file| self.store.read_text(&file, MIB).ok());
        console.is_some_and(|text| text.contains("--autologin")) || self.has(DISPLAY)
    }

    fn lets_in(&self, user: &DeclaredUser) -> bool {
        let shell = user.shell.as_deref().unwrap_or("/nologin");
        let has_shell = !["/nologin", "/false"].iter().any(|none| shell.ends_with(none));
        let has_key = || self.has(SERVER) && self.has(&format!("{KEYS}/{}", user.name));
        has_shell && (has_password(user) || has_key())
    }
}

/// Whether there is a password, or none is asked for; a hash that begins like this fits no password.
fn has_password(user: &DeclaredUser) -> bool {
    let opens = |hash: &Secret| !hash.reveal().starts_with(['!', '*']);
    let hashes = [&user.hashed_password, &user.initial_hashed_password];
    let mut hashes = hashes.into_iter().flatten();
    user.hashed_password_file.is_some()
        || user.password.is_some()
        || user.initial_password.is_some()
        || hashes.any(opens)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::boot::sample::{Sample, TOP};

    const USERS: &str = "1a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-users-groups.json";

    /// What is said of a system with one user and files.
    fn said(user: &str, files: &[(&str, &str)]) -> Vec<String> {
        let mut sample = Sample::new();
        let activate = format!("#!/bin/sh\n/perl -w /update-users-groups.pl /nix/store/{USERS}\n");
        sample.files.push((format!("{TOP}/activate"), activate));
        let users = format!(
            r#"{{"mutableUsers":true,"groups":[],"users":[{{"name":"nobody","group":"nogroup","home":"/var/empty",
            "shell":"/run/current-system/sw/bin/nologin","password":"x"}},{{"name":"anna","group":"users","home":"/home/anna",{user}}}]}}"#
        );
        sample.files.push((USERS.to_owned(), users));
        for (inner, text) in files {
            sample.files.push((format!("{TOP}/{inner}"), (*text).to_owned()));
        }
        let built = sample.build();
        let mut findings = Findings::default();
        check(&built.store, &built.system.main, &mut findings);
        findings.sorted().into_iter().map(|finding| finding.wants).collect()
    }

    #[test]
    fn somebody_gets_in_or_a_warning_says_that_nobody_does() {
        const SHELL: &str = r#""shell":"/run/current-system/sw/bin/bash""#;
        let with = |more: &str| format!("{SHELL}{more}");
        let keys = [("etc/ssh/sshd_config", ""), ("etc/ssh/authorized_keys.d/anna", "ssh-ed25519")];
        let console = [(CONSOLE, "ExecStart=agetty --autologin anna")];
        for (user, files, lets_in) in [
            (with(""), &[][..], false),
            (with(r#","hashedPassword":"!""#), &[], false),
            (with(r#","initialHashedPassword":"*""#), &[], false),
            (r#""shell":"/bin/false","password":"x""#.to_owned(), &[], false),
            (with(r#","hashedPassword":"$6$x""#), &[], true),
            (with(r#","hashedPassword":"""#), &[], true),
            (with(r#","initialPassword":"x""#), &[], true),
            (with(r#","hashedPasswordFile":"/run/x""#), &[], true),
            (with(""), &keys[1..], false),
            (with(""), &keys, true),
            (with(""), &console, true),
            (with(""), &[(DISPLAY, "")], true),
        ] {
            let said = said(&user, files);
            assert_eq!(said.is_empty(), lets_in, "{user} {files:?}: {said:?}");
            assert!(said.iter().all(|said| said.starts_with("nobody to log in")));
        }
        let built = Sample::new().build();
        let mut findings = Findings::default();
        check(&built.store, &built.system.main, &mut findings);
        assert_eq!(findings.sorted(), [], "who makes its accounts is not known");
    }
}
