//! The two files that WSL reads itself: `/etc/wsl.conf` at each start, `/etc/wsl-distribution.conf` once.
//!
//! The closure's own are taken word for word: the first activation would put them back. Read is as WSL
//! reads (`src/shared/configfile`): keys in sections, without regard to case, the first of a name
//! counts, `#` begins a comment outside of quotes.

use std::fmt::Write;

use super::{Error, TEXT_MAX, icon};
use crate::formats::Input;

/// How each start is made.
pub const WSL: &str = "/etc/wsl.conf";

/// How the distribution is installed.
pub const DISTRIBUTION: &str = "/etc/wsl-distribution.conf";

/// The name under which it is installed, unless the user says otherwise; NixOS-WSL's too.
const NAME: &str = "NixOS";

/// One of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conf(String);

/// Reads one of the files from the closure; `None` where it has none.
///
/// # Errors
/// A file that cannot be read.
pub(super) fn of_closure(input: Input<'_>, path: &str) -> Result<Option<Conf>, Error> {
    let file = input.system.main.toplevel.join(path.trim_start_matches('/'))?;
    match input.store.read_text(&file, TEXT_MAX) {
        Ok(text) => Ok(Some(Conf(text))),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Conf {
    /// Takes the text of a file.
    pub fn of(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Makes a `wsl.conf`: systemd, and nothing of what NixOS does itself or does not have.
    pub(super) fn wsl(user: &str) -> Self {
        Self::written(&[
            ("automount", &[("ldconfig", "false"), ("mountFsTab", "false")]),
            ("boot", &[("systemd", "true")]),
            ("user", &[("default", user)]),
        ])
    }

    /// Makes a `wsl-distribution.conf`.
    pub(super) fn distribution(uid: u32, has_icon: bool) -> Self {
        let uid = uid.to_string();
        let oobe: &[(&str, &str)] = &[("defaultName", NAME), ("defaultUid", &uid)];
        let shortcut: &[(&str, &str)] = &[("icon", icon::PATH)];
        let sections = [("oobe", oobe), ("shortcut", shortcut)];
        Self::written(if has_icon { &sections } else { &sections[..1] })
    }

    fn written(sections: &[(&str, &[(&str, &str)])]) -> Self {
        let mut text = String::new();
        for (section, keys) in sections {
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}[{section}]");
            for (key, value) in *keys {
                let _ = writeln!(text, "{key}={value}");
            }
        }
        Self(text)
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The value of a key, such as `boot.systemd`.
    pub fn value(&self, name: &str) -> Option<String> {
        let mut section = "";
        for line in self.0.lines().map(str::trim) {
            if let Some(rest) = line.strip_prefix('[') {
                section = rest.split(']').next().unwrap_or_default().trim();
            } else if let Some((key, value)) = line.split_once('=')
                && !line.starts_with('#')
                && format!("{section}.{}", key.trim()).eq_ignore_ascii_case(name)
            {
                return Some(unquoted(value));
            }
        }
        None
    }

    /// Whether a key is set to true; `None` where it is not set.
    pub fn is_true(&self, name: &str) -> Option<bool> {
        self.value(name).map(|value| value == "1" || value.eq_ignore_ascii_case("true"))
    }
}

/// A value without quotes, and without the comment after it.
fn unquoted(value: &str) -> String {
    let (mut text, mut quoted) = (String::new(), false);
    for c in value.trim().chars() {
        match c {
            '"' => quoted = !quoted,
            '#' if !quoted => break,
            c => text.push(c),
        }
    }
    text.trim_end().to_owned()
}
