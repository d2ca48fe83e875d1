//! Installing on Debian, with one wrinkle: QEMU's packages come from one source or not at all.
//!
//! A machine may have `qemu-utils` from the backports suite without having that suite among its
//! sources; the release's own `qemu-system-x86` then refuses to be installed beside it. So the
//! suite is added next to the source that is already there (same URI, same keyring) and QEMU is
//! taken from it. Everything else comes from the release.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::program::{self, say};

const SOURCES: &str = "/etc/apt/sources.list.d";
const OURS: &str = "/etc/apt/sources.list.d/calve-backports.sources";
/// Another apt may be at work (a machine that just started upgrades itself).
const LOCK: [&str; 2] = ["-o", "DPkg::Lock::Timeout=120"];

/// Why apt could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot write {path}: {source}")]
    Write { path: PathBuf, source: std::io::Error },
    #[error(
        "qemu-utils {version} is from backports, but no source of {codename} was found in {SOURCES}"
    )]
    NoSource { version: String, codename: String },
    #[error(transparent)]
    Program(#[from] program::Error),
}

/// What will be done, printable as shell commands.
#[derive(Debug)]
pub(crate) struct Plan {
    packages: Vec<String>,
    backports: Option<Backports>,
}

/// QEMU from the backports suite.
#[derive(Debug)]
struct Backports {
    suite: String,
    packages: Vec<String>,
    /// The source to add, when no source has the suite yet.
    stanza: Option<String>,
}

/// One source of packages, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    uri: String,
    suites: Vec<String>,
    signed_by: Option<String>,
}

/// Decides how `packages` get installed.
pub(crate) fn plan(packages: &[&str]) -> Result<Plan, Error> {
    let is_qemu = |name: &&&str| name.starts_with("qemu-");
    let version = installed_version("qemu-utils");
    let backports = match version.filter(|version| version.contains("~bpo")) {
        Some(version) if packages.iter().any(|name| is_qemu(&name)) => {
            let qemu = packages.iter().filter(is_qemu);
            Some(backports(&version, qemu.map(ToString::to_string).collect())?)
        }
        Some(_) | None => None,
    };
    let plain = packages.iter().filter(|name| backports.is_none() || !is_qemu(name));
    Ok(Plan { packages: plain.map(ToString::to_string).collect(), backports })
}

/// Does what the plan says.
pub(crate) fn install(plan: &Plan) -> Result<(), Error> {
    if let Some(Backports { stanza: Some(stanza), .. }) = &plan.backports {
        std::fs::write(OURS, stanza)
            .map_err(|source| Error::Write { path: OURS.into(), source })?;
    }
    // A third party's broken source is not our business unless the install fails as well.
    if let Err(error) = program::run(apt_get().args(LOCK).args(["-q", "update"])) {
        say(&format!("setup: going on although {error}"));
    }
    if let Some(backports) = &plan.backports {
        let suite = ["-t", &backports.suite];
        program::run(apt_get().args(INSTALL).args(LOCK).args(suite).args(&backports.packages))?;
    }
    if !plan.packages.is_empty() {
        program::run(apt_get().args(INSTALL).args(LOCK).args(&plan.packages))?;
    }
    Ok(())
}

const INSTALL: [&str; 4] = ["-q", "install", "-y", "--no-install-recommends"];

