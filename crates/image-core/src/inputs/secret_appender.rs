//! What a system appends to its initrd when its boot loader is installed: `append-initrd-secrets`.
//!
//! The program that bootspec's `initrdSecrets` names is a shell script that NixOS' modules make. Per
//! secret it holds two lines, in the order of DEST:
//!
//! ```text
//! mkdir -p $(dirname "$tmp/.initrd-secrets/DEST")
//! cp -a SOURCE "$tmp/.initrd-secrets/DEST"
//! ```
//!
//! DEST is where the first stage finds the secret, SOURCE the file of the running system that every
//! `nixos-rebuild` copies it from. The lines stand between the one that makes `$tmp` and the one that
//! archives it; there everything else is an error, because a secret that is read wrongly is found out
//! by a machine that cannot be unlocked. The script is never run.
//!
//! Follows nixpkgs' `stage-1.nix` (both kinds of first stage have the one script).

use super::store::{self, HostStore};
use super::store_path::{STORE_DIR, StoreFile};
use crate::tree::TreePath;
use crate::units::{Bytes, MIB};

/// No such script is larger.
const TEXT_MAX: Bytes = MIB;

/// How the line begins that makes the directory for the secrets.
const BEGIN: &str = "tmp=$(mktemp -d ";

/// How the line begins that archives it.
const END: &str = "(cd \"$tmp\" && find ";

/// What every secret's place begins with.
const PLACE: &str = "$tmp/.initrd-secrets/";

/// Why the secrets of a system are not known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The script could not be reached.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The script has another shape than NixOS gives it.
    #[error("{program} line {line}: expected {expected}, found {found:?}")]
    Line {
        /// The script.
        program: StoreFile,
        /// The line, counted from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
}

/// Where a running system has a secret that belongs into its initrd.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// In a file of its own, which whoever makes an image must bring.
    File(TreePath),
    /// In the store, where everybody can read it: no secret, and nobody has to bring it.
    Store(StoreFile),
}

/// One secret of an initrd.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Appended {
    /// Where the first stage finds it.
    pub dest: TreePath,
    /// Where it is copied from.
    pub origin: Origin,
}

/// Reads the script; secrets come in its order.
///
/// # Errors
/// A script that cannot be read, or that has another shape.
pub fn read(store: &HostStore, program: &StoreFile) -> Result<Vec<Appended>, Error> {
    parse(&store.read_text(program, TEXT_MAX)?, program)
}

/// Reads the text of the script; `program` is how errors call it.
///
/// # Errors
/// The line that has another shape.
pub fn parse(text: &str, program: &StoreFile) -> Result<Vec<Appended>, Error> {
    let script = Script { program };
    let mut secrets: Vec<Appended> = Vec::new();
    let mut state = State::Before;
    let mut directory = None;
    for (index, line) in text.lines().enumerate() {
        let at = Line { number: index + 1, text: line.trim() };
        match state {
            State::Before if at.text.starts_with(BEGIN) => state = State::Copying,
            State::Copying if at.text.starts_with(END) && directory.is_none() => {
                state = State::After;
            }
            State::Before | State::After => {
                if at.text.contains(".initrd-secrets/") {
                    return Err(script.wrong(at, "secrets between mktemp and the archive only"));
                }
            }
            State::Copying if at.text.is_empty() || at.text.starts_with('#') => {}
            State::Copying => match directory.take() {
                None => directory = Some(script.directory(at)?),
                Some(dest) => secrets.push(script.copy(at, dest, &secrets)?),
            },
        }
    }
    let end = Line { number: text.lines().count(), text: "the end of the script" };
    match state {
        State::Before => Err(script.wrong(end, "a line that begins with tmp=$(mktemp -d")),
        State::Copying => Err(script.wrong(end, "a line that archives $tmp")),
        State::After => Ok(secrets),
    }
}

#[derive(Clone, Copy)]
enum State {
    Before,
    Copying,
    After,
}

#[derive(Clone, Copy)]
struct Line<'t> {
    number: usize,
    text: &'t str,
}

struct Script<'p> {
    program: &'p StoreFile,
}

impl Script<'_> {
    fn wrong(&self, line: Line<'_>, expected: &'static str) -> Error {
        let found = line.text.to_owned();
        Error::Line { program: self.program.clone(), line: line.number, expected, found }
    }

    /// Reads the line that makes a secret's directory, for the DEST in it.
    fn directory<'t>(&self, line: Line<'t>) -> Result<&'t str, Error> {
        let place = line.text.strip_prefix("mkdir -p $(dirname \"");
        let place = place.and_then(|rest| rest.strip_suffix("\")"));
        let dest = place.and_then(|place| place.strip_prefix(PLACE));
        dest.ok_or_else(|| self.wrong(line, "mkdir -p $(dirname \"$tmp/.initrd-secrets/DEST\")"))
    }

    /// Reads the line that copies a secret.
    fn copy(&self, line: Line<'_>, dest: &str, known: &[Appended]) -> Result<Appended, Error> {
        let expected =
            "cp -a SOURCE \"$tmp/.initrd-secrets/DEST\" with the DEST of the line before";
        let rest = line.text.strip_suffix(&format!(" \"{PLACE}{dest}\""));
        let source = rest.and_then(|rest| rest.strip_prefix("cp -a "));
        let source = source.ok_or_else(|| self.wrong(line, expected))?;
        // The first stage splits the list of secrets at blanks.
        let path = plain(dest).filter(|dest| !dest.contains(char::is_whitespace));
        let path = path.and_then(|dest| TreePath::parse(dest).ok()).filter(|dest| !dest.is_root());
        let dest = path.ok_or_else(|| self.wrong(line, "a DEST that is a plain path"))?;
        if known.iter().any(|other| other.dest.contains(&dest) || dest.contains(&other.dest)) {
            return Err(self.wrong(line, "each DEST once, none below another"));
        }
        let origin =
            origin(source).ok_or_else(|| self.wrong(line, "an absolute path as SOURCE"))?;
        Ok(Appended { dest, origin })
    }
}

