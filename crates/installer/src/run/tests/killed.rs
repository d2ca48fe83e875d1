//! Killed anywhere, an installation goes on and is what it would have been.

use std::process::{Command, Stdio};

use super::*;
use crate::target::Local;

/// The steps of a log, each with what its programs noted.
fn by_step(log: &[String]) -> Vec<(String, Vec<String>)> {
    let mut steps: Vec<(String, Vec<String>)> = Vec::new();
    for line in log {
        if let Some(name) = line.strip_prefix("step ") {
            steps.push((name.to_owned(), Vec::new()));
        } else if let (Some((_, lines)), false) = (steps.last_mut(), line.starts_with("skip ")) {
            // Runs between the steps, and as often as there are any.
            if !line.ends_with(" sync") {
                lines.push(without_chance(line));
            }
        }
    }
    steps
}

/// A line without what mktemp made up.
fn without_chance(line: &str) -> String {
    let mut parts = line.split("/run/calve-keys-");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |line, part| line + "/run/calve-keys" + part.get(6..).unwrap_or_default())
}

/// What every step does on a machine that nobody disturbs.
fn undisturbed(steps: Vec<Step>) -> (BTreeMap<String, Vec<String>>, usize) {
    let lab = Lab { steps, ..Lab::new() };
    lab.run(lab.begin()).unwrap();
    assert_eq!(lab.state(), State::Restarted);
    let log = by_step(&lab.fake.log());
    let names: Vec<&str> = log.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, lab.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>());
    (log.into_iter().collect(), lab.fake.calls())
}

/// Kills an operator at one call, and lets another go on.
fn killed(lab: &Lab, at: usize, when: When, reference: &BTreeMap<String, Vec<String>>, boot: &str) {
    let point = format!("killed {when:?} call {at}");
    lab.fake.dies(Some((at, when)));
    let begun = lab.begin();
    assert!(lab.fake.operate(|| lab.run(begun)).is_none(), "{point}: it was not");
    lab.fake.dies(None);
    goes_on(lab, &point, reference, boot);
}

/// Lets another operator go on, who does what was not done, and nothing else.
fn goes_on(lab: &Lab, point: &str, reference: &BTreeMap<String, Vec<String>>, boot: &str) {
    let before = lab.fake.log().len();
    let journal = Journal::open(&lab.path(), &holder()).unwrap();
    let was_done: Vec<&Step> =
        lab.steps.iter().filter(|step| journal.is_done(&step.name)).collect();
    let is_done = |step: &Step| was_done.iter().any(|done| done.name == step.name);
    drop(journal);
    let is_restarted = lab.steps.last().is_some_and(is_done);
    if boot != "boot-1" {
        lab.fake.restarts();
    }
    let done = lab.run(lab.open(boot)).unwrap_or_else(|error| panic!("{point}: {error}"));
    // What is done again is what was not done, and what asks first; in order, and nothing twice.
    let expected =
        lab.steps.iter().filter(|step| !is_restarted && (step.is_volatile || !is_done(step)));
    let expected: Vec<&str> = expected.map(|step| step.name.as_str()).collect();
    let log = by_step(&lab.fake.log()[before..]);
    let again: Vec<&str> = log.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(again, expected, "{point}");
    assert_eq!((done.done, done.done + done.skipped), (expected.len(), lab.steps.len()), "{point}");
    for (name, lines) in &log {
        let step = lab.steps.iter().find(|step| step.name == *name).unwrap();
        let asks_first = step.is_volatile || matches!(step.action, Action::Restart(_));
        let whole = &reference[name];
        let is_whole =
            lines == whole || (asks_first && lines.iter().all(|line| whole.contains(line)));
        assert!(is_whole, "{point}: {name}: {lines:?}");
    }
    assert_eq!(lab.state(), State::Restarted, "{point}");
}

fn killed_at_every(nth: usize, when: When) {
    let (reference, calls) = undisturbed(steps());
    assert!(calls > 13, "{calls}");
    for at in (0..calls).rev().step_by(nth) {
        killed(&Lab::new(), at, when, &reference, "boot-1");
    }
}

#[test]
fn killed_before_any_command_it_goes_on() {
    killed_at_every(1, When::Before);
}

#[test]
fn killed_in_the_middle_of_any_command_it_goes_on() {
    killed_at_every(1, When::Middle);
}

/// That is before the next one, but for the last.
#[test]
fn killed_after_a_command_it_goes_on() {
    killed_at_every(4, When::After);
}

/// What a restart of the installer loses is made again; what is on the disk is not.
#[test]
fn on_a_machine_that_was_restarted_it_goes_on() {
    let (reference, calls) = undisturbed(steps());
    for at in (0..calls - 1).step_by(2) {
        killed(&Lab::new(), at, When::Middle, &reference, "boot-2");
    }
}

/// The steps of a real installation.
#[test]
fn a_whole_installation_goes_on() {
    let steps = crate::steps::tests::encrypted_server();
    let (reference, calls) = undisturbed(steps.clone());
    for at in (1..calls - 2).step_by(4) {
        let lab = Lab { steps: steps.clone(), ..Lab::new() };
        killed(&lab, at, When::Middle, &reference, "boot-1");
    }
}

const OPERATOR: &str = "CALVE_TEST_FAKE";

/// The process that is killed in the test below; by itself it does nothing.
#[test]
fn an_operator() {
    let Some(root) = std::env::var_os(OPERATOR) else { return };
    let fake = Fake::at(root.as_ref(), Box::new(Local::new()));
    let lab = Lab { fake, steps: steps() };
    lab.run(lab.begin()).unwrap();
}

/// A process, and SIGKILL at any time. What it was running goes on without it, and its end comes first.
#[test]
fn a_process_that_is_killed_leaves_what_another_goes_on_with() {
    let begun = Instant::now();
    let (reference, _) = undisturbed(steps());
    let whole = begun.elapsed();
    let mut was_killed = 0;
    for tenth in 1..9 {
        let moment = whole * tenth / 10;
        let lab = Lab::new();
        let mut operator = Command::new(std::env::current_exe().unwrap());
        operator.args(["--exact", "run::tests::killed::an_operator"]);
        operator.env(OPERATOR, lab.fake.path("")).stdout(Stdio::null()).stderr(Stdio::null());
        let mut operator = operator.spawn().unwrap();
        while !lab.path().exists() {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(moment);
        was_killed += usize::from(operator.try_wait().unwrap().is_none());
        operator.kill().unwrap();
        operator.wait().unwrap();
        goes_on(&lab, &format!("killed after {moment:?}"), &reference, "boot-1");
    }
    assert!(was_killed > 2, "only {was_killed}");
}
