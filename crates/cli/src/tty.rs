//! The terminal on which somebody can be asked.
//!
//! It is opened anew, so that a question is seen wherever the output goes, and an answer is read from
//! whoever saw it.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::termios::tcgetpgrp;

/// Finds the terminal to ask on: the named one, else stdin; none where there is nobody to ask.
pub(crate) fn find(name: Option<&Path>) -> Option<OwnedFd> {
    // Never to become this process's controlling terminal, and never to wait for a modem.
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let stdin = rustix::stdio::stdin();
    let tty = match name {
        Some(name) => rustix::fs::open(name, flags, Mode::empty()).ok()?,
        None if !rustix::termios::isatty(stdin) => return None,
        // Opened anew: prompts go there, wherever the output of an activation goes.
        None => rustix::fs::open("/proc/self/fd/0", flags, Mode::empty())
            .or_else(|_| rustix::io::fcntl_dupfd_cloexec(stdin, 3))
            .ok()?,
    };
    // In the background of a shell, a question would stop this process for good.
    let is_background =
        tcgetpgrp(&tty).is_ok_and(|foreground| foreground != rustix::process::getpgrp());
    (rustix::termios::isatty(&tty) && !is_background).then_some(tty)
}
