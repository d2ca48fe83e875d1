//! `calve build lxc --host-key` and `--host-key-pub`: what gets into the image, and what nowhere else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::fake::{Fake, with_system};
use crate::keygen::{self, Keygen};
use crate::run::{calve, output};

/// A container, and a key of which the files are `host`, `host.pub` in its directory.
fn with_key() -> Option<(Fake, String)> {
    let keygen = Keygen::new()?;
    keygen::need("tar")?;
    keygen.generate("host", "");
    let fake = Fake::new();
    fake.container();
    for name in ["host", "host.pub"] {
        fs::copy(keygen.directory().join(name), fake.dir().join(name)).unwrap();
    }
    Some((fake, keygen.text("host")))
}

fn lxc<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    let image: &[&str] = &["--cache", "cache", "-o", "web.tar", "--force"];
    with_system(&["build", "lxc"], &[image, rest].concat())
}

/// Whether the bytes of a key are anywhere in a text.
fn shows(text: &[u8], key: &str) -> bool {
    let secret = key.lines().nth(3).unwrap().as_bytes();
    text.windows(secret.len()).any(|window| window == secret)
}

/// The names below `/etc/ssh` that GNU tar lists, each with its mode.
fn listed(archive: &Path) -> Vec<String> {
    let output = Command::new("tar").arg("-tvf").arg(archive).output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| line.contains(" etc/ssh/ssh_host"));
    let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    words.map(|words| format!("{} {} {}", words[0], words[1], words[5])).collect()
}

/// A file as GNU tar unpacks it.
fn unpacked(archive: &Path, name: &str) -> String {
    let output = Command::new("tar").arg("-xOf").arg(archive).arg(name).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_public_half() {
    let Some((fake, _)) = with_key() else { return };
    let said = output(fake.dir(), &lxc(&["--host-key-pub", "host.pub", "-q"]));
    assert!(said.status.success(), "{said:?}");
    let image = fake.dir().join("web.tar");
    assert_eq!(listed(&image), ["-rw-r--r-- 0/0 etc/ssh/ssh_host_ed25519_key.pub"]);
    let public = fs::read_to_string(fake.dir().join("host.pub")).unwrap();
    assert_eq!(unpacked(&image, "etc/ssh/ssh_host_ed25519_key.pub"), public);
}

#[test]
fn both_halves_are_in_the_image_and_nowhere_else() {
    let Some((fake, key)) = with_key() else { return };
    // Whoever may read a file that is replaced may not read what replaces it.
    fs::write(fake.dir().join("web.tar"), "anybody's").unwrap();
    let said = output(fake.dir(), &lxc(&["--host-key", "host", "--json", "-v"]));
    assert!(said.status.success(), "{said:?}");
    let words = String::from_utf8_lossy(&said.stderr);
    assert!(words.contains("warning: the image will hold a private SSH host key"), "{words}");
    assert!(!shows(&said.stdout, &key) && !shows(&said.stderr, &key));
    let image = fake.dir().join("web.tar");
    assert_eq!(fs::metadata(&image).unwrap().permissions().mode() & 0o7777, 0o600);
    let public = "-rw-r--r-- 0/0 etc/ssh/ssh_host_ed25519_key.pub";
    assert_eq!(listed(&image), ["-rw------- 0/0 etc/ssh/ssh_host_ed25519_key", public]);
    assert_eq!(unpacked(&image, "etc/ssh/ssh_host_ed25519_key"), key);
    assert!(shows(&fs::read(&image).unwrap(), &key), "or what is not shown would prove nothing");

    for dry in [&["--pieces"][..], &["--json"], &["-v"]] {
        let rest = [&["--host-key", "host", "--dry-run"], dry].concat();
        let said = output(fake.dir(), &lxc(&rest));
        assert!(said.status.success() && !shows(&said.stdout, &key), "{said:?}");
        assert!(!shows(&said.stderr, &key));
    }
}

#[test]
fn a_pipe_gets_the_key_as_well() {
    let Some((fake, key)) = with_key() else { return };
    let arguments = ["--host-key", "host", "--compress", "none", "-o", "-"];
    let said = output(fake.dir(), &with_system(&["build", "lxc"], &arguments));
    assert!(said.status.success() && shows(&said.stdout, &key) && !shows(&said.stderr, &key));
}

#[test]
fn keys_that_are_none() {
    let Some((fake, key)) = with_key() else { return };
    fs::write(fake.dir().join("cut"), &key[..200]).unwrap();
    let said = |rest: &[&str]| calve(fake.dir(), &lxc(rest));
    insta::assert_snapshot!(said(&["--host-key-pub", "host"]), @r"
    exit code: 2
    --- stderr
    error: host is no public host key
      ╰─▶ it holds a private key: expected the public half, a file that ends in .pub
    ");
    insta::assert_snapshot!(said(&["--host-key", "host.pub"]), @r"
    exit code: 2
    --- stderr
    error: host.pub is no private host key
      ╰─▶ it is a public key: expected an OpenSSH private key, -----BEGIN OPENSSH PRIVATE KEY-----
    ");
    insta::assert_snapshot!(said(&["--host-key", "cut"]), @r"
    exit code: 2
    --- stderr
    error: cut is no private host key
      ╰─▶ the key is cut short: expected a line -----END OPENSSH PRIVATE KEY-----
      help: something was lost on the way: copy it again
    ");
    let both = said(&["--host-key", "host", "--host-key-pub", "host.pub"]);
    assert!(both.starts_with("exit code: 2\n") && both.contains("cannot be used with"), "{both}");
    assert!(!fake.dir().join("web.tar").exists());
}
