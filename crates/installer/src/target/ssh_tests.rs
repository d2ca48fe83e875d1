//! A real sshd on the loopback, and the user's own ssh.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::target::sshd::{Sshd, address};

fn connect(address: &Address) -> Result<Ssh, Error> {
    Ssh::connect(address, &mut |_| {})
}

#[test]
fn one_login_carries_every_command_and_ends_with_its_owner() {
    let Some(server) = Sshd::start() else { return };
    let ssh = connect(&server.address(true)).unwrap();
    let input = vec![7; 3 << 20];
    let call = Call { input: &input, ..Call::new(&["cat"]) };
    assert!(ssh.call(&call).unwrap().out == input);
    let words = ["printf", "%s", "it's $HOME `x` \n*"];
    assert_eq!(ssh.call(&Call::new(&words)).unwrap().out, words[2].as_bytes());
    let failed = ssh.call(&Call::new(&["sh", "-c", "echo why >&2; exit 7"])).unwrap();
    assert_eq!((failed.code, failed.last_words()), (Some(7), "why"));
    assert_eq!(server.logins(), 1);
    let socket = ssh.directory.path().join("ssh");
    assert!(socket.exists());
    drop(ssh);
    assert!(!socket.exists());
}

#[test]
fn a_key_that_nobody_knows_is_never_taken_silently() {
    let Some(server) = Sshd::start() else { return };
    // Nobody is there to be asked: this test has no terminal.
    let error = connect(&server.address(false)).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("Host key verification failed"), "{said}");
    assert_eq!(server.logins(), 0);
    // Known once, it is taken without a question; another in its place never is.
    drop(connect(&server.address(true)).unwrap());
    drop(connect(&server.address(false)).unwrap());
    let known = server.directory.path().join("known_hosts");
    let user = fs::read_to_string(server.directory.path().join("user.pub")).unwrap();
    fs::write(&known, format!("[127.0.0.1]:{} {user}", server.port)).unwrap();
    for accept_new in [false, true] {
        let error = connect(&server.address(accept_new)).unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    }
}

#[test]
fn a_pinned_key_is_the_only_one_that_counts() {
    let Some(server) = Sshd::start() else { return };
    let key = |name: &str| {
        let text = fs::read(server.directory.path().join(format!("{name}.pub"))).unwrap();
        PublicKey::read(&text).unwrap()
    };
    let address = server.address(true);
    // The user's known_hosts vouch for the server, and are not asked.
    drop(connect(&address).unwrap());
    let error = Ssh::connect_pinned(&address, &key("user"), &mut |_| {}).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert_eq!(server.logins(), 1);
    fs::remove_file(server.directory.path().join("known_hosts")).unwrap();
    let ssh = Ssh::connect_pinned(&address, &key("host"), &mut |_| {}).unwrap();
    assert!(ssh.call(&Call::new(&["true"])).unwrap().is_good());
    assert!(!server.directory.path().join("known_hosts").exists());
}

#[test]
fn a_lost_connection_is_said_and_not_made_again() {
    let Some(server) = Sshd::start() else { return };
    let address = server.address(true);
    let ssh = connect(&address).unwrap();
    let exit = ssh.command(&[], &["-O", "exit"]).stderr(Stdio::null()).status().unwrap();
    assert!(exit.success());
    let error = ssh.call(&Call::new(&["true"])).unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error}");
    assert_eq!(server.logins(), 1);
}

#[test]
fn a_host_that_is_not_there() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = Address {
        name: "127.0.0.1".to_owned(),
        port: Some(port),
        accept_new: true,
        options: vec!["-F/dev/null".to_owned()],
        hidden: Vec::new(),
    };
    let said = connect(&address).unwrap_err().to_string();
    assert!(
        said.starts_with("127.0.0.1 cannot be reached: ") && said.contains("refused"),
        "{said}"
    );
    let name = Address { name: "-oProxyCommand=x".to_owned(), ..address };
    assert!(matches!(connect(&name), Err(Error::Name { .. })));
}

