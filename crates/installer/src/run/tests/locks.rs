//! Two at once, what was left running, and a stop.

use std::process::Command;

use super::*;
use crate::target::Ssh;
use crate::target::sshd::Sshd;

#[test]
fn a_stop_is_clean() {
    let stop = Arc::new(AtomicBool::new(false));
    let mut lab = Lab::new();
    lab.fake.stopped_by(Arc::clone(&stop));
    for program in ["mkfs.ext4", "tar", "nix-store"] {
        lab.fake.naps(program);
        let step = match program {
            "tar" => "extra files 0",
            "nix-store" => "copy",
            _ => "format cryptroot",
        };
        let begun = Instant::now();
        let journal = lab.begin();
        let (done, _) = lab.run_with(journal, &Phase::ALL, Arc::clone(&stop), &mut |line, _| {
            if line == format!("step {step}") {
                let stop = Arc::clone(&stop);
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(300));
                    stop.store(true, Ordering::Relaxed);
                });
            }
        });
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
        let error = done.unwrap_err();
        let Error::Interrupted { step: Some(found), .. } = &error else { panic!("{error:?}") };
        assert_eq!(found, step);
        stop.store(false, Ordering::Relaxed);
        // Begun, and nobody holds anything.
        let journal = lab.open("boot-1");
        assert!(journal.is_begun(step) && !journal.is_done(step));
        assert_eq!(holder_of(&lab), None);
        lab.fake.naps("");
        let (done, waits) = lab.run_with(journal, &Phase::ALL, Arc::clone(&stop), &mut |_, _| {});
        done.unwrap();
        assert_eq!(waits, 0);
    }
    // Between two steps, too.
    let (done, _) = lab.run_with(lab.begin(), &Phase::ALL, Arc::clone(&stop), &mut |line, _| {
        if line == "step mount /" {
            stop.store(true, Ordering::Relaxed);
        }
    });
    assert!(matches!(done.unwrap_err(), Error::Interrupted { .. }));
}

fn holder_of(lab: &Lab) -> Option<String> {
    crate::run::holder(&lab.fake).unwrap()
}

#[test]
fn two_at_once_are_kept_apart() {
    let lab = Lab::new();
    let other = lab.fake.path("operator/other.journal");
    assert_eq!(holder_of(&lab), None);
    let mut tried = 0;
    let mut second = |line: &str, _: &dyn Target| {
        if line != "copies" {
            return;
        }
        let bert = Holder { user: "bert".to_owned(), ..holder() };
        // The same host from the same machine: the journal is locked.
        let error = Journal::open(&lab.path(), &bert).unwrap_err();
        assert!(error.to_string().contains("in use by anna on "), "{error}");
        // From another one: the target is.
        let journal = Journal::begin(&other, &header("boot-1"), &bert).unwrap();
        let error = lab.run(journal).unwrap_err();
        let Error::Locked { holder } = &error else { panic!("{error:?}") };
        assert!(holder.starts_with("anna on ") && holder.contains("calve install web"), "{holder}");
        assert_eq!(holder_of(&lab).as_ref(), Some(holder));
        assert_eq!(error.state(), None);
        tried += 1;
    };
    let (done, _) = lab.run_with(lab.begin(), &Phase::ALL, Arc::default(), &mut second);
    done.unwrap();
    assert_eq!(tried, 1);
    assert_eq!(holder_of(&lab), None);
}

#[test]
fn a_lock_that_is_lost_stops_it() {
    let lab = Lab::new();
    let mut ends = |line: &str, _: &dyn Target| {
        if line == "step mount /" {
            let holder = fs::read_to_string(lab.fake.path("run/calve/holder")).unwrap();
            let process = holder.lines().nth(1).unwrap();
            assert!(Command::new("kill").arg(process).status().unwrap().success());
            thread::sleep(Duration::from_millis(200));
        }
    };
    let (done, _) = lab.run_with(lab.begin(), &Phase::ALL, Arc::default(), &mut ends);
    assert!(matches!(done, Err(Error::LockLost { state: State::Formatted })), "{done:?}");
    lab.run(lab.open("boot-1")).unwrap();
}

/// A connection that was cut holds the lock; who has its journal, and no other, may end it.
#[test]
fn what_a_cut_connection_holds_is_taken_from_it() {
    let lab = Lab::new();
    let journal = lab.begin();
    let stale = Lock::take(&lab.fake, &journal).unwrap();
    let other = Journal::begin(&lab.fake.path("operator/other"), &header("boot-1"), &holder());
    assert!(matches!(lab.run(other.unwrap()), Err(Error::Locked { .. })));
    drop(journal);
    lab.run(lab.open("boot-1")).unwrap();
    drop(stale);
}

#[test]
fn what_was_left_running_ends_first() {
    let lab = Lab::new();
    let left = "mkdir -p /run/calve; flock /run/calve/busy sh -c 'echo left >/run/left; sleep 1; wipefs left' >/run/out 2>&1 &";
    lab.fake.call(&Call::new(&["sh", "-c", left])).unwrap();
    while !lab.fake.path("run/left").exists() {
        thread::sleep(Duration::from_millis(10));
    }
    let (done, waits) = lab.run_with(lab.begin(), &Phase::ALL, Arc::default(), &mut |_, _| {});
    done.unwrap();
    assert_eq!(waits, 1);
    assert_eq!(lab.fake.log()[..3], ["begin wipefs left", "end wipefs left", "step wipe main"]);
}

/// The operator's end of a connection hangs, and the other one knows nothing of it: a cable was pulled.
#[test]
fn a_connection_that_was_cut_is_ended_with_what_it_ran() {
    let Some(server) = Sshd::start() else { return };
    let mut lab = Lab::new();
    let cut = Ssh::connect(&server.address(true), &mut |_| {}).unwrap();
    let check = format!("-oControlPath={}", cut.socket().display());
    let check = Command::new("ssh").args(["-F/dev/null", &check, "-O", "check", "x"]).output();
    let said = String::from_utf8(check.unwrap().stderr).unwrap();
    let master: String = said.chars().filter(char::is_ascii_digit).collect();
    let fake = Fake::at(&lab.fake.path(""), Box::new(cut));
    let journal = lab.begin();
    let lock = Lock::take(&fake, &journal).unwrap();
    // What it was sending would wait for more for ever.
    let receives = ["flock", BUSY, "sh", "-c", "echo here; cat >/mnt/part; echo gone >/mnt/gone"];
    let copy = fake.keep(&Call::new(&receives)).unwrap();
    let signal = |name: &str| {
        assert!(Command::new("kill").args([name, &master]).status().unwrap().success());
    };
    signal("-STOP");
    drop(journal);
    let other = Ssh::connect(&server.address(false), &mut |_| {}).unwrap();
    let cut = std::mem::replace(&mut lab.fake, Fake::at(&fake.path(""), Box::new(other)));
    let begun = Instant::now();
    let (done, _) = lab.run_with(lab.open("boot-1"), &Phase::ALL, Arc::default(), &mut |_, _| {});
    assert_eq!(done.unwrap().done, lab.steps.len());
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert!(lab.fake.path("mnt/gone").exists());
    assert_eq!(server.logins(), 2);
    signal("-CONT");
    drop((lock, copy, fake, lab, cut));
}