/// Reads a SOURCE: a word of the shell that stands for itself.
fn origin(word: &str) -> Option<Origin> {
    let inner = word.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let path = match inner {
        Some(inner) => Some(inner).filter(|inner| !inner.contains('\'')),
        None => plain(word).filter(|word| !word.contains([' ', '\t'])),
    }?;
    if !path.starts_with('/') {
        return None;
    }
    if path.strip_prefix(STORE_DIR).is_some_and(|rest| rest.starts_with('/')) {
        return path.parse().ok().map(Origin::Store);
    }
    TreePath::parse(path).ok().filter(|path| !path.is_root()).map(Origin::File)
}

/// A text that the shell changes nothing about.
fn plain(text: &str) -> Option<&str> {
    let is_special = |letter: char| "$`\\\"'*?[]{}~;&|<>()#!".contains(letter);
    (!text.contains(|letter: char| is_special(letter) || letter.is_control())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program() -> StoreFile {
        "/nix/store/qaakrj9a3lf484bs3l9n77gk1x84j3jk-append-initrd-secrets/bin/append-initrd-secrets"
            .parse()
            .unwrap()
    }

    /// The script as NixOS makes it, around some lines of its middle.
    fn script(middle: &str) -> String {
        format!(
            "#!/nix/store/x-bash/bin/bash -e\nfunction usage {{\n  echo \"USAGE: $0 INITRD_FILE\" >&2\n}}\n\n\
             if [ $# -ne 1 ]; then\n  usage\n  exit 1\nfi\n\nexport PATH=/bin\n\nfunction cleanup {{\n  \
             if [ -n \"$tmp\" -a -d \"$tmp\" ]; then\n    rm -fR \"$tmp\"\n  fi\n}}\ntrap cleanup EXIT\n\n\
             tmp=$(mktemp -d ${{TMPDIR:-/tmp}}/initrd-secrets.XXXXXXXXXX)\n\n{middle}\n\n\
             # mindepth 1 so that we don't change the mode of /\n(cd \"$tmp\" && find . -mindepth 1 | \
             xargs touch -amt 197001010000 && find . -mindepth 1 -print0 | sort -z | cpio --quiet -o -H \
             newc -R +0:+0 --reproducible --null) | \\\n  /bin/zstd -19 -T0 >> \"$1\"\n"
        )
    }

    fn pair(dest: &str, source: &str) -> String {
        format!(
            "mkdir -p $(dirname \"$tmp/.initrd-secrets/{dest}\")\n\
             cp -a {source} \"$tmp/.initrd-secrets/{dest}\"\n\n"
        )
    }

    #[test]
    fn secrets_in_the_script_s_order() {
        let key = "/nix/store/p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-key";
        let middle = pair("/etc/ssh/key", "/etc/secrets/initrd/key")
            + &pair("/etc/ssh/nitrd_host_key", key)
            + &pair("run/tauthkey", "'/persist/auth key'");
        let path = |text: &str| TreePath::parse(text).unwrap();
        let found = parse(&script(&middle), &program()).unwrap();
        let file = |dest, source| Appended { dest: path(dest), origin: Origin::File(path(source)) };
        assert_eq!(found[0], file("/etc/ssh/key", "/etc/secrets/initrd/key"));
        assert_eq!(found[1].origin, Origin::Store(key.parse().unwrap()));
        assert_eq!(found[2], file("/run/tauthkey", "/persist/auth key"));
        assert_eq!(parse(&script(""), &program()).unwrap(), []);
    }

    #[test]
    fn everything_else_is_refused_with_its_line() {
        let good = pair("/a", "/b");
        for (middle, expected) in [
            ("cp -a /b \"$tmp/.initrd-secrets/a\"".to_owned(), "expected mkdir -p"),
            ("for f in /keys/*; do".to_owned(), "expected mkdir -p"),
            (good.replace("cp -a /b", "cp /b"), "expected cp -a SOURCE"),
            (good.replace("/b \"$tmp/.initrd-secrets//a", "/b \"$tmp/.initrd-secrets//c"), "DEST"),
            (pair("/a", "$KEY"), "an absolute path as SOURCE"),
            (pair("/a", "key"), "an absolute path as SOURCE"),
            (pair("/a", "/b /c"), "an absolute path as SOURCE"),
            (pair("/a", "/b/../c"), "an absolute path as SOURCE"),
            (pair("/a", "'/b'\\''c'"), "an absolute path as SOURCE"),
            (pair("/a b", "/b"), "a plain path"),
            (pair("/../a", "/b"), "a plain path"),
            (pair("/$(id)", "/b"), "a plain path"),
            (good.clone() + &good, "each DEST once"),
            (good.clone() + &pair("/a/b", "/c"), "each DEST once"),
            (good.lines().next().unwrap().to_owned(), "expected cp -a"),
        ] {
            let error = parse(&script(&middle), &program()).unwrap_err().to_string();
            assert!(error.contains(expected), "{middle}\n{error}");
            assert!(error.contains(" line 2"), "{error}");
        }
        let moved = good.clone() + &script("");
        assert!(parse(&moved, &program()).is_err(), "before it");
        let moved = script("") + &good;
        assert!(parse(&moved, &program()).is_err(), "after it");
        let error = parse("\x7fELF", &program()).unwrap_err().to_string();
        assert!(error.contains("expected a line that begins with tmp="), "{error}");
        let cut = script(&good).replace("(cd", "(cat");
        assert!(parse(&cut, &program()).is_err(), "never archived");
    }
}
