//! Commands in the texts of units and shell scripts, as far as they are written out.
//!
//! A unit's `ExecStart=` lines, and every line of a script: split into words, quotes taken off, lines that
//! end in a backslash joined. Variables stay as they are written.

/// A program and what it is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    path: String,
    /// The words after it.
    pub arguments: Vec<String>,
}

impl Command {
    /// The program's name, without directories.
    pub fn program(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The value of an option, `--name=value`, `--name value` or `-n value`.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options(name).into_iter().next()
    }

    /// All values of an option that may be given again.
    pub fn options(&self, name: &str) -> Vec<&str> {
        let words = self.arguments.iter().enumerate();
        let values = words.filter_map(|(index, word)| {
            let rest = word.strip_prefix(name)?;
            match rest.strip_prefix('=') {
                Some(value) => Some(value),
                None if rest.is_empty() => self.arguments.get(index + 1).map(String::as_str),
                None => None,
            }
        });
        values.collect()
    }

    fn of(line: &str) -> Option<Self> {
        let mut words = line
            .split_ascii_whitespace()
            .map(|word| word.trim_matches(['"', '\'', ';', '&', '(', ')']))
            .filter(|word| !word.is_empty())
            // What shells put before a command.
            .skip_while(|word| matches!(*word, "exec" | "if" | "then" | "else" | "do" | "!" | "{"));
        let path = words.next()?.to_owned();
        Some(Self { path, arguments: words.map(str::to_owned).collect() })
    }
}

/// What units start.
pub fn started(units: &str) -> Vec<Command> {
    let units = joined(units);
    let lines = units.lines().filter_map(|line| line.trim().strip_prefix("ExecStart="));
    // systemd.service(5): prefixes that change how a program is started.
    lines
        .filter_map(|line| Command::of(line.trim_start_matches(['@', '-', ':', '+', '!'])))
        .collect()
}

/// What the lines of scripts run; of several commands in a line each.
pub fn commands(script: &str) -> Vec<Command> {
    let script = joined(script);
    let lines = script.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let parts = lines.flat_map(|line| line.split(" && ").flat_map(|part| part.split(" || ")));
    parts.flat_map(|part| part.split("; ")).filter_map(Command::of).collect()
}

fn joined(text: &str) -> String {
    text.replace("\\\n", " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_scripts() {
        let unit = "[Service]\nExecStartPre=/bin/no\nExecStart=-/nix/store/x/bin/tailscaled \\\n  \
                    --state=/a/b --port 41641 $FLAGS\nType=notify\n";
        let found = started(unit);
        assert_eq!((found.len(), found[0].program()), (1, "tailscaled"));
        assert_eq!(found[0].option("--state"), Some("/a/b"));
        assert_eq!(found[0].option("--port"), Some("41641"));
        assert_eq!((found[0].option("--stat"), found[0].option("--none")), (None, None));
        let script = "# udhcpc x\nip link set \"$iface\" up && udhcpc --quit -i $iface; \
                      exec /bin/sshd -e -h /a -h '/b'\n";
        let found = commands(script);
        let programs: Vec<&str> = found.iter().map(Command::program).collect();
        assert_eq!(programs, ["ip", "udhcpc", "sshd"]);
        assert_eq!(found[2].options("-h"), ["/a", "/b"]);
    }
}
