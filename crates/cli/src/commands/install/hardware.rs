//! What a machine says of its hardware, for the configuration that is built for it.

use std::io::Write;
use std::path::Path;

use calve_image_core::output::{self, Existing, Output};
use calve_installer::target::Call;

use super::reached::Reached;
use crate::failure::{Failure, Kind};
use crate::terminal::Terminal;

/// The program of NixOS' installers, without file systems: those come from the layout.
const COMMAND: [&str; 3] = ["nixos-generate-config", "--no-filesystems", "--show-hardware-config"];

/// Asks the machine, and writes what it says to a file; one of that name is replaced.
pub(super) fn write(
    reached: &Reached,
    file: &Path,
    is_dry: bool,
    terminal: Terminal,
) -> Result<(), Failure> {
    let shown = file.display();
    if is_dry {
        terminal.say(format!("hardware  {shown} would hold what {} says", COMMAND[0]));
        return Ok(());
    }
    let answer = reached.target().call(&Call { as_root: true, ..Call::new(&COMMAND) })?;
    if !answer.is_good() || answer.out.is_empty() {
        let name = reached.target().name();
        let message = format!("{name} does not tell its hardware: {}", answer.last_words());
        return Err(Failure::new(Kind::Failed, message)
            .hint(format!("{} is part of NixOS and of its installers", COMMAND[0])));
    }
    let output = Output::create(file, Existing::Replace)?;
    output.file().write_all(&answer.out).map_err(|source| output::Error::Io {
        action: "write",
        path: file.to_owned(),
        source,
    })?;
    output.commit()?;
    terminal.say(format!("hardware  {shown}"));
    Ok(())
}
