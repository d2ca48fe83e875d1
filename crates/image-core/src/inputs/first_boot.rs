//! Whether a closure loads `/nix-path-registration` at its first boot, and removes it then.
//!
//! Image modules of nixpkgs do so: until 25.11 in `boot.postBootCommands`, a file of its own
//! (`…-local-cmds`) that `init` runs; from 26.05 in `register-nix-paths.service`. Others would keep the
//! file for ever, and need none: the database is in the image.

use super::registration::FILE;
use super::store::{self, HostStore};
use super::store_path::{STORE_DIR, StoreFile, StorePath};
use crate::units::MIB;

/// The name of the store path with `boot.postBootCommands`.
const COMMANDS: &str = "local-cmds";

const UNIT: &str = "etc/systemd/system/register-nix-paths.service";

/// Tells whether the file is loaded; `init` is the text of the toplevel's second stage.
///
/// # Errors
/// The system's answer, but for files that are not there.
pub fn loads_registration(
    store: &HostStore,
    toplevel: &StorePath,
    init: &[u8],
) -> Result<bool, store::Error> {
    if let Ok(unit) = toplevel.join(UNIT)
        && store.kind(&unit)?.is_some_and(|kind| kind.is_file())
    {
        return Ok(true);
    }
    let init = String::from_utf8_lossy(init);
    for commands in commands(&init) {
        match store.read(&commands, MIB) {
            Ok(text) if mentions(&String::from_utf8_lossy(&text)) => return Ok(true),
            Ok(_) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(mentions(&init))
}

fn mentions(text: &str) -> bool {
    text.contains(FILE)
}

/// The files of boot commands that a text names.
fn commands(text: &str) -> impl Iterator<Item = StoreFile> {
    let is_end = |c: char| c.is_ascii_whitespace() || matches!(c, '"' | '\'' | ';');
    let words = text.split(is_end).filter(|word| word.starts_with(STORE_DIR));
    let files = words.filter_map(|word| word.parse::<StoreFile>().ok());
    files.filter(|file| file.path().name() == COMMANDS)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    const TOP: &str = "22qfp468zx6lkb1b8lll57c5fia9ccgs-nixos-system-sample-25.05";
    const CMDS: &str = "p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-local-cmds";

    fn loads(root: &Path, init: &str) -> bool {
        let toplevel = StorePath::from_base_name(TOP).unwrap();
        loads_registration(&HostStore::at(root), &toplevel, init.as_bytes()).unwrap()
    }

    #[test]
    fn only_where_something_loads_it() {
        let root = tempfile::tempdir().unwrap();
        let store = root.path().join("nix/store");
        fs::create_dir_all(store.join(TOP)).unwrap();
        let init = format!("#! /bin/sh\n/bin/sh /nix/store/{CMDS}\n");
        assert!(!loads(root.path(), &init), "the file is not there");
        fs::write(store.join(CMDS), "echo hello\n").unwrap();
        assert!(!loads(root.path(), &init));
        fs::write(store.join(CMDS), "if [ -f /nix-path-registration ]; then\n").unwrap();
        assert!(loads(root.path(), &init));
        assert!(!loads(root.path(), "#! /bin/sh\n"));
        assert!(loads(root.path(), "nix-store --load-db < /nix-path-registration\n"));
    }

    #[test]
    fn the_service_of_newer_systems() {
        let root = tempfile::tempdir().unwrap();
        let units = root.path().join("nix/store").join(TOP).join("etc/systemd/system");
        fs::create_dir_all(&units).unwrap();
        assert!(!loads(root.path(), ""));
        fs::write(units.join("register-nix-paths.service"), "[Unit]\n").unwrap();
        assert!(loads(root.path(), ""));
    }
}
