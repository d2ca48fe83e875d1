//! What is said when it fails, what is left, and what is skipped.

use super::*;

#[test]
fn a_failure_says_what_failed_and_what_the_disks_are() {
    for (program, step, state) in [
        ("wipefs", "wipe main", State::Wiped),
        ("mkfs.ext4", "format cryptroot", State::Wiped),
        ("mount", "mount /", State::Formatted),
        ("nixos-install", "nixos-install", State::PartlyInstalled),
        ("umount", "restart", State::Installed),
    ] {
        let lab = Lab::new();
        lab.fake.fails(program);
        let error = lab.run(lab.begin()).unwrap_err();
        assert_eq!(error.state(), Some(state));
        let Error::Step { step: found, command, ended, tail, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!((found.as_str(), *ended), (step, Ended::Code(4)));
        assert_eq!(tail, &["it was going well", &format!("{program}: no space left on device")]);
        assert!(command.contains(program), "{command}");
        assert!(error.to_string().ends_with(" failed with exit code 4"), "{error}");
        // What failed is done again.
        lab.fake.fails("");
        lab.run(lab.open("boot-1")).unwrap();
    }
    let lab = Lab::new();
    lab.fake.fails("nix-store");
    let error = lab.run(lab.begin()).unwrap_err();
    let Error::Copy { source, state: State::PartlyCopied, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(source.to_string(), "nix-store: no space left on device");
}

#[test]
fn another_disk_is_left_alone() {
    let lab = Lab::new();
    let size = lab.fake.path("sys/dev/block/8:0/size");
    fs::write(&size, "1").unwrap();
    let error = lab.run(lab.begin()).unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, Error::Disk { .. }) && said.contains("has another size now"), "{said}");
    assert_eq!(lab.fake.log(), ["step wipe main"]);
    assert_eq!(error.state(), Some(State::Untouched));
    // On the way it is exchanged.
    fs::write(&size, (Fake::disk().size.get() / 512).to_string()).unwrap();
    let mut exchange = |line: &str, fake: &dyn Target| {
        let _ = fake;
        if line == "step format cryptroot" {
            fs::write(lab.fake.path("sys/dev/block/8:0/diskseq"), "10").unwrap();
        }
    };
    let (done, _) = lab.run_with(lab.open("boot-1"), &Phase::ALL, Arc::default(), &mut exchange);
    let error = done.unwrap_err();
    assert!(error.to_string().contains("was taken out and put in again"), "{error}");
    assert_eq!(error.state(), Some(State::Wiped));
    assert!(!lab.fake.log().iter().any(|line| line.contains("mkfs")));
    // Nobody said which disk it is.
    let steps = vec![Step {
        action: Action::Run(vec![Command {
            guards: Some("other".to_owned()),
            ..Command::new(["wipefs"])
        }]),
        ..steps()[0].clone()
    }];
    let lab = Lab { steps, ..Lab::new() };
    assert!(matches!(lab.run(lab.begin()), Err(Error::Disk { .. })));
    assert_eq!(lab.fake.log().len(), 1);
}

#[test]
fn no_secret_is_left_anywhere() {
    let lab = Lab::new();
    // What lacks is said; it is no byte of it.
    let lacks = Arc::new(AtomicBool::new(true));
    let (done, _) = lab.run_with(lab.begin(), &Phase::ALL, lacks, &mut |_, _| {});
    let error = done.unwrap_err();
    let said = error.to_string();
    assert_eq!(said, "step \"encrypt cryptroot\": passphrase 0 of cryptroot cannot be had");
    lab.fake.fails("nixos-install");
    let error = lab.run(lab.open("boot-1")).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("sesame"));
    lab.fake.fails("");
    lab.run(lab.open("boot-1")).unwrap();
    let mut files = vec![lab.fake.path("")];
    let mut count = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.parent() != Some(&lab.fake.path("bin")) {
            count += 1;
            let found = String::from_utf8_lossy(&fs::read(&path).unwrap()).contains("sesame");
            assert!(!found, "{}", path.display());
        }
    }
    assert!(count > 5);
}

#[test]
fn a_lost_journal_is_taken_from_the_target() {
    let lab = Lab::new();
    assert_eq!(journal_of(&lab.fake).unwrap(), None);
    lab.fake.fails("nixos-install");
    lab.run(lab.begin()).unwrap_err();
    fs::remove_file(lab.path()).unwrap();
    let lines = journal_of(&lab.fake).unwrap().unwrap();
    let mut journal = Journal::take(&lab.path(), &lines, &holder()).unwrap();
    journal.resume(&header("boot-1")).unwrap();
    assert!(journal.is_done("copy") && journal.is_begun("nixos-install"));
    lab.fake.fails("");
    let before = lab.fake.log().len();
    lab.run(journal).unwrap();
    assert!(!lab.fake.log()[before..].iter().any(|line| line.contains("mkfs")));
    assert_eq!(lab.state(), State::Restarted);
}

#[test]
fn phases_are_done_as_they_are_asked_for() {
    let lab = Lab::new();
    let phases = |journal, phases: &[Phase]| {
        let (done, _) = lab.run_with(journal, phases, Arc::default(), &mut |_, _| {});
        (done.unwrap().done, lab.state())
    };
    let first = phases(lab.begin(), &[Phase::Partition, Phase::Format]);
    assert_eq!(first, (5, State::Formatted));
    assert_eq!(phases(lab.open("boot-1"), &[Phase::Mount]), (1, State::Ready));
    assert_eq!(phases(lab.open("boot-1"), &[Phase::Copy]), (1, State::Copied));
    // All: what is done is skipped, and what asks first is asked.
    assert_eq!(phases(lab.open("boot-1"), &Phase::ALL), (5, State::Restarted));
    // A machine that runs its new system is not touched again.
    let before = lab.fake.calls();
    assert_eq!(phases(lab.open("boot-1"), &Phase::ALL), (0, State::Restarted));
    assert_eq!(lab.fake.calls(), before);
    // A repair destroys nothing.
    let steps = steps().into_iter().filter(|step| step.phase == Phase::Mount).collect();
    let lab = Lab { steps, ..Lab::new() };
    assert_eq!(State::of(&lab.steps, &lab.begin()), State::Untouched);
    lab.run(lab.begin()).unwrap();
    assert_eq!(lab.state(), State::Ready);
}
