//! The kernel learns of the partitions that were written.
//!
//! udev tells it, as soon as a device that was open for writing is closed. Where there is no udev,
//! `blockdev` of util-linux does; asking directly would take an `ioctl` that has no safe wrapper. Neither is needed
//! to start from the device, so what goes wrong is told and is no failure.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use calve_installer::write::Image;
use calve_installer::write::image::Kind;

use super::survey::Subject;
use crate::terminal::Terminal;

/// How long the kernel may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits until the kernel sees the partitions, and says so if it does not.
pub(super) fn reread(subject: &Subject, image: &Image, terminal: Terminal) {
    if subject.device.disk.is_some() || !subject.device.is_scanned {
        return;
    }
    let mut blockdev = Command::new("blockdev");
    blockdev.arg("--rereadpt").arg(&subject.path);
    // Where it is missing or fails, udev may have done it.
    let _ = blockdev.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let started = Instant::now();
    while !is_seen(subject, image) {
        if started.elapsed() > PATIENCE {
            let name = &subject.device.name;
            terminal.say(format!(
                "warning   the kernel does not show the new partitions of {name} yet: plug it in again"
            ));
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Whether the kernel sees where the image's partitions begin.
fn is_seen(subject: &Subject, image: &Image) -> bool {
    let about = image.about();
    match about.kind {
        // Which of an ISO's tables is believed is the kernel's business.
        Kind::Iso | Kind::Bare => return true,
        Kind::Gpt | Kind::Mbr => {}
    }
    let Ok(device) = subject.again() else { return false };
    let seen = |start| device.partitions.iter().any(|part| part.start == start);
    about.partitions.iter().all(|found| seen(found.start))
}
