//! What the activation script of a system would do, as far as its text says.
//!
//! `activate` is made by NixOS' modules, one snippet after another, each command on a line of its own.
//! An image that must hold some of what the first activation makes reads here what that would be;
//! the script itself is never run. Only what is written as a plain command is seen: no variables, no
//! conditions.
//!
//! Follows nixpkgs' `activation-script.nix` and `users-groups.nix`, and NixOS-WSL's `wsl-distro.nix` and
//! `systemd/native`, whose quoting is `lib.escapeShellArg`: single quotes, or none.

use super::store::{self, HostStore};
use super::store_path::{StoreFile, StorePath};
use crate::tree::TreePath;
use crate::units::{Bytes, MIB};

/// No activation script is larger.
const TEXT_MAX: Bytes = Bytes::new(16 * MIB.get());

/// What the name of the file ends in that `update-users-groups.pl` reads.
const USERS: &str = "users-groups.json";

/// The text of an activation script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    text: String,
}

/// A file that the script puts somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The path that it makes.
    pub path: TreePath,
    /// What is linked or copied there.
    pub source: String,
    /// Whether it is a copy rather than a link.
    pub copied: bool,
}

impl Activation {
    /// Reads the script of a toplevel; `None` where it has none.
    ///
    /// # Errors
    /// A script that cannot be read.
    pub fn read(store: &HostStore, toplevel: &StorePath) -> Result<Option<Self>, store::Error> {
        let Ok(file) = toplevel.join("activate") else { return Ok(None) };
        match store.read_text(&file, TEXT_MAX) {
            Ok(text) => Ok(Some(Self { text })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes the text of a script.
    pub fn of(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// The file that it makes users and groups from; `None` where something else makes them.
    pub fn users_groups(&self) -> Option<StoreFile> {
        self.commands().find_map(|words| {
            let file = words.last()?.parse::<StoreFile>().ok()?;
            (file.inner().is_empty() && file.path().name().ends_with(USERS)).then_some(file)
        })
    }

    /// What it puts into a directory with `ln -sf SOURCE PATH` and `cp -f SOURCE PATH`, in its order.
    pub fn placed_in(&self, directory: &TreePath) -> Vec<Placed> {
        let placed = self.commands().filter_map(|words| {
            let (copied, source, path) = match words.as_slice() {
                ["ln", "-sf" | "-sfn" | "-s", source, path] => (false, source, path),
                ["cp", "-f", source, path] => (true, source, path),
                _ => return None,
            };
            let path = TreePath::parse(path).ok()?;
            // NixOS makes /bin/sh and the like under a hidden name first, and renames it.
            let is_hidden = path.name().is_some_and(|name| name.starts_with(b"."));
            let is_inside = path.parent().as_ref() == Some(directory);
            (is_inside && !is_hidden).then(|| Placed { path, source: (*source).to_owned(), copied })
        });
        placed.collect()
    }

    /// The words of each line that has any.
    fn commands(&self) -> impl Iterator<Item = Vec<&str>> {
        let lines = self.text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        lines
            .map(|line| line.split_ascii_whitespace().map(|word| word.trim_matches('\'')).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SH: &str = "/nix/store/p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-bash-5.2/bin/sh";
    const JSON: &str = "/nix/store/31nfjp6r58f3bm5ddfyc1f23kh7674vw-users-groups.json";

    #[test]
    fn commands_are_read_and_nothing_else() {
        let script = format!(
            "#!/bin/sh\n# ln -sf /not /bin/commented\n  echo \"setting up /bin...\"\n\
             /perl/bin/perl \\\n-w /update-users-groups.pl {JSON}\n\
             ln -sf '{SH}' '/bin/sh'\n  ln -sf /init /bin/wslpath\ncp -f {SH} /bin/copy\n\
             ln -sf $shim /sbin/init\nln -sf a b c /bin/more\nln -sfn {SH} /bin/.sh.tmp\nln -sf x /bin/../etc/x\n"
        );
        let activation = Activation::of(script);
        assert_eq!(activation.users_groups(), Some(JSON.parse().unwrap()));
        let placed = activation.placed_in(&TreePath::parse("/bin").unwrap());
        let shown: Vec<String> = placed
            .iter()
            .map(|placed| format!("{} {} {}", placed.path, placed.source, placed.copied))
            .collect();
        let expected = [
            format!("/bin/sh {SH} false"),
            "/bin/wslpath /init false".to_owned(),
            format!("/bin/copy {SH} true"),
        ];
        assert_eq!(shown, expected);
        let sbin = activation.placed_in(&TreePath::parse("/sbin").unwrap());
        assert_eq!(sbin[0].source, "$shim", "the reader says what is written, not what it means");
        assert_eq!(Activation::of("systemd-sysusers\n").users_groups(), None);
    }
}
