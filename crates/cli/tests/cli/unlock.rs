//! `calve unlock` and OpenSSH's own server, with first stages that behave as the real ones do.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::initrd::{Asks, Initrd, free_port, user};
use crate::pty::Session;
use crate::watched::{DATA, ROOT, TICKET, WRONG, key, run};

#[test]
fn a_key_file_opens_it_in_every_way_and_by_every_shell() {
    for asks in [Asks::Askpass, Asks::Systemd, Asks::Fifo] {
        for shell in ["dash", "bash", "busybox sh"] {
            let program = shell.split(' ').next().unwrap();
            let Some(()) = crate::keygen::need(program) else { continue };
            let Some(mut host) = Initrd::new(asks, &[("root", ROOT)]) else { return };
            host.shell(shell);
            host.start();
            let key = key(&host, "key", &format!("{ROOT}\n"));
            let run = run(host.command(&[TICKET, "--key", &key]));
            assert_eq!((run.code, run.stdout.as_str()), (Some(0), ""), "{asks:?} {shell}: {run:?}");
            assert!(run.stderr.contains("reached   web after"), "{run:?}");
            assert!(run.stderr.contains("opened    root"), "{asks:?} {shell}: {run:?}");
            assert_eq!(host.log()[0], "root right");
            assert_eq!(host.sessions(), 1);
        }
    }
}

#[test]
fn every_source_of_a_passphrase() {
    let Some(mut host) = Initrd::new(Asks::Askpass, &[("root", ROOT)]) else { return };
    host.write("reuses", "");
    host.start();
    let mut command = host.command(&[TICKET, "--key", "root=env:SECRET"]);
    command.env("SECRET", ROOT);
    let run = run(command);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(host.log()[0], "root right");

    let Some(mut host) = Initrd::new(Asks::Systemd, &[("root", ROOT)]) else { return };
    host.start();
    key(&host, "key", ROOT);
    let run = self::run(host.command(&[TICKET, "--key", "command:cat key"]));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(host.log()[0], "root right");
}

#[test]
fn a_wrong_key_is_said_and_fails() {
    for asks in [Asks::Askpass, Asks::Systemd] {
        let Some(mut host) = Initrd::new(asks, &[("root", ROOT)]) else { return };
        host.start();
        let key = key(&host, "key", WRONG);
        let run = run(host.command(&[TICKET, "--key", &key]));
        assert_eq!(run.code, Some(6), "{asks:?} {run:?}");
        assert!(
            run.stderr.contains("web does not open root: it was given the key file:key"),
            "{run:?}"
        );
        assert_eq!(host.log(), ["root wrong"]);
    }
}

#[test]
fn a_typed_passphrase_may_be_wrong_twice() {
    for asks in [Asks::Askpass, Asks::Systemd] {
        let Some(mut host) = Initrd::new(asks, &[("root", ROOT)]) else { return };
        host.start();
        let secrets = [ROOT, WRONG].map(str::to_owned).to_vec();
        let mut session = Session::start(host.command(&[TICKET]), secrets);
        for passphrase in [WRONG, WRONG, ROOT] {
            session.wait_for("passphrase of root on web: ");
            // Backspace and Ctrl-U do what they do elsewhere.
            session.enter(&format!("xyz\u{15}{passphrase}z\u{7f}\r"));
        }
        let end = session.end();
        assert_eq!(end.code, Some(0), "{asks:?} {}", end.stderr);
        assert_eq!(end.stderr.matches("wrong     that passphrase does not open root").count(), 2);
        assert_eq!(host.log()[..3], ["root wrong", "root wrong", "root right"]);
    }
}

#[test]
fn three_wrong_passphrases_are_the_end() {
    for asks in [Asks::Askpass, Asks::Systemd] {
        let Some(mut host) = Initrd::new(asks, &[("root", ROOT)]) else { return };
        host.write("stays", "");
        host.start();
        let mut session =
            Session::start(host.command(&[TICKET, "--timeout=20"]), vec![WRONG.to_owned()]);
        for _ in 0..3 {
            session.wait_for("passphrase of root on web: ");
            session.enter(&format!("{WRONG}\r"));
        }
        let end = session.end();
        // systemd does not even ask a fourth time.
        let code = if asks == Asks::Askpass { 6 } else { 4 };
        assert_eq!(end.code, Some(code), "{asks:?} {}", end.stderr);
        assert_eq!(host.log()[..3], ["root wrong"; 3]);
    }
}

#[test]
fn two_volumes_with_one_passphrase() {
    for asks in [Asks::Askpass, Asks::Systemd] {
        let Some(mut host) = Initrd::new(asks, &[("data", ROOT), ("root", ROOT)]) else { return };
        host.write("reuses", "");
        host.start();
        let key = key(&host, "key", ROOT);
        let run = run(host.command(&[TICKET, "--key", &key]));
        assert_eq!(run.code, Some(0), "{asks:?} {run:?}");
        let mut log = host.log();
        log.truncate(2);
        log.sort();
        assert_eq!(log, ["data right", "root right"]);
    }
}