/// Waits until it is so; the machine may be busy.
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_stream_of_any_length_passes_and_is_not_held() {
    let Some(server) = Sshd::start() else { return };
    let ssh = connect(&server.address(true)).unwrap();
    let piece = vec![0x5A; 1 << 20];
    let call = Call { input: b"first ", ..Call::new(&["sh", "-c", "wc -c; echo said >&2"]) };
    let mut pieces = 0;
    let answer = ssh.stream(&call, &mut |sink| {
        while pieces < 100 {
            sink.write_all(&piece)?;
            pieces += 1;
        }
        Ok(())
    });
    let answer = answer.unwrap();
    assert_eq!(answer.out.trim_ascii(), b"104857606");
    assert_eq!(answer.last_words(), "said");
    // Who ends early is not waited for, and one that breaks off ends the input.
    let endless = |sink: &mut (dyn std::io::Write + Send)| loop {
        sink.write_all(&piece)?;
    };
    let early = Call::new(&["sh", "-c", "head -c 5 >/dev/null; exit 4"]);
    assert_eq!(ssh.stream(&early, &mut |sink| endless(sink)).unwrap().code, Some(4));
    let broken = ssh.stream(&Call::new(&["wc", "-c"]), &mut |sink| {
        sink.write_all(b"123")?;
        Err(std::io::Error::other("the source broke"))
    });
    assert_eq!(broken.unwrap().out.trim_ascii(), b"3");
    assert_eq!(server.logins(), 1);
}

#[test]
fn a_stop_ends_a_long_call_and_not_the_connection() {
    let Some(server) = Sshd::start() else { return };
    let stop = Arc::new(AtomicBool::new(false));
    let ssh = connect(&server.address(true)).unwrap().stopped_by(Arc::clone(&stop));
    for feeds in [false, true] {
        let begun = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(300));
                stop.store(true, Ordering::Relaxed);
            });
            let answer = ssh.stream(&Call::new(&["sleep", "100"]), &mut |sink| {
                if !feeds {
                    return Ok(());
                }
                loop {
                    sink.write_all(&[0; 4096])?;
                }
            });
            assert!(matches!(answer, Err(Error::Interrupted)), "{answer:?}");
        });
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        stop.store(false, Ordering::Relaxed);
    }
    assert!(ssh.call(&Call::new(&["true"])).unwrap().is_good());
    assert_eq!(server.logins(), 1);
}

#[test]
fn a_command_that_says_255_is_no_lost_connection() {
    let Some(server) = Sshd::start() else { return };
    let ssh = connect(&server.address(true)).unwrap();
    let answer = ssh.call(&Call::new(&["sh", "-c", "echo mine >&2; exit 255"])).unwrap();
    assert_eq!((answer.code, answer.last_words()), (Some(255), "mine"));
    let killed = ssh.call(&Call::new(&["sh", "-c", "kill -9 $$"])).unwrap();
    assert!(!killed.is_good(), "{killed:?}");
}

const OPERATOR: &str = "CALVE_TEST_OPERATOR";

/// The process that is killed in the test below; by itself it does nothing.
#[test]
fn an_operator() {
    let Ok(said) = std::env::var(OPERATOR) else { return };
    let mut lines = said.lines();
    let (port, directory) = (lines.next().unwrap(), lines.next().unwrap());
    let address = address(port.parse().unwrap(), Path::new(directory), true);
    let ssh = connect(&address).unwrap();
    let script = format!("echo $$ >{directory}/kept; echo here; cat; touch {directory}/gone");
    let _kept = ssh.keep(&Call::new(&["sh", "-c", &script])).unwrap();
    fs::write(Path::new(directory).join("socket"), ssh.socket().to_str().unwrap()).unwrap();
    let _ = ssh.call(&Call::new(&["sleep", "100"]));
}

/// Killed as by SIGKILL, it takes what it kept with it, and the connection does not wait for ever.
#[test]
fn what_is_kept_ends_with_an_operator_that_is_killed() {
    let Some(server) = Sshd::start() else { return };
    let directory = server.directory.path();
    let mut operator = Command::new(std::env::current_exe().unwrap());
    operator.args(["--exact", "target::ssh::tests::an_operator"]);
    operator.env(OPERATOR, format!("{}\n{}", server.port, directory.display()));
    operator.stdout(Stdio::null()).stderr(Stdio::null());
    let mut operator = operator.spawn().unwrap();
    eventually("it connects", || directory.join("socket").exists());
    let socket = fs::read_to_string(directory.join("socket")).unwrap();
    assert!(!directory.join("gone").exists());
    operator.kill().unwrap();
    operator.wait().unwrap();
    eventually("what was kept ends", || directory.join("gone").exists());
    let control = |what: &str| {
        let mut ssh = Command::new("ssh");
        ssh.args([
            "-F/dev/null",
            &format!("-oControlPath={socket}"),
            "-O",
            what,
            "nowhere.invalid",
        ]);
        ssh.output().unwrap()
    };
    // The call that ran is still there; what holds the connection is its own clock.
    assert!(control("check").status.success());
    let pid = String::from_utf8(control("check").stderr).unwrap();
    let pid: String = pid.chars().filter(char::is_ascii_digit).collect();
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(String::from_utf8_lossy(&line).contains("ControlPersist=60"));
    control("exit");
    let _ = fs::remove_dir_all(Path::new(&socket).parent().unwrap());
}
