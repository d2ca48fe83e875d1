//! A real sshd in place of a machine that restarts.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use calve_image_core::inputs::store_path::StorePath;

use super::*;
use crate::host_key::PublicKey;
use crate::target::ssh::Address;
use crate::target::sshd::{self, Sshd, Waiting};
use crate::verify::key::{self, public_key};

const SYSTEM: &str = "/nix/store/0ccnxa25whszw7mgbgyzdm4nqc0zwnm8-nixos-system-web-25.05";

#[derive(Default)]
struct Heard {
    said: Vec<String>,
    is_over: bool,
}

impl Watch for Heard {
    fn tell(&mut self, news: News<'_>) {
        self.said.push(format!("{news:?}"));
    }

    fn is_over(&self) -> bool {
        self.is_over
    }
}

fn key_of(server: &Sshd) -> PublicKey {
    PublicKey::read(&fs::read(server.directory.path().join("host.pub")).unwrap()).unwrap()
}

fn try_it(
    address: &Address,
    key: &PublicKey,
    installer: Option<&str>,
    patience: u64,
) -> (Result<Reached, Error>, Vec<String>) {
    let system: StorePath = SYSTEM.parse().unwrap();
    let order = Order {
        address,
        key: Some(key),
        installer,
        system: &system,
        health: &[],
        patience: Duration::from_secs(patience),
    };
    let mut heard = Heard::default();
    let reached = reach(&order, &mut heard);
    (reached, heard.said)
}

#[test]
fn whoever_answers_before_the_system_is_not_logged_in_to() {
    let Some(initrd) = Sshd::start() else { return };
    let system = Waiting::new(tempfile::tempdir().unwrap(), initrd.port, "");
    for name in ["user", "user.pub"] {
        fs::copy(initrd.directory.path().join(name), system.path(name)).unwrap();
    }
    let key = PublicKey::read(&fs::read(system.path("host.pub")).unwrap()).unwrap();
    let address = sshd::address(initrd.port, system.path("").as_path(), false);
    let (reached, heard) = thread::scope(|scope| {
        let started = scope.spawn(move || {
            thread::sleep(Duration::from_millis(2500));
            assert_eq!(initrd.logins(), 0);
            drop(initrd);
            thread::sleep(Duration::from_millis(1500));
            system.start()
        });
        let outcome = try_it(&address, &key, None, 60);
        let system = started.join().unwrap();
        assert_eq!(system.logins(), 1);
        outcome
    });
    let reached = reached.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(reached.boot_id.len(), 36);
    assert!(heard.iter().any(|said| said.contains("verification failed")), "{heard:?}");
    assert!(heard.iter().any(|said| said.contains("refused")), "{heard:?}");
}

#[test]
fn an_installer_that_has_the_systems_key_is_told_by_its_start() {
    let Some(server) = Sshd::start() else { return };
    let address = server.address(false);
    let key = key_of(&server);
    let (reached, _) = try_it(&address, &key, None, 30);
    let boot_id = reached.unwrap_or_else(|error| panic!("{error}")).boot_id;
    let (reached, heard) = try_it(&address, &key, Some(&boot_id), 2);
    let error = reached.err().unwrap();
    assert!(matches!(error, Error::NotRestarted { .. }), "{error}");
    assert_eq!(heard, ["Waiting(\"the installer still answers\")"]);
}

#[test]
fn a_host_that_never_answers() {
    let Some(server) = Sshd::start() else { return };
    let (address, key) = (server.address(false), key_of(&server));
    drop(server);
    let said = try_it(&address, &key, None, 1).0.err().unwrap().to_string();
    assert!(
        said.starts_with("127.0.0.1 did not answer with the system's host key in 1 s"),
        "{said}"
    );
    assert!(said.contains("refused"), "{said}");
}

#[test]
fn a_connection_that_ends_is_waited_for() {
    let Some(server) = Sshd::start() else { return };
    let ssh = Ssh::connect_pinned(&server.address(false), &key_of(&server), &mut |_| {}).unwrap();
    let mut heard = Heard::default();
    let error = wait_gone(&ssh, Duration::ZERO, &mut heard).unwrap_err();
    assert!(matches!(error, Error::NotRestarted { .. }), "{error}");
    let socket = format!("-oControlPath={}", ssh.socket().display());
    let exit = ["-F/dev/null", &socket, "-O", "exit", "nowhere"];
    assert!(Command::new("ssh").args(exit).output().unwrap().status.success());
    wait_gone(&ssh, Duration::from_secs(30), &mut heard).unwrap();
    assert_eq!(heard.said, ["Gone"]);
}

#[test]
fn a_stop_is_obeyed_while_it_waits() {
    let Some(server) = Sshd::start() else { return };
    let ssh = Ssh::connect_pinned(&server.address(false), &key_of(&server), &mut |_| {}).unwrap();
    let mut heard = Heard { is_over: true, ..Heard::default() };
    let error = wait_gone(&ssh, Duration::from_secs(30), &mut heard).unwrap_err();
    assert!(matches!(error, Error::Interrupted), "{error}");
}

#[test]
fn a_key_is_told_by_its_private_half() {
    let Some(server) = Sshd::start() else { return };
    let ssh = Ssh::connect_pinned(&server.address(false), &key_of(&server), &mut |_| {}).unwrap();
    let path = |name: &str| server.directory.path().join(name).display().to_string();
    assert!(public_key(&ssh, &path("host")).unwrap().is_same(&key_of(&server)));
    let error = public_key(&ssh, &path("none")).unwrap_err();
    assert!(matches!(error, key::Error::Missing { .. }), "{error}");
    assert!(error.to_string().contains(&path("none")), "{error}");
    assert!(Path::new(&path("host")).exists());
}