#[test]
fn two_volumes_with_a_passphrase_each() {
    for asks in [Asks::Askpass, Asks::Systemd] {
        let Some(mut host) = Initrd::new(asks, &[("data", DATA), ("root", ROOT)]) else { return };
        host.write("reuses", "");
        host.start();
        let (root, data) = (key(&host, "a", ROOT), key(&host, "b", DATA));
        let (root, data) = (format!("root={root}"), format!("data={data}"));
        let run = run(host.command(&[TICKET, "--key", &root, "--key", &data]));
        assert_eq!(run.code, Some(0), "{asks:?} {run:?} {:?}", host.log());
        for volume in ["root", "data"] {
            assert!(host.log().contains(&format!("{volume} right")), "{:?}", host.log());
        }
    }
}

#[test]
fn a_host_that_comes_late_and_its_system() {
    let Some(mut host) = Initrd::new(Asks::Systemd, &[("root", ROOT)]) else { return };
    host.ticket("initrd_key", Some("system_key"));
    let key = key(&host, "key", ROOT);
    let port = free_port();
    let system = port.to_string();
    let command =
        host.command(&[TICKET, "--key", &key, "--wait", "--system-port", &system, "--json"]);
    let child = thread::spawn(move || run(command));
    thread::sleep(Duration::from_secs(2));
    host.start();
    while !host.log().contains(&"left".to_owned()) {
        assert!(!child.is_finished(), "{:?}", child.join());
        thread::sleep(Duration::from_millis(50));
    }
    thread::sleep(Duration::from_secs(2));
    host.start_system(port);
    let run = child.join().unwrap();
    assert_eq!(run.code, Some(0), "{run:?}");
    for words in [
        "waiting   for web: connection refused",
        "opened    root",
        "left      the initrd",
        "up        web after",
    ] {
        assert!(run.stderr.contains(words), "{words} in {run:?}");
    }
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["asks"], "systemd");
    assert_eq!(report["opened"], serde_json::json!(["root"]));
    assert_eq!(report["initrdKey"], host.fingerprint("initrd_key"));
    assert_eq!(report["systemKey"], host.fingerprint("system_key"));
    assert!(report["reach"].as_f64().unwrap() >= 1.5, "{report}");
    assert!(report["up"].as_f64().unwrap() >= 1.5, "{report}");
}

#[test]
fn the_system_may_have_the_initrds_port() {
    let Some(mut host) = Initrd::new(Asks::Askpass, &[("root", ROOT)]) else { return };
    // Both keys are known by the user, as after many years.
    let known =
        ["initrd_key", "system_key"].map(|key| format!("* {}\n", host.public(key))).concat();
    fs::write(host.path("user_known_hosts"), known).unwrap();
    host.start();
    let key = key(&host, "key", ROOT);
    let (port, user) = (host.port.to_string(), user());
    let arguments =
        ["web", "--key", &key, "--wait", "--port", &port, "--system-port", &port, "--user", &user];
    let command = host.command(&arguments);
    let child = thread::spawn(move || run(command));
    while !host.log().contains(&"left".to_owned()) {
        assert!(!child.is_finished(), "{:?}", child.join());
        thread::sleep(Duration::from_millis(50));
    }
    thread::sleep(Duration::from_secs(1));
    host.start_system(host.port);
    let run = child.join().unwrap();
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains(&format!(": {}", host.fingerprint("system_key"))), "{run:?}");
}

#[test]
fn a_system_that_is_up_is_no_initrd() {
    let Some(mut host) = Initrd::new(Asks::Askpass, &[("root", ROOT)]) else { return };
    host.ticket("initrd_key", Some("system_key"));
    host.start_system(host.port);
    let key = key(&host, "key", ROOT);
    let run = run(host.command(&[TICKET, "--key", &key]));
    assert_eq!(run.code, Some(3), "{run:?}");
    assert!(run.stderr.contains("its system answers"), "{run:?}");
}

#[test]
fn nobody_is_there() {
    let Some(host) = Initrd::new(Asks::Askpass, &[("root", ROOT)]) else { return };
    let key = key(&host, "key", ROOT);
    let run = run(host.command(&[TICKET, "--key", &key, "--timeout", "2"]));
    assert_eq!(run.code, Some(4), "{run:?}");
    let error = "web could not be reached in 2 s; at last: connection refused";
    assert!(run.stderr.contains(error), "{run:?}");
}

