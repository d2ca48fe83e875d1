//! Whom `calve unlock` answers: hosts with the key that was pinned, and tickets that nobody else may have written.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::initrd::{Asks, Initrd, user};
use crate::watched::{ROOT, TICKET, key, run};

#[test]
fn another_host_is_sent_nothing() {
    let Some(mut host) = Initrd::new(Asks::Askpass, &[("root", ROOT)]) else { return };
    host.start_with("stranger_key");
    let key = key(&host, "key", ROOT);
    let mut command = host.command(&[TICKET, "--key", &key]);
    // What switches checks off elsewhere switches nothing off here.
    let options = format!(
        "-F {} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
        host.path("ssh_config").display()
    );
    command.env("NIX_SSHOPTS", options);
    let run = run(command);
    assert_eq!(run.code, Some(3), "{run:?}");
    for fingerprint in ["initrd_key", "stranger_key"].map(|key| host.fingerprint(key)) {
        assert!(run.stderr.contains(&fingerprint), "{run:?}");
    }
    assert!(run.stderr.contains("the host has another key"), "{run:?}");
    assert_eq!((host.sessions(), host.log().len()), (0, 0));
}

#[test]
fn a_host_that_nobody_vouches_for() {
    let Some(mut host) = Initrd::new(Asks::Askpass, &[("root", ROOT)]) else { return };
    host.start();
    let key = key(&host, "key", ROOT);
    let (port, user) = (host.port.to_string(), user());
    let arguments = ["web", "--key", &key, "--port", &port, "--user", &user];
    let refused = run(host.command(&arguments));
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let fingerprint = host.fingerprint("initrd_key");
    let error = format!("nobody vouches for the host key {fingerprint}");
    assert!(
        refused.stderr.contains(&error) && refused.stderr.contains("--accept-new"),
        "{refused:?}"
    );

    // A key that changed is refused even so.
    let known = format!("[127.0.0.1]:{port} {}\n", host.public("stranger_key"));
    fs::write(host.path("user_known_hosts"), known).unwrap();
    let accepting = [&arguments[..], &["--accept-new"]].concat();
    let changed = run(host.command(&accepting));
    assert_eq!(changed.code, Some(3), "{changed:?}");
    assert!(changed.stderr.contains(&host.fingerprint("stranger_key")), "{changed:?}");
    assert_eq!(host.sessions(), 0);

    fs::remove_file(host.path("user_known_hosts")).unwrap();
    let accepted = run(host.command(&accepting));
    assert_eq!(accepted.code, Some(0), "{accepted:?}");
    assert!(fs::read_to_string(host.path("user_known_hosts")).unwrap().contains("ssh-ed25519"));
    assert_eq!(host.log()[0], "root right");
}

#[test]
fn tickets_that_are_refused() {
    let Some(host) = Initrd::new(Asks::Askpass, &[("root", ROOT)]) else { return };
    let run = |arguments: &[&str]| run(host.command(arguments));
    let path = host.path(TICKET);
    let text = fs::read_to_string(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let writable = run(&[TICKET]);
    assert_eq!(writable.code, Some(3), "{writable:?}");
    assert!(writable.stderr.contains("may be written by others"), "{writable:?}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&path, text.replace("port = ", "prot = ")).unwrap();
    let malformed = run(&[TICKET]);
    assert_eq!(malformed.code, Some(2), "{malformed:?}");
    assert!(malformed.stderr.contains("web.unlock.toml:3: unknown field `prot`"), "{malformed:?}");
    fs::write(&path, text.replace("host = \"web\"\n", "")).unwrap();
    let nowhere = run(&[TICKET]);
    assert_eq!(nowhere.code, Some(2), "{nowhere:?}");
    assert!(nowhere.stderr.contains("--host HOST"), "{nowhere:?}");
    fs::write(&path, &text).unwrap();
    for (arguments, error) in [
        (vec![TICKET, "--accept-new"], "pins the host's key"),
        (vec![TICKET, "--key", "hunter2"], "expected file:PATH"),
        (vec![TICKET, "--key", "prompt", "--key", "prompt"], "twice for all volumes"),
        (vec![TICKET, "--key", "command:printf 'a\\nb'"], "is no passphrase"),
        (vec!["-oProxyCommand=x"], "unexpected argument"),
        (vec!["--", "-oProxyCommand=x"], "expected a host as ssh takes it"),
    ] {
        let run = run(&arguments);
        assert_eq!(run.code, Some(2), "{arguments:?} {run:?}");
        assert!(run.stderr.contains(error), "{arguments:?} {run:?}");
        // It may have been the passphrase.
        assert!(!run.stderr.contains("hunter2"), "{run:?}");
    }
}
