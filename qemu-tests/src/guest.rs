//! A sample system that is up, and its root shell on the serial console.
//!
//! Each command runs in a subshell between two marks. The marks are put together by `printf` in
//! the guest, so the echo of the command line never looks like them, and they are numbered, so an
//! answer never counts for another command. What the kernel or systemd write to the console
//! meanwhile would land in the output; kernel messages are switched off for that reason.

use std::thread;
use std::time::{Duration, Instant};

use calve_machine::{Running, console};

use crate::Error;

/// What each sample prints when it is up.
pub(crate) const UP: &str = "SAMPLE-SYSTEM-UP";
/// How long the shell may take to answer before it is asked again.
const NUDGE: Duration = Duration::from_secs(2);
/// Where Linux shows the firmware's variables.
const EFIVARS: &str = "/sys/firmware/efi/efivars";
/// systemd's vendor GUID for the Boot Loader Interface's variables.
const LOADER_GUID: &str = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
/// Between two keys: a menu must not take the escape sequence of an arrow for an Esc.
const KEY: Duration = Duration::from_millis(300);
/// busybox' line editor takes 1024 bytes; the marks need their share.
const LONGEST: usize = 900;

/// A running sample system.
#[derive(Debug)]
pub struct Guest {
    running: Running,
    patience: Duration,
    commands: u32,
}

/// A boot menu on the serial console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Menu {
    /// systemd-boot's, through the firmware's console.
    SystemdBoot,
    /// GRUB's.
    Grub,
    /// ISOLINUX' `menu.c32`.
    Isolinux,
}

impl Menu {
    /// What it shows while it waits for a key.
    fn waiting(self) -> &'static str {
        match self {
            Self::SystemdBoot => "Boot in ",
            Self::Grub => "The highlighted entry will be executed automatically",
            Self::Isolinux => "Automatic boot in ",
        }
    }
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit status.
    pub status: u8,
    /// What it wrote, both streams, without the last line break.
    pub text: String,
}

impl Guest {
    /// Waits until the sample says that it is up and its shell answers.
    pub fn up(running: Running, patience: Duration) -> Result<Self, Error> {
        let mut guest = Self { running, patience, commands: 0 };
        guest.wait_up()?;
        Ok(guest)
    }

    /// Chooses an entry of a boot menu, `down` keys below the default, and waits until
    /// the sample is up. The menu must be shown, so its timeout must not be 0.
    pub fn up_by_menu(
        mut running: Running,
        (menu, down): (Menu, usize),
        patience: Duration,
    ) -> Result<Self, Error> {
        running.expect(menu.waiting(), patience)?;
        for _ in 0..down {
            thread::sleep(KEY);
            running.send(b"\x1b[B")?;
        }
        thread::sleep(KEY);
        running.send(b"\r")?;
        Self::up(running, patience)
    }

    /// The machine, for what this harness does not wrap.
    pub fn running(&mut self) -> &mut Running {
        &mut self.running
    }

    /// Runs a shell command that must succeed, and gives its output.
    pub fn run(&mut self, command: &str) -> Result<String, Error> {
        let output = self.output(command)?;
        if output.status == 0 {
            Ok(output.text)
        } else {
            Err(Error::Command { command: command.to_owned(), output })
        }
    }

    /// Runs a shell command that must print a number.
    pub fn number(&mut self, command: &str) -> Result<u64, Error> {
        let text = self.run(command)?;
        let number = text.trim().parse();
        number.map_err(|_| Error::Garbled { command: command.to_owned(), answer: text })
    }

    /// Runs a shell command, and gives its output and exit status.
    pub fn output(&mut self, command: &str) -> Result<Output, Error> {
        if command.len() > LONGEST {
            let (size, most) = (command.len(), LONGEST);
            return Err(Error::TooLong { command: command.to_owned(), size, most });
        }
        self.commands += 1;
        let number = self.commands;
        self.running.send_line(&format!(
            "printf '<%s %s>\\n' begin {number}; ( {command}\n) </dev/null 2>&1; \
             printf '\\n<%s %s %s>\\n' end {number} $?"
        ))?;
        self.running.expect(&format!("<begin {number}>\n"), self.patience)?;
        let end = format!("\n<end {number} ");
        let text = self.running.expect(&end, self.patience)?;
        let answer = self.running.expect(">", self.patience)?;
        let status = answer
            .trim_end_matches('>')
            .parse()
            .map_err(|_| Error::Garbled { command: command.to_owned(), answer: answer.clone() })?;
        let text = text.strip_suffix(&end).unwrap_or(&text);
        Ok(Output { status, text: text.strip_suffix('\n').unwrap_or(text).to_owned() })
    }

    /// Requires of systemd that everything is up and nothing failed.
    pub fn all_units_up(&mut self) -> Result<(), Error> {
        let failed = "systemctl --failed --no-legend --plain";
        self.run(&format!("systemctl is-system-running || {{ {failed}; false; }}")).map(drop)
    }

    /// Restarts the guest from inside, and waits until it is up again.
    pub fn reboot(&mut self) -> Result<(), Error> {
        self.restart()?;
        self.wait_up()
    }

    /// Restarts the guest from inside, and does not wait.
    pub fn restart(&mut self) -> Result<(), Error> {
        Ok(self.running.send_line("sync; reboot")?)
    }

    /// Restarts the guest into an entry of systemd-boot's menu, named by its file.
    ///
    /// Sets `LoaderEntryOneShot` as systemd's Boot Loader Interface describes it: the attributes
    /// (non-volatile, boot and runtime access), then the name in UTF-16 with a final NUL.
    pub fn reboot_into(&mut self, entry: &str) -> Result<(), Error> {
        let name: String = entry.chars().map(|letter| format!("{letter}\\000")).collect();
        self.run(&format!(
            "grep -q ' {EFIVARS} efivarfs ' /proc/mounts || \
             {{ modprobe efivarfs; mount -t efivarfs efivarfs {EFIVARS}; }}"
        ))?;
        let variable = format!("{EFIVARS}/LoaderEntryOneShot-{LOADER_GUID}");
        self.run(&format!("printf '\\007\\000\\000\\000{name}\\000\\000' >{variable}"))?;
        self.reboot()
    }

    /// Powers the guest off from inside.
    pub fn power_off(mut self) -> Result<(), Error> {
        self.running.send_line("sync; poweroff")?;
        Ok(self.running.wait_off(self.patience)?)
    }

    /// Ends the machine as a power cut does.
    pub fn pull_plug(self) {
        self.running.stop();
    }

    /// Presses the power button, for samples that listen to it (the systemd ones).
    pub fn press_power_button(self) -> Result<(), Error> {
        Ok(self.running.shutdown(self.patience)?)
    }

    /// Waits until the sample says that it is up and its shell answers.
    pub fn wait_up(&mut self) -> Result<(), Error> {
        self.running.expect(UP, self.patience)?;
        self.sync()?;
        self.output("echo 1 >/proc/sys/kernel/printk").map(drop)
    }

    /// Asks until the shell answers: it may start after the sample says that it is up, and
    /// what is typed before that is lost.
    fn sync(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + self.patience;
        loop {
            self.commands += 1;
            let number = self.commands;
            self.running.send_line(&format!("printf '<%s %s>\\n' ready {number}"))?;
            let answer = format!("<ready {number}>");
            match self.running.console().expect(&answer, NUDGE) {
                Ok(_) => return Ok(()),
                Err(console::Error::Deadline { .. }) if Instant::now() < deadline => {}
                Err(error) => return Err(self.running.console_failure(error).into()),
            }
        }
    }
}