#[test]
fn a_host_that_asks_for_nothing() {
    let Some(mut host) = Initrd::new(Asks::Askpass, &[]) else { return };
    host.write("stage1", "sleep 60");
    host.start();
    let run = run(host.command(&[TICKET, "--key", "command:echo x", "--timeout", "2"]));
    assert_eq!(run.code, Some(4), "{run:?}");
    assert!(run.stderr.contains("web asked for no passphrase in 2 s"), "{run:?}");
}

#[test]
fn ctrl_c_leaves_nothing_behind() {
    for is_up in [false, true] {
        let Some(mut host) = Initrd::new(Asks::Askpass, &[]) else { return };
        if is_up {
            host.write("stage1", "sleep 60");
            host.start();
        }
        let child = host.command(&[TICKET, "--key", "command:echo x"]).spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        thread::sleep(Duration::from_secs(2));
        let started = Instant::now();
        kill_process(pid, Signal::INT).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(started.elapsed() < Duration::from_secs(5));
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        let left: Vec<_> = fs::read_dir(host.directory()).unwrap().flatten().collect();
        let left =
            left.iter().filter(|entry| entry.file_name().to_str().unwrap().starts_with("calve-"));
        assert_eq!(left.count(), 0);
    }
}

#[test]
fn ctrl_c_at_the_prompt() {
    let Some(mut host) = Initrd::new(Asks::Askpass, &[("root", ROOT)]) else { return };
    host.start();
    for code in [130, 5] {
        let mut session = Session::start(host.command(&[TICKET]), vec![ROOT.to_owned()]);
        session.wait_for("passphrase of root on web: ");
        // Nobody has an empty one.
        session.enter("\r");
        session.wait_for("passphrase of root on web: ");
        if code == 5 {
            session.enter("\u{4}");
        } else {
            session.signal(Signal::INT);
        }
        assert_eq!(session.end().code, Some(code));
    }
    assert_eq!(host.log().len(), 0);
}

#[test]
fn login_shells_that_are_none() {
    for asks in [Asks::Askpass, Asks::Systemd] {
        let Some(mut host) = Initrd::new(asks, &[("root", ROOT)]) else { return };
        host.login_is_no_shell();
        host.start();
        let secrets = [ROOT, WRONG].map(str::to_owned).to_vec();
        let mut session = Session::start(host.command(&[TICKET]), secrets);
        for passphrase in [WRONG, ROOT] {
            session.wait_for("passphrase of root on web: ");
            session.enter(&format!("{passphrase}\r"));
        }
        let end = session.end();
        assert_eq!(end.code, Some(0), "{asks:?} {}", end.stderr);
        assert_eq!(host.log()[..2], ["root wrong", "root right"], "{asks:?}");
    }
}

#[test]
fn systemd_itself_asks_and_takes_the_answers() {
    let volumes = [("data", DATA), ("root", ROOT)];
    let Some(mut host) = Initrd::new(Asks::RealSystemd, &volumes) else { return };
    host.start();
    let (root, data) = (key(&host, "a", ROOT), key(&host, "b", DATA));
    let (root, data) = (format!("root={root}"), format!("data={data}"));
    let run = run(host.command(&[TICKET, "--key", &root, "--key", &data]));
    assert_eq!(run.code, Some(0), "{run:?} {:?}", host.log());
    let mut log = host.log();
    log.sort();
    // Whether the host has gone on by now is its own affair.
    log.retain(|line| line != "left");
    assert_eq!(log, ["data right", "root right"]);
}

#[test]
fn systemd_itself_asks_again_after_a_wrong_one() {
    let Some(mut host) = Initrd::new(Asks::RealSystemd, &[("root", ROOT)]) else { return };
    host.start();
    let secrets = [ROOT, WRONG].map(str::to_owned).to_vec();
    let mut session = Session::start(host.command(&[TICKET]), secrets);
    for passphrase in [WRONG, ROOT] {
        session.wait_for("passphrase of root on web: ");
        session.enter(&format!("{passphrase}\r"));
    }
    let end = session.end();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert_eq!(host.log()[..2], ["root wrong", "root right"]);
}

#[test]
fn a_question_that_comes_before_the_one_that_was_answered() {
    let volumes = [("data", DATA), ("root", ROOT)];
    let Some(mut host) = Initrd::new(Asks::RealSystemd, &volumes) else { return };
    // It is asked when the agent starts, and the agent takes the newest first.
    host.write("late-data", "");
    host.agent_begins_with("rm -f \"$ROOT/late-data\"; sleep 1");
    host.start();
    let (root, data) = (key(&host, "a", ROOT), key(&host, "b", DATA));
    let (root, data) = (format!("root={root}"), format!("data={data}"));
    let run = run(host.command(&[TICKET, "--key", &root, "--key", &data]));
    assert_eq!(run.code, Some(0), "{run:?} {:?}", host.log());
    let log = host.log();
    assert!(!log.iter().any(|line| line.ends_with("wrong")), "{log:?}");
}
