//! What keeps an installed closure on the machine that installed it: a root of Nix' garbage collector, one a host.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use calve_image_core::inputs::store_path::StorePath;

use super::Error;
use crate::keys::Source;
use crate::target;

/// Makes `link` a link to the system that Nix counts as a root; what it led to before may be collected then.
/// Tells whether there is a Nix here: where there is none nothing is ever collected. It sees none of the variables
/// that keys come from.
///
/// # Errors
/// Nix refused: the path is not registered, or the link cannot be made.
pub fn gc_root(link: &Path, toplevel: &StorePath, hidden: &[Source]) -> Result<bool, Error> {
    let mut command = Command::new("nix-store");
    hidden.iter().for_each(|source| source.hide_from(&mut command));
    add(&mut command, link, toplevel)
}

/// Asks a `nix-store` for it.
pub(super) fn add(command: &mut Command, link: &Path, toplevel: &StorePath) -> Result<bool, Error> {
    // Newer Nix makes no other kind, and takes the word all the same.
    command.arg("--add-root").arg(link).args(["--indirect", "--realise"]).arg(toplevel.to_string());
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(true),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(Error::said(&said, "this machine", "the store of this machine"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(target::Error::Start { program: "nix-store".to_owned(), source }.into()),
    }
}
