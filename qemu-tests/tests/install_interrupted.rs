//! `calve install` is killed whenever it begins a step and in the middle of the long ones, loses its network, finds
//! no room, and finds the installer restarted: each time the same command line with `--resume` goes on, and the
//! system that comes of it is whole.
#![allow(missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use calve_machine::Bus;
use calve_qemu_tests::installing::begun;
use calve_qemu_tests::{Error, Guest, Images, Installing, Said, Sample};

const SIZE: u64 = 1 << 30;
/// As many as this has to happen to it.
const KILLS: usize = 12;
/// How much of the closure has come when something happens.
const SOME: u64 = 4 << 20;
/// In the middle of what takes seconds.
const MIDDLE: Duration = Duration::from_millis(300);

#[test]
fn whatever_stops_it_resume_goes_on() -> Result<(), Error> {
    let Some(installing) = Installing::new("install-interrupted")? else { return Ok(()) };
    let disk = installing.blank("disk.raw", SIZE)?;
    let mut guest = installing.start(&installing.machine(&[(&disk, Bus::Nvme)])?)?;
    let mut story =
        Story { installing: &installing, kills: 0, seen: vec![], twice: BTreeSet::new() };

    let mut said = story.run(false)?;
    while said.code.is_none() {
        if story.seen.last().is_some_and(|step| step == "copy") {
            story.misfortunes(&mut guest)?;
        }
        said = story.run(true)?;
    }
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(story.kills >= KILLS, "only {} kills", story.kills);

    guest.run("nix-store --store /mnt --verify --check-contents")?;
    guest.reboot()?;
    let system = Images::closure_info(Sample::Mini).join("system").canonicalize()?;
    assert_eq!(guest.run("readlink -f /run/booted-system")?, system.display().to_string());
    guest.power_off()?;
    installing.images().check_root(&disk)
}

struct Story<'a> {
    installing: &'a Installing,
    kills: usize,
    /// The steps that it began, in order.
    seen: Vec<String>,
    /// The steps in whose middle it was killed.
    twice: BTreeSet<String>,
}

impl Story<'_> {
    fn words(is_resumed: bool) -> Vec<&'static str> {
        let mut words = vec!["--disk", "nvme0n1", "--yes-wipe", "nvme0n1", "--no-reboot"];
        if is_resumed {
            words.push("--resume");
        }
        words
    }

    /// Kills it when it begins a step that it never began before, or in the middle of the one that it was killed at.
    fn run(&mut self, is_resumed: bool) -> Result<Said, Error> {
        let install = self.installing.install(Sample::Mini, &Self::words(is_resumed));
        let mut middle = None;
        let (seen, twice) = (&mut self.seen, &mut self.twice);
        let said = self.installing.kill_when(install, |lines| {
            let steps = begun(lines);
            let Some(step) = steps.last().map(|step| (*step).to_owned()) else { return false };
            if !seen.contains(&step) {
                seen.push(step);
                return true;
            }
            if seen.last() == Some(&step) && is_long(&step) && twice.insert(step) {
                middle = Some(Instant::now() + MIDDLE);
            }
            middle.is_some_and(|time| Instant::now() >= time)
        })?;
        if said.code.is_none() {
            self.kills += 1;
        }
        Ok(said)
    }

    /// No room, no network, and a restart, when the copy was begun.
    fn misfortunes(&mut self, guest: &mut Guest) -> Result<(), Error> {
        if !self.twice.insert("misfortunes".to_owned()) {
            return Ok(());
        }
        let install = || self.installing.install(Sample::Mini, &Self::words(true));
        guest.run("fallocate -l $(( $(stat -f -c '%a * %S' /mnt) - 4194304 )) /mnt/filler")?;
        let said = self.installing.say(install())?;
        assert_eq!(said.code, Some(1), "{}", said.err);
        assert!(said.err.contains("--resume"), "{}", said.err);
        guest.run("rm /mnt/filler")?;

        let cable = self.installing.cable();
        let before = cable.sent();
        let said = self.installing.kill_when(install(), |_| cable.sent() > before + SOME)?;
        assert_eq!(said.code, None, "{}", said.err);
        self.kills += 1;

        cable.cut_after(SOME);
        let said = self.installing.say(install())?;
        assert_eq!(said.code, Some(1), "{}", said.err);
        assert!(said.err.contains("--resume"), "{}", said.err);
        assert!(!cable.is_whole());

        guest.reboot()?;
        // The key of an installer is as new as its memory: nobody is to go on without asking.
        let said = self.installing.say(install())?;
        assert_ne!(said.code, Some(0), "{}", said.err);
        assert!(said.err.contains("Host key verification failed"), "{}", said.err);
        fs::remove_file(self.installing.images().scratch().join("known_hosts"))?;
        Ok(())
    }
}

/// Whether a step takes long enough to have a middle.
fn is_long(step: &str) -> bool {
    ["partition", "format", "copy", "install"].iter().any(|word| step.contains(word))
}
