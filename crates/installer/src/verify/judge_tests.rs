//! Systems that say what systems say, without any.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use calve_image_core::inputs::store_path::StorePath;

use super::*;
use crate::target::ssh::Address;
use crate::target::{self, Answer, Call, Feed, Kept, Login};

const SYSTEM: &str = "/nix/store/0ccnxa25whszw7mgbgyzdm4nqc0zwnm8-nixos-system-web-25.05";
const OTHER: &str = "/nix/store/1ccnxa25whszw7mgbgyzdm4nqc0zwnm8-nixos-system-web-24.11";
const BOOT: &str = "5d1e1b3c-6b0d-4d7c-8d6a-0f0e0d0c0b0a";

/// Answers by the first words of a command that it knows; whatever else fails.
struct Fake {
    answers: BTreeMap<&'static str, (i32, String)>,
    asked: RefCell<Vec<String>>,
}

impl Fake {
    fn new(booted: &str, current: &str) -> Self {
        let which = format!("{booted}\n{current}\n");
        let answers = [
            ("readlink -f /run/booted-system", (0, which)),
            ("cat /proc/sys/kernel/random/boot_id", (0, format!("{BOOT}\n"))),
            ("timeout 9 systemctl is-system-running --wait", (0, "running\n".to_owned())),
            ("journalctl --list-boots", (0, "IDX BOOT ID\n  0 5d1e today\n".to_owned())),
        ];
        Self { answers: answers.into(), asked: RefCell::default() }
    }

    fn saying(mut self, words: &'static str, code: i32, out: &str) -> Self {
        self.answers.insert(words, (code, out.to_owned()));
        self
    }
}

impl Target for Fake {
    fn name(&self) -> &str {
        "root@web"
    }

    fn login(&self) -> Login {
        Login::Root
    }

    fn stream(&self, call: &Call<'_>, _: &mut Feed<'_>) -> Result<Answer, target::Error> {
        let line = call.line();
        self.asked.borrow_mut().push(line.clone());
        let found = self.answers.iter().find(|(words, _)| line.starts_with(*words));
        let (code, out) = found.map_or((127, String::new()), |(_, answer)| answer.clone());
        Ok(Answer { code: Some(code), out: out.into_bytes(), err: String::new() })
    }

    fn keep(&self, call: &Call<'_>) -> Result<Kept, target::Error> {
        Err(target::Error::Silent { line: call.line(), said: String::new() })
    }
}

#[derive(Default)]
struct Heard(Vec<String>);

impl Watch for Heard {
    fn tell(&mut self, news: News<'_>) {
        self.0.push(format!("{news:?}"));
    }

    fn is_over(&self) -> bool {
        false
    }
}

fn ask(fake: &Fake, health: &[&str]) -> (Result<Found, Error>, Vec<String>) {
    let address = Address {
        name: "root@web".to_owned(),
        port: None,
        accept_new: false,
        options: Vec::new(),
        hidden: Vec::new(),
    };
    let system: StorePath = SYSTEM.parse().unwrap();
    let health: Vec<String> = health.iter().map(|&command| command.to_owned()).collect();
    let order = Order {
        address: &address,
        key: None,
        installer: None,
        system: &system,
        health: &health,
        patience: Duration::from_secs(9),
    };
    let mut heard = Heard::default();
    (judge(fake, &order, &mut heard), heard.0)
}

#[test]
fn a_system_that_is_well() {
    let fake = Fake::new(SYSTEM, SYSTEM).saying("sh -c 'curl", 0, "ok\n");
    let (found, heard) = ask(&fake, &["curl -f localhost"]);
    let found = found.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((found.state.as_str(), found.boots), ("running", 1));
    assert_eq!(heard, ["State(\"running\")", "Healthy(\"curl -f localhost\")"]);
    assert_eq!(boot_id(&fake).unwrap(), BOOT);
}

#[test]
fn another_system_is_told_before_anything_else_is_asked() {
    for fake in [Fake::new(OTHER, OTHER), Fake::new(OTHER, SYSTEM), Fake::new(SYSTEM, OTHER)] {
        let error = ask(&fake, &["true"]).0.err().unwrap();
        let said = error.to_string();
        assert!(matches!(error, Error::OtherSystem { .. }) && said.contains(OTHER), "{said}");
        assert_eq!(fake.asked.borrow().len(), 1);
    }
    // Debian has no such links.
    let error = ask(&Fake::new("", ""), &[]).0.err().unwrap();
    assert!(matches!(error, Error::OtherSystem { .. } | Error::Garbled { .. }), "{error}");
}

#[test]
fn a_system_of_which_parts_failed() {
    let fake = Fake::new(SYSTEM, SYSTEM)
        .saying("timeout 9 systemctl is-system-running --wait", 1, "degraded\n")
        .saying("systemctl list-units", 0, "nginx.service loaded failed failed Web\n")
        .saying("journalctl --list-boots", 0, "-1 aaaa yesterday\n 0 bbbb today\n")
        .saying("journalctl -b 0", 0, "nginx: no certificate\n")
        .saying("journalctl -b -1", 0, "kernel panic\n");
    let error = ask(&fake, &[]).0.err().unwrap();
    assert_eq!(error.to_string(), "root@web is degraded: expected running; failed: nginx.service");
    let Error::State { report, .. } = error else { panic!("{error}") };
    assert_eq!(report.errors, ["kernel panic", "nginx: no certificate"]);
    assert_eq!(report.boots, 2);
}

#[test]
fn a_system_that_takes_too_long() {
    let fake = Fake::new(SYSTEM, SYSTEM)
        .saying("timeout 9 systemctl is-system-running --wait", 124, "")
        .saying("systemctl is-system-running", 1, "starting\n");
    let error = ask(&fake, &[]).0.err().unwrap();
    assert_eq!(error.to_string(), "root@web is starting: expected running");
}

#[test]
fn a_health_command_that_fails() {
    let fake = Fake::new(SYSTEM, SYSTEM).saying("sh -c 'curl", 22, "no answer\n");
    let (found, heard) = ask(&fake, &["curl -f localhost", "never"]);
    let said = found.err().unwrap().to_string();
    assert_eq!(
        said,
        "root@web is not healthy: `curl -f localhost` failed with exit code 22: no answer"
    );
    assert_eq!(heard, ["State(\"running\")"]);
}
