//! Installations of a fake machine.

mod killed;
mod locks;
mod outcome;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use calve_image_core::plan::KeyId;

use super::fake::{Fake, When};
use super::*;
use crate::journal::{Header, Holder, Known, digest};
use crate::steps::{Action, Command, Input, Phase, Step};

const PASSPHRASE: &str = "open sesame";

/// An installation of every kind of step, in few commands.
fn steps() -> Vec<Step> {
    let guarded =
        |words: &str| Command { guards: Some("main".to_owned()), ..Command::new(words.split(' ')) };
    let reads = |command: Command| {
        let volume = KeyId("cryptroot".into());
        command.reading(Input::Passphrase { volume, keyslot: 0 })
    };
    let script = |script: &str, words: &[&str]| {
        Command::new(["sh", "-c", script, "x"].into_iter().chain(words.iter().copied()))
    };
    let step = |name: &str, phase, commands: Vec<Command>| {
        let destroys = commands.iter().find_map(|command| command.guards.clone());
        let action = Action::Run(commands);
        Step { name: name.to_owned(), phase, destroys, is_volatile: false, action }
    };
    let volatile = |step: Step| Step { is_volatile: true, ..step };
    let open = "cryptsetup status \"$2\" || exec cryptsetup open --key-file=- \"$1\" \"$2\"";
    let mount = "mkdir -p \"$2\"; findmnt --mountpoint \"$2\" || exec mount \"$1\" \"$2\"";
    let umount = "! mountpoint -q \"$1\" || exec umount --recursive \"$1\"";
    let close = "! cryptsetup status \"$1\" || exec cryptsetup close \"$1\"";
    let restart = vec![
        script(umount, &["/mnt"]),
        script(close, &["cryptroot"]),
        Command::new(["systemctl", "reboot"]),
    ];
    let (name, action) = ("restart".to_owned(), Action::Restart(restart));
    vec![
        step("wipe main", Phase::Partition, vec![guarded("wipefs --all /dev/sda")]),
        step(
            "partition main",
            Phase::Partition,
            vec![
                guarded("sfdisk /dev/sda").reading(Input::Text("label: gpt\n".to_owned())),
                Command::new(["udevadm", "settle"]),
            ],
        ),
        step(
            "encrypt cryptroot",
            Phase::Format,
            vec![reads(guarded("cryptsetup luksFormat --key-file=- /dev/sda1"))],
        ),
        volatile(step(
            "open cryptroot",
            Phase::Format,
            vec![reads(script(open, &["/dev/sda1", "cryptroot"]))],
        )),
        step("format cryptroot", Phase::Format, vec![guarded("mkfs.ext4 /dev/mapper/cryptroot")]),
        volatile(step(
            "mount /",
            Phase::Mount,
            vec![script(mount, &["/dev/mapper/cryptroot", "/mnt"])],
        )),
        crate::steps::copy(),
        step(
            "extra files 0",
            Phase::Install,
            vec![Command::new(["tar", "-x"]).reading(Input::Files(0))],
        ),
        step(
            "nixos-install",
            Phase::Install,
            vec![Command::new(["nixos-install", "--root", "/mnt"])],
        ),
        Step { name, phase: Phase::Reboot, destroys: None, is_volatile: false, action },
    ]
}

/// Notes the news among what the programs note, and has what they read.
struct Office<'a> {
    log: PathBuf,
    waits: usize,
    lacks: bool,
    stop: Arc<AtomicBool>,
    hears: &'a mut dyn FnMut(&str, &dyn Target),
    target: &'a Fake,
}

impl Office<'_> {
    fn write(&mut self, line: &str) {
        let mut log = fs::OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        log.write_all(format!("{line}\n").as_bytes()).unwrap();
        (self.hears)(line, self.target);
    }
}

impl Desk for Office<'_> {
    fn input(&mut self, input: &Input, sink: &mut (dyn Write + Send)) -> io::Result<()> {
        match input {
            Input::Passphrase { .. } if self.lacks => Err(io::ErrorKind::NotFound.into()),
            Input::Passphrase { .. } => sink.write_all(PASSPHRASE.as_bytes()),
            Input::Both { .. } => sink.write_all(b"00000011open sesame00000003new"),
            Input::Secret(_) => sink.write_all(b"a key"),
            Input::Files(_) => (0..64).try_for_each(|_| sink.write_all(&[7; 4096])),
            Input::Nothing | Input::Text(_) => unreachable!(),
        }
    }

    fn copy(
        &mut self,
        target: &dyn Target,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        (self.hears)("copies", self.target);
        let answer = target.call(&Call::new(&["nix-store", "--import"]))?;
        if answer.is_good() { Ok(()) } else { Err(answer.last_words().into()) }
    }

    fn tell(&mut self, news: News<'_>) {
        match news {
            News::Begins(step) => self.write(&format!("step {}", step.name)),
            News::Skips(step) => self.write(&format!("skip {}", step.name)),
            News::Ends { .. } => {}
            News::Waits => self.waits += 1,
        }
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

fn header(boot: &str) -> Header {
    let identity = Fake::disk();
    let disk = Known {
        device: "/dev/sda".to_owned(),
        number: identity.number.to_string(),
        size: identity.size.get(),
        serial: identity.serial,
        wwn: identity.wwn,
        sequence: identity.sequence,
        model: None,
        is_vouched: false,
    };
    Header {
        host: "root@web".to_owned(),
        toplevel: "/nix/store/abc-nixos-system-web".to_owned(),
        digest: digest([b"all".as_slice()]),
        seed: [7; 32],
        boot: boot.to_owned(),
        disks: [("main".to_owned(), disk)].into(),
    }
}

fn holder() -> Holder {
    Holder { user: "anna".to_owned(), ..Holder::this("calve install web") }
}

/// A machine, and the journal of whoever installs it.
struct Lab {
    fake: Fake,
    steps: Vec<Step>,
}

impl Lab {
    fn new() -> Self {
        Self { fake: Fake::new(), steps: steps() }
    }

    fn path(&self) -> PathBuf {
        self.fake.path("operator/web.journal")
    }

    fn begin(&self) -> Journal {
        Journal::begin(&self.path(), &header("boot-1"), &holder()).unwrap()
    }

    fn open(&self, boot: &str) -> Journal {
        let mut journal = Journal::open(&self.path(), &holder()).unwrap();
        journal.resume(&header(boot)).unwrap();
        journal
    }

    fn run(&self, journal: Journal) -> Result<Done, Error> {
        self.run_with(journal, &Phase::ALL, Arc::default(), &mut |_, _| {}).0
    }

    /// Runs, and tells how often it waited.
    fn run_with(
        &self,
        mut journal: Journal,
        phases: &[Phase],
        stop: Arc<AtomicBool>,
        hears: &mut dyn FnMut(&str, &dyn Target),
    ) -> (Result<Done, Error>, usize) {
        let disks = BTreeMap::from([("main".to_owned(), ("/dev/sda".to_owned(), Fake::disk()))]);
        let log = self.fake.path("log");
        let lacks = stop.load(Ordering::Relaxed);
        stop.store(false, Ordering::Relaxed);
        let mut desk = Office { log, waits: 0, lacks, stop, hears, target: &self.fake };
        let run = Run {
            target: &self.fake,
            steps: &self.steps,
            phases,
            disks: &disks,
            journal: &mut journal,
            desk: &mut desk,
        };
        let done = run.run();
        (done, desk.waits)
    }

    fn state(&self) -> State {
        State::of(&self.steps, &Journal::open(&self.path(), &holder()).unwrap())
    }
}
