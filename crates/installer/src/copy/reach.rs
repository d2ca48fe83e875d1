//! How a `nix` of this machine reaches the target: over the connection that is there, and over no other.
//!
//! Nix runs the user's ssh, for every store that it is given a URL of. It is told of the target by a name that
//! resolves nowhere, and of a directory in which connections lie by name (`ControlPath=…/%n`, ssh_config(5)); that one
//! holds a link to ours under that name. So ssh has no way to connect a second time, a builder that the closure comes from is
//! reached as the user's configuration says, and a target called `localhost` or `[::1]` is no special case to Nix.

use std::io;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::Error;
use super::server::{PROGRAM, Server};
use crate::target::{self, Call, Login, Ssh};

/// The target's name; `.invalid` is nobody's (RFC 2606).
const HOST: &str = "calve-target.invalid";

/// A way to the target, as long as this value lives.
#[derive(Debug)]
pub(super) struct Reach {
    directory: TempDir,
    /// What the user tells ssh besides.
    options: Vec<String>,
}

impl Reach {
    /// Lays a way over a connection.
    pub(super) fn over(ssh: &Ssh) -> Result<Self, Error> {
        let lay = || -> io::Result<TempDir> {
            // Sockets have short names: not below a long TMPDIR.
            let directory = tempfile::Builder::new().prefix("calve-").tempdir_in("/tmp")?;
            symlink(ssh.socket(), directory.path().join(HOST))?;
            Ok(directory)
        };
        let start = |source| target::Error::Start { program: "ssh".to_owned(), source };
        let options = ssh.address().options.clone();
        Ok(Self { directory: lay().map_err(start)?, options })
    }

    /// `NIX_SSHOPTS`: what Nix tells ssh. Nix splits it at spaces, since 2.25 as a shell does. No word of ours needs
    /// quotes; a word of the user's that does is quoted, as it was when they gave it.
    pub(super) fn options(&self) -> String {
        let sockets = format!("-oControlPath={}/%n", self.directory.path().display());
        let ours = ["-oControlMaster=no", "-oBatchMode=yes", "-oCanonicalizeHostname=no"];
        let theirs = self.options.iter().map(String::as_str);
        let words: Vec<&str> = [sockets.as_str()].into_iter().chain(ours).chain(theirs).collect();
        Call::new(&words).line()
    }

    /// The store below ROOT, as Nix calls it from here.
    pub(super) fn uri(&self, server: &Server<'_>) -> String {
        let program = program(server.target.login(), server.order.under);
        let program = match program.as_str() {
            PROGRAM => String::new(),
            program => format!("&remote-program={}", escaped(program)),
        };
        format!("ssh://{HOST}?remote-store={}{program}", escaped(&server.uri()))
    }
}

/// What stands for `nix-store` there. Nix splits it at spaces; older ones leave that to the target's shell.
fn program(login: Login, under: &[&str]) -> String {
    let sudo: &[&str] = match login {
        Login::Sudo => &["sudo", "-n"],
        Login::Root | Login::User => &[],
    };
    [sudo, under, &[PROGRAM]].concat().join(" ")
}

/// A word as it stands in the query of a URL.
fn escaped(word: &str) -> String {
    let letter = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    word.bytes().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_not_root_goes_through_sudo() {
        let under = ["flock", "-s", "/run/calve/busy"];
        let sudo = program(Login::Sudo, &under);
        assert_eq!(sudo, "sudo -n flock -s /run/calve/busy nix-store");
        assert_eq!(program(Login::Root, &[]), "nix-store");
    }

    #[test]
    fn words_of_the_users_that_need_quotes_have_them() {
        let directory = tempfile::Builder::new().prefix("calve-").tempdir_in("/tmp").unwrap();
        let sockets = format!("-oControlPath={}/%n", directory.path().display());
        let options = ["-p", "22", "-i", "my key"].map(str::to_owned).to_vec();
        let text = Reach { directory, options }.options();
        let ours = "-oControlMaster=no -oBatchMode=yes -oCanonicalizeHostname=no";
        assert_eq!(text, format!("{sockets} {ours} -p 22 -i 'my key'"));
    }

    #[test]
    fn queries_are_escaped() {
        assert_eq!(escaped("local?root=/mnt"), "local%3Froot%3D%2Fmnt");
        assert_eq!(escaped("sudo -n nix-store"), "sudo%20-n%20nix-store");
        assert_eq!(escaped("ä&#"), "%C3%A4%26%23");
    }
}
