//! Runs the binary in an empty environment and gives all that it says as one text.

use std::path::Path;

use assert_cmd::Command;

/// Runs `calve` in a directory; the directory's own path is shown as DIR.
pub(crate) fn calve(directory: &Path, arguments: &[&str]) -> String {
    shown(directory, &output(directory, arguments))
}

/// Runs `calve` in a directory and gives its output as it is.
pub(crate) fn output(directory: &Path, arguments: &[&str]) -> std::process::Output {
    command(directory, arguments).output().unwrap()
}

/// The command, without the caller's environment: no nix in the search path, no NO_COLOR.
pub(crate) fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("calve").unwrap();
    command.current_dir(directory).args(arguments);
    command.env_clear().env("TMPDIR", directory).env("PATH", "/nowhere");
    command.env("XDG_CACHE_HOME", directory.join(".cache"));
    command
}

/// All that a run said, as one text.
pub(crate) fn shown(directory: &Path, output: &std::process::Output) -> String {
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).replace(directory.to_str().unwrap(), "DIR");
        text.split_inclusive('\n').map(untimed).collect::<String>()
    };
    let code = output.status.code().map_or("killed".to_owned(), |code| code.to_string());
    let mut shown = format!("exit code: {code}\n");
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        if !bytes.is_empty() {
            shown.push_str(&format!("--- {name}\n{}", text(bytes)));
        }
    }
    shown
}

/// A line without the time that a build took, which is told when it is a second or more.
fn untimed(line: &str) -> String {
    match line.rsplit_once(", in ") {
        Some((before, _)) if line.starts_with("written ") => format!("{before}\n"),
        Some(_) | None => line.to_owned(),
    }
}
