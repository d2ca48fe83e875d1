//! Tickets that are written, read and refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::ticket::{Asks, Error, Ticket};
use crate::host_key::PublicKey;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF2L5pouZVhwl3YAYSc7OEQQseM5fVFYD2/zzVqHzzzA";

fn ticket() -> Ticket {
    Ticket {
        version: Ticket::VERSION,
        host: Some("web.example".to_owned()),
        port: 2222,
        user: "root".to_owned(),
        fingerprint: PublicKey::read(KEY.as_bytes()).unwrap().to_string(),
        known_hosts: "web.known_hosts".to_owned(),
        volumes: vec!["cryptroot".to_owned()],
        system_host_key: None,
        asks: Asks::Systemd,
    }
}

struct Files(tempfile::TempDir);

impl Files {
    fn new(ticket: &str, known_hosts: &str) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        for (name, text) in [("web.unlock.toml", ticket), ("web.known_hosts", known_hosts)] {
            fs::write(files.path(name), text).unwrap();
            files.mode(name, 0o644);
        }
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn error(&self) -> String {
        let error = Ticket::read(&self.path("web.unlock.toml")).unwrap_err();
        error.to_string().replace(self.0.path().to_str().unwrap(), "DIR")
    }
}

#[test]
fn a_ticket_is_read_as_it_was_written() {
    let fifo = Asks::Fifo { path: "/run/pass".to_owned() };
    for asks in [Asks::Systemd, Asks::CryptsetupAskpass, fifo] {
        let ticket = Ticket { asks, system_host_key: Some(KEY.to_owned()), ..ticket() };
        assert_eq!(Ticket::parse(&ticket.text().unwrap(), "x").unwrap(), ticket);
        let files = Files::new(&ticket.text().unwrap(), &format!("# x\n* {KEY} comment\n"));
        let read = Ticket::read(&files.path("web.unlock.toml")).unwrap();
        assert_eq!(read.key.to_string(), ticket.fingerprint);
        assert!(read.system_key.unwrap().is_same(&read.key));
        assert_eq!(read.ticket, ticket);
    }
}

#[test]
fn what_can_be_left_out() {
    let text = "version = 1\nfingerprint = 'SHA256:8gIb7skT8h6Y9V8bVQ9kXyW3M0Xq3V0p4m1l2n3o4p5'\n\
                known-hosts = 'a'\n[asks]\nkind = 'systemd'\n";
    let ticket = Ticket::parse(text, "x").unwrap();
    assert_eq!((ticket.host, ticket.port, ticket.user.as_str()), (None, 22, "root"));
    assert!(ticket.volumes.is_empty());
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let text = ticket().text().unwrap();
    for (from, to, error) in [
        ("port = 2222", "prot = 2222", "x:5: unknown field `prot`"),
        ("port = 2222", "port = 99999", "x:5: invalid value: integer `99999`"),
        ("version = 1", "version = 2", "x:3: expected version 1, found 2"),
        ("version = 1\n", "", "x:1: missing field `version`"),
        ("\"systemd\"", "\"smoke\"", "x:12: unknown variant `smoke`"),
        ("\"systemd\"", "\"systemd\"\npath = \"/x\"", "x:11: unknown field `path`"),
        (
            "\"systemd\"",
            "\"fifo\"\npath = \"x\"",
            "x:13: path is expected to be an absolute path, found \"x\"",
        ),
        ("web.example", "-oProxyCommand=x", "x:4: host is expected to be a host as ssh takes it"),
        ("SHA256:", "MD5:", "x:7: fingerprint is expected to be SHA256:…"),
        (
            "web.known_hosts",
            "../web.known_hosts",
            "x:8: known-hosts is expected to be the name of a file",
        ),
        ("user = \"root\"", "user = \"\"", "x:6: user is expected to be a user's name, found \"\""),
        (
            "volumes",
            "system-host-key = \"ssh-ed25519 AAAA\"\nvolumes",
            "x:9: system-host-key is expected",
        ),
    ] {
        assert!(text.contains(from), "{from} in {text}");
        let found = Ticket::parse(&text.replace(from, to), "x").unwrap_err().to_string();
        assert!(found.starts_with(error), "{found} for {to}");
    }
}

#[test]
fn what_others_may_change_is_not_trusted() {
    let (text, key) = (ticket().text().unwrap(), format!("* {KEY}\n"));
    for name in ["web.unlock.toml", "web.known_hosts"] {
        let files = Files::new(&text, &key);
        files.mode(name, 0o666);
        assert!(
            files.error().starts_with(&format!("DIR/{name} may be written by others (mode 666"))
        );
        files.mode(name, 0o600);
        assert!(Ticket::read(&files.path("web.unlock.toml")).is_ok());
    }
}

#[test]
fn the_key_must_be_the_tickets() {
    let text = ticket().text().unwrap();
    let files = Files::new(&text, "# nothing\n");
    let fingerprint = ticket().fingerprint;
    let none =
        format!("DIR/web.known_hosts holds no key with the ticket's fingerprint {fingerprint}");
    assert_eq!(files.error(), none);
    let other = KEY.replace("2L5", "2L6");
    let found = PublicKey::read(other.as_bytes()).unwrap();
    fs::write(files.path("web.known_hosts"), format!("@revoked * {KEY}\nweb {other}\n")).unwrap();
    assert_eq!(files.error(), format!("{none}, but {found}"));
    fs::remove_file(files.path("web.known_hosts")).unwrap();
    let error = Ticket::read(&files.path("web.unlock.toml")).unwrap_err();
    assert!(matches!(error, Error::Unreadable { path, .. } if path.ends_with("web.known_hosts")));
}