fn apt_get() -> std::process::Command {
    let mut command = program::command("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn installed_version(package: &str) -> Option<String> {
    let format = "--showformat=${db:Status-Status} ${Version}";
    let query = program::read(program::command("dpkg-query").args(["-W", format, package]));
    let text = query.ok()?;
    text.strip_prefix("installed ").map(str::to_owned)
}

fn backports(version: &str, packages: Vec<String>) -> Result<Backports, Error> {
    let codename = codename()?;
    let suite = format!("{codename}-backports");
    let sources = sources()?;
    if sources.iter().any(|source| source.suites.contains(&suite)) {
        return Ok(Backports { suite, packages, stanza: None });
    }
    let Some(source) = sources.iter().find(|source| source.suites.contains(&codename)) else {
        return Err(Error::NoSource { version: version.to_owned(), codename });
    };
    let stanza = stanza(source, &suite);
    Ok(Backports { suite, packages, stanza: Some(stanza) })
}

fn stanza(source: &Source, suite: &str) -> String {
    let mut text = format!("Types: deb\nURIs: {}\nSuites: {suite}\nComponents: main\n", source.uri);
    if let Some(keyring) = &source.signed_by {
        text.push_str(&format!("Signed-By: {keyring}\n"));
    }
    text
}

fn codename() -> Result<String, Error> {
    let text = read("/etc/os-release".as_ref())?;
    let codename = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    Ok(codename.unwrap_or("stable").trim_matches('"').to_owned())
}

fn sources() -> Result<Vec<Source>, Error> {
    let mut found = Vec::new();
    let list = Path::new("/etc/apt/sources.list");
    if list.exists() {
        found.extend(one_line_sources(&read(list)?));
    }
    let Ok(entries) = std::fs::read_dir(SOURCES) else {
        return Ok(found);
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    for file in files {
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("sources") => found.extend(deb822_sources(&read(&file)?)),
            Some("list") => found.extend(one_line_sources(&read(&file)?)),
            Some(_) | None => {}
        }
    }
    Ok(found)
}

/// `sources.list(5)`, one-line style: `deb [options] URI SUITE COMPONENT...`.
fn one_line_sources(text: &str) -> Vec<Source> {
    let mut found = Vec::new();
    for line in text.lines() {
        let Some(rest) = line.trim().strip_prefix("deb ") else {
            continue;
        };
        let (options, rest) = match rest.trim().strip_prefix('[') {
            Some(bracketed) => bracketed.split_once(']').unwrap_or((bracketed, "")),
            None => ("", rest.trim()),
        };
        let signed_by = options.split_whitespace().find_map(|word| word.strip_prefix("signed-by="));
        let mut words = rest.split_whitespace();
        if let (Some(uri), Some(suite)) = (words.next(), words.next()) {
            found.push(Source {
                uri: uri.to_owned(),
                suites: vec![suite.to_owned()],
                signed_by: signed_by.map(str::to_owned),
            });
        }
    }
    found
}

/// `sources.list(5)`, deb822 style: stanzas of `Key: value`, separated by empty lines.
fn deb822_sources(text: &str) -> Vec<Source> {
    let stanzas = text.split("\n\n");
    stanzas.filter_map(deb822_source).collect()
}

fn deb822_source(stanza: &str) -> Option<Source> {
    let field = |name: &str| {
        stanza.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    if field("Enabled").is_some_and(|enabled| enabled == "no") {
        return None;
    }
    Some(Source {
        uri: field("URIs")?.split_whitespace().next()?.to_owned(),
        suites: field("Suites")?.split_whitespace().map(str::to_owned).collect(),
        signed_by: field("Signed-By").filter(|keyring| keyring.starts_with('/')),
    })
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.into(), source })
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let install = "  apt-get install -y --no-install-recommends";
        if let Some(Backports { stanza: Some(stanza), .. }) = &self.backports {
            writeln!(f, "  cat >{OURS} <<'END'\n{stanza}END")?;
        }
        writeln!(f, "  apt-get update")?;
        if let Some(backports) = &self.backports {
            writeln!(f, "{install} -t {} {}", backports.suite, backports.packages.join(" "))?;
        }
        if self.packages.is_empty() {
            return Ok(());
        }
        write!(f, "{install} {}", self.packages.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_styles_of_source_are_read() {
        let deb822 = "Types: deb\n# why\nURIs: http://mirror.example/debian\n\
                      Suites: bookworm bookworm-updates\nComponents: main\n\
                      Signed-By: /usr/share/keyrings/k.gpg\n\nTypes: deb\nEnabled: no\nURIs: x\nSuites: y\n";
        let expected = Source {
            uri: "http://mirror.example/debian".to_owned(),
            suites: vec!["bookworm".to_owned(), "bookworm-updates".to_owned()],
            signed_by: Some("/usr/share/keyrings/k.gpg".to_owned()),
        };
        assert_eq!(deb822_sources(deb822), [expected]);
        let one_line = "# a comment\ndeb-src http://mirror.example/debian bookworm main\n\
                        deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main\n";
        let expected = Source {
            uri: "http://mirror.example/debian".to_owned(),
            suites: vec!["bookworm".to_owned()],
            signed_by: Some("/k.gpg".to_owned()),
        };
        assert_eq!(one_line_sources(one_line), [expected]);
    }

    #[test]
    fn the_added_source_keeps_uri_and_keyring() {
        let source = Source {
            uri: "http://mirror.example/debian".to_owned(),
            suites: vec!["bookworm".to_owned()],
            signed_by: Some("/k.gpg".to_owned()),
        };
        let expected = "Types: deb\nURIs: http://mirror.example/debian\n\
                        Suites: bookworm-backports\nComponents: main\nSigned-By: /k.gpg\n";
        assert_eq!(stanza(&source, "bookworm-backports"), expected);
    }
}
