//! Initrd secrets: those that a system needs, against those that somebody brings.
//!
//! A secret that is missing leaves a first stage that cannot be reached or unlocks nothing, and one
//! too many is a mistyped DEST: both are refused, before anybody is asked for anything. Each is also kept
//! where the next `nixos-rebuild` reads it, so that must be a place on the disk, and not the ESP.

use super::{Findings, Subject, Told, mounts};
use crate::boot::initrd_secrets::{Wanted, is_volatile};
use crate::inputs::secret_appender::{self, Appended, Origin};
use crate::inputs::store::HostStore;
use crate::inputs::system::System;
use crate::tree::TreePath;

/// What findings are about.
const ABOUT: &str = "initrd secrets";

/// Checks the secrets of one configuration.
pub(super) fn check(store: &HostStore, subject: &Subject<'_>, findings: &mut Findings) {
    let spec = subject.configuration.bootspec.as_ref();
    let Some(program) = spec.and_then(|spec| spec.initrd_secrets.as_ref()) else { return };
    match secret_appender::read(store, program) {
        Ok(secrets) => secrets.iter().for_each(|secret| one(subject, secret, findings)),
        Err(error) => findings.refuse(Told {
            about: ABOUT.to_owned(),
            wants: format!("secrets appended to its initrd by {program}"),
            gives: format!("no idea which: {error}"),
            mend: "use the script that NixOS makes, or leave boot.initrd.secrets out".to_owned(),
        }),
    }
}

fn one(subject: &Subject<'_>, secret: &Appended, findings: &mut Findings) {
    let Appended { dest, origin } = secret;
    let Origin::File(source) = origin else { return };
    if !subject.offer.secrets.contains(dest) {
        let mend = if is_host_key(subject, dest) {
            format!("give it with --initrd-secret {dest}=FILE, or a new host key with --unlock-ssh")
        } else {
            format!(
                "give it with --initrd-secret {dest}=FILE, or leave it out of boot.initrd.secrets"
            )
        };
        return findings.refuse(Told {
            about: ABOUT.to_owned(),
            wants: format!("{dest} in its initrd"),
            gives: "no such secret".to_owned(),
            mend,
        });
    }
    findings.warn(Told {
        about: ABOUT.to_owned(),
        wants: "secrets in its initrd".to_owned(),
        gives: "an ESP, which is not encrypted: whoever has the disk can read them".to_owned(),
        mend: "nothing, if they are good for nothing else: never the system's own host key, nor a \
               key that is used elsewhere"
            .to_owned(),
    });
    keep(subject, source, findings);
}

/// Whether the first stage's SSH server looks for its host key there.
fn is_host_key(subject: &Subject<'_>, dest: &TreePath) -> bool {
    let ssh = subject.stage1.and_then(|stage1| stage1.remote.ssh.as_ref());
    let mut keys = ssh.into_iter().flat_map(|ssh| &ssh.host_keys);
    keys.any(|key| TreePath::parse(key).is_ok_and(|key| key == *dest))
}

/// Whether the secret can be kept where the running system reads it.
fn keep(subject: &Subject<'_>, source: &TreePath, findings: &mut Findings) {
    let told = |gives: &str, mend: &str| Told {
        about: ABOUT.to_owned(),
        wants: format!("to read {source} whenever its boot loader is installed"),
        gives: gives.to_owned(),
        mend: mend.to_owned(),
    };
    if is_volatile(source) {
        let gives = "no place for it: what lies there is made anew at every boot";
        return findings.warn(told(gives, "let the running system make it, or keep it elsewhere"));
    }
    let mend = "keep it on a volume of the system (boot.initrd.network.ssh.hostKeys and the like)";
    match mounts::holding(subject, &source.to_string()) {
        Some(volume) if volume.is_esp => {
            findings.refuse(told("that place on the ESP, where anybody can read it", mend));
        }
        Some(_) => {}
        None => findings.refuse(told("no volume that holds it", mend)),
    }
}

/// Refuses secrets that no configuration asks for.
pub(super) fn unknown(
    store: &HostStore,
    system: &System,
    given: impl IntoIterator<Item = TreePath>,
    findings: &mut Findings,
) {
    // What cannot be read has been refused by then.
    let Ok(wanted) = Wanted::read(store, system) else { return };
    let of_file = |secret: &&Appended| matches!(secret.origin, Origin::File(_));
    let expected: Vec<&TreePath> =
        wanted.all().filter(of_file).map(|secret| &secret.dest).collect();
    for dest in given {
        if expected.contains(&&dest) {
            continue;
        }
        let in_store = wanted.all().find(|secret| secret.dest == dest);
        let wants = match in_store.map(|secret| &secret.origin) {
            Some(Origin::Store(file)) => {
                format!("{dest} from its own store, where it is no secret: {file}")
            }
            Some(Origin::File(_)) | None if expected.is_empty() => {
                "no secrets in its initrd".to_owned()
            }
            Some(Origin::File(_)) | None => {
                let mut names: Vec<String> = expected.iter().map(ToString::to_string).collect();
                names.dedup();
                format!("these secrets in its initrd: {}", names.join(", "))
            }
        };
        findings.refuse(Told {
            about: ABOUT.to_owned(),
            wants,
            gives: format!("one for {dest}"),
            mend: "leave it out, or add it to boot.initrd.secrets as a string, not as a Nix path"
                .to_owned(),
        });
    }
}
