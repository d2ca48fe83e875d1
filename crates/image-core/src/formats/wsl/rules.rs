//! What Microsoft asks of a distribution, each rule a check of the finished tree.
//!
//! The first column of [`RULES`] is the rule's name, the second the section of "Build a Custom Linux
//! Distribution for WSL" that has it; rules that are not in the document but in WSL's sources say so.
//! Two more rules are about the file rather than the tree: see [`packaging`].

use super::conf;
use super::host::{CALLED, WSL_INIT};
use super::{Error, Findings, icon};
use crate::boot::preflight::Severity;
use crate::inputs::users::password::is_hash;
use crate::tree::{Node, Tree, TreePath};
use crate::units::Bytes;

mod packaging;
mod units;
mod view;

pub use packaging::packaging;

/// A finished tree, and what the system in it is called.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// All files.
    pub tree: &'a Tree,
    /// The path of the system.
    pub toplevel: &'a TreePath,
}

/// What is done about a rule that is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Nothing is built.
    Refused,
    /// It is told.
    Told,
    /// Nothing: the reason why it is not kept. NixOS-WSL does not keep it either.
    Accepted(&'static str),
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// How it is called.
    pub name: &'static str,
    /// Where it is written.
    pub section: &'static str,
    /// What it says.
    pub says: &'static str,
    /// What is done about it.
    pub weight: Weight,
    /// How to keep it.
    pub mend: &'static str,
    /// What is there instead; `None` where the rule is kept.
    pub check: fn(Subject<'_>) -> Result<Option<String>, Error>,
}

const FILES: &str = "Configuration file recommendations";
const DISTRIBUTION: &str = "Add the WSL distribution configuration file";
const SYSTEMD: &str = "Systemd recommendations";
const ARCHIVE: &str = "Create the tar file";
const LOCAL: &str = "Add a WSL configuration for local settings";
const SOURCE: &str = "WSL's sources";

const REPORT: &str = "this should not happen: calve makes these files; please report it";

/// All rules.
pub const RULES: [Rule; 18] = [
    Rule {
        name: "root of the archive",
        section: ARCHIVE,
        says: "the root of the file system, which has /etc and /bin/sh",
        weight: Weight::Refused,
        mend: REPORT,
        check: root,
    },
    Rule {
        name: "programs",
        section: SOURCE,
        says: "calls of /bin/sh, /bin/mount, /bin/bash and /bin/login",
        weight: Weight::Refused,
        mend: super::MODULE,
        check: programs,
    },
    Rule {
        name: "init",
        section: LOCAL,
        says: "a start of /sbin/init, where boot.systemd is true",
        weight: Weight::Refused,
        mend: super::MODULE,
        check: init,
    },
    Rule {
        name: "boot.systemd",
        section: LOCAL,
        says: "a choice; without systemd, NixOS is never activated",
        weight: Weight::Told,
        mend: "set wsl.wslConf.boot.systemd = true",
        check: systemd,
    },
    Rule {
        name: "wsl.conf",
        section: FILES,
        says: "/etc/wsl.conf, owned by root:root, mode 0644",
        weight: Weight::Refused,
        mend: REPORT,
        check: |subject| Ok(subject.not_a_root_file(conf::WSL)),
    },
    Rule {
        name: "wsl-distribution.conf",
        section: FILES,
        says: "/etc/wsl-distribution.conf, owned by root:root, mode 0644",
        weight: Weight::Refused,
        mend: REPORT,
        check: |subject| Ok(subject.not_a_root_file(conf::DISTRIBUTION)),
    },
    Rule {
        name: "oobe.defaultName",
        section: FILES,
        says: "a name to be installed under, of letters, digits, dots and dashes",
        weight: Weight::Told,
        mend: "set oobe.defaultName in /etc/wsl-distribution.conf",
        check: default_name,
    },
    Rule {
        name: "oobe.defaultUid",
        section: FILES,
        says: "1000 as oobe.defaultUid, where oobe.command makes the user",
        weight: Weight::Told,
        mend: "set oobe.defaultUid = 1000 in /etc/wsl-distribution.conf",
        check: default_uid,
    },
    Rule {
        name: "oobe.command",
        section: DISTRIBUTION,
        says: "a program that it runs at the first start; if it fails, nobody gets a shell",
        weight: Weight::Told,
        mend: "add the program: --overlay DIR",
        check: oobe_command,
    },
    Rule {
        name: "shortcut.icon",
        section: FILES,
        says: "an icon for the start menu; without one it takes the penguin",
        weight: Weight::Told,
        mend: "add one: --icon FILE.ico",
        check: no_icon,
    },
    Rule {
        name: "icon",
        section: DISTRIBUTION,
        says: "an .ico of at most 10 MB by the document, of at most 1 MiB by its sources",
        weight: Weight::Told,
        mend: "take a smaller .ico",
        check: bad_icon,
    },
    Rule {
        name: "windowsterminal.profileTemplate",
        section: DISTRIBUTION,
        says: "a JSON file of at most 1 MiB",
        weight: Weight::Told,
        mend: "add the file: --overlay DIR",
        check: terminal_profile,
    },
    Rule {
        name: "resolv.conf",
        section: FILES,
        says: "an /etc/resolv.conf that it writes itself, and none in the archive",
        weight: Weight::Told,
        mend: "take it out of the overlay",
        check: |subject| subject.present(&["/etc/resolv.conf"]),
    },
    Rule {
        name: "root user",
        section: FILES,
        says: "a login as root, uid 0, who must be in /etc/passwd",
        weight: Weight::Refused,
        mend: "leave users.users.root as NixOS has it",
        check: root_user,
    },
    Rule {
        name: "password hashes",
        section: FILES,
        says: "no hashes in /etc/shadow: everybody can read the archive",
        weight: Weight::Told,
        mend: "leave passwords out of the configuration, and set them in the distribution: \
               wsl -u root passwd USER",
        check: hashes,
    },
    Rule {
        name: "kernel",
        section: FILES,
        says: "its own kernel, and no kernel or initramfs in the archive",
        weight: Weight::Told,
        mend: "set boot.kernel.enable = false and boot.initrd.enable = false, as NixOS-WSL does",
        check: kernel,
    },
    Rule {
        name: "units",
        section: SYSTEMD,
        says: "no units that manage its network, or a /tmp of their own",
        weight: Weight::Told,
        mend: "disable them, or mask them: systemd.units.\"NAME\".enable = false",
        check: |subject| Ok(units::enabled(subject, &units::MANAGED)),
    },
    Rule {
        name: "tmpfiles units",
        section: SYSTEMD,
        says: "no units of systemd-tmpfiles",
        weight: Weight::Accepted(
            "NixOS makes files in /run, /var and /tmp with them; WSL keeps its own socket from \
             them (/run/tmpfiles.d/x11.conf)",
        ),
        mend: "",
        check: |subject| Ok(units::enabled(subject, &units::TMPFILES)),
    },
];

/// Holds a tree against all rules.
///
/// # Errors
/// A file of the tree that cannot be read.
pub(crate) fn check(subject: &Subject<'_>, findings: &mut Findings) -> Result<(), Error> {
    for rule in &RULES {
        let Some(found) = (rule.check)(*subject)? else { continue };
        let severity = match rule.weight {
            Weight::Refused => Severity::Refusal,
            Weight::Told => Severity::Warning,
            Weight::Accepted(_) => continue,
        };
        findings.add(severity, rule.name, found, rule.says, rule.mend);
    }
    Ok(())
}

fn root(subject: Subject<'_>) -> Result<Option<String>, Error> {
    let is_there = subject.find("/etc").is_some_and(Node::is_directory);
    Ok((!is_there).then(|| "an archive without /etc".to_owned()))
}

fn programs(subject: Subject<'_>) -> Result<Option<String>, Error> {
    let refused = CALLED.iter().filter(|(_, severity)| *severity == Severity::Refusal);
    let missing: Vec<String> = refused
        .map(|(name, _)| format!("/bin/{name}"))
        .filter(|path| !subject.is_program(path))
        .collect();
    Ok((!missing.is_empty()).then(|| format!("no program that is {}", missing.join(" or "))))
}

fn init(subject: Subject<'_>) -> Result<Option<String>, Error> {
    let is_started = subject.conf(conf::WSL)?.is_true("boot.systemd") == Some(true);
    let is_missing = is_started && !subject.is_program("/sbin/init");
    Ok(is_missing.then(|| "no program that is /sbin/init".to_owned()))
}

fn systemd(subject: Subject<'_>) -> Result<Option<String>, Error> {
    let is_on = subject.conf(conf::WSL)?.is_true("boot.systemd") == Some(true);
    Ok((!is_on).then(|| "no boot.systemd = true in /etc/wsl.conf".to_owned()))
}

fn default_name(subject: Subject<'_>) -> Result<Option<String>, Error> {
    let name = subject.conf(conf::DISTRIBUTION)?.value("oobe.defaultName").unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_name = !name.is_empty() && name.chars().all(is_plain);
    Ok((!is_name).then(|| format!("to be called {name:?}")))
}

fn default_uid(subject: Subject<'_>) -> Result<Option<String>, Error> {
    let conf = subject.conf(conf::DISTRIBUTION)?;
    let uid = conf.value("oobe.defaultUid");
    let is_other = conf.value("oobe.command").is_some() && uid.as_deref() != Some("1000");
    Ok(is_other.then(|| format!("oobe.defaultUid to be {}", uid.unwrap_or_default())))
}

fn oobe_command(subject: Subject<'_>) -> Result<Option<String>, Error> {
    let command = subject.conf(conf::DISTRIBUTION)?.value("oobe.command");
    let program = command.as_deref().and_then(|command| command.split_ascii_whitespace().next());
    let missing = program.filter(|program| !subject.is_program(program));
    Ok(missing.map(|program| format!("{program} to be run, and there is no such program")))
}

fn no_icon(subject: Subject<'_>) -> Result<Option<String>, Error> {
    let icon = subject.conf(conf::DISTRIBUTION)?.value("shortcut.icon");
    Ok(icon.is_none().then(|| "no icon".to_owned()))
}

fn bad_icon(subject: Subject<'_>) -> Result<Option<String>, Error> {
    let Some(path) = subject.conf(conf::DISTRIBUTION)?.value("shortcut.icon") else {
        return Ok(None);
    };
    let Some(bytes) = subject.read(&path, icon::DOCUMENTED_MAX)? else {
        return Ok(Some(format!("{path}, which is not there before the system is active")));
    };
    if let Err(error) = icon::check(&bytes) {
        return Ok(Some(format!("{path}: {error}")));
    }
    let size = Bytes::of(&bytes);
    Ok((size > icon::READ_MAX).then(|| format!("{path} of {size}")))
}

fn terminal_profile(subject: Subject<'_>) -> Result<Option<String>, Error> {
    let conf = subject.conf(conf::DISTRIBUTION)?;
    let Some(path) = conf.value("windowsterminal.profileTemplate") else { return Ok(None) };
    let Some(bytes) = subject.read(&path, icon::READ_MAX)? else {
        return Ok(Some(format!("{path}, which is not there or too large")));
    };
    let json: Result<serde_json::Value, _> = serde_json::from_slice(&bytes);
    Ok(json.is_err().then(|| format!("{path}, which is no JSON")))
}

fn root_user(subject: Subject<'_>) -> Result<Option<String>, Error> {
    let passwd = subject.text("/etc/passwd")?;
    let mut zeros = passwd.lines().filter(|line| line.split(':').nth(2) == Some("0"));
    let is_root = zeros.next().is_some_and(|line| line.starts_with("root:"));
    Ok((!is_root).then(|| "no user root with the uid 0".to_owned()))
}

fn hashes(subject: Subject<'_>) -> Result<Option<String>, Error> {
    let shadow = subject.text("/etc/shadow")?;
    let fields =
        shadow.lines().filter_map(|line| line.split(':').next().zip(line.split(':').nth(1)));
    let names: Vec<&str> =
        fields.filter(|(_, field)| is_hash(field)).map(|(name, _)| name).collect();
    Ok((!names.is_empty()).then(|| format!("a password for {}", names.join(", "))))
}

fn kernel(subject: Subject<'_>) -> Result<Option<String>, Error> {
    let toplevel = subject.toplevel;
    let own = [format!("{toplevel}/kernel"), format!("{toplevel}/initrd")];
    let own: Vec<&str> =
        own.iter().map(String::as_str).chain(["/vmlinuz", "/initrd.img"]).collect();
    if let Some(found) = subject.present(&own)? {
        return Ok(Some(found));
    }
    let boot = subject.find("/boot").and_then(|boot| boot.children().next());
    Ok(boot.map(|file| file.path().to_string()))
}

/// What WSL mounts into the distribution.
fn is_wsls_own(path: &TreePath) -> bool {
    path.to_string() == WSL_INIT
}
