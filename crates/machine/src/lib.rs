//! QEMU machines for boot tests: start an image under real firmware, read its serial console,
//! and keep the evidence when it does not come up.
//!
//! ```no_run
//! use std::time::Duration;
//! use calve_machine::{Architecture, Boot, Disk, Firmware, Machine, Search};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let firmware = Firmware::find(&Search::new(Architecture::X86_64))?;
//! let machine = Machine {
//!     disks: vec![Disk::open("disk.raw")?],
//!     ..Machine::new(Boot::Uefi(firmware))
//! };
//! let mut running = machine.boot()?;
//! running.expect_all(&["Linux version", "login:"], Duration::from_secs(120))?;
//! running.console().send_line("root")?;
//! running.shutdown(Duration::from_secs(60))?;
//! # Ok(())
//! # }
//! ```
//!
//! The image is not changed: each disk gets a throw-away overlay unless it says
//! [`Write::Persist`]. Nothing waits without a deadline, and a wait ends early, with the reason,
//! when the firmware finds nothing to start, the kernel panics, stage 1 gives up, or QEMU exits.
//! What is left of a failed run ([`Failure::evidence`]) is a directory with the console, QEMU's
//! command line and messages, and the firmware's variables; a good run leaves nothing.
//!
//! A description becomes a process in this order, one module each: [`firmware`] finds the UEFI
//! code, [`disk`] and [`network`] describe what is attached, [`machine`] puts them together,
//! `command` writes QEMU's arguments, [`accel`] decides how the CPU runs, `start` starts the
//! process, [`running`] owns it with its [`console`], its [`qmp`] socket and its [`evidence`].
//!
//! The library reads no environment variable but `TMPDIR`; callers pass paths in. It needs a Unix
//! system. The x86_64 machine is tested; the aarch64 arguments follow QEMU's documentation and
//! were never booted.

pub mod accel;
mod ansi;
pub mod architecture;
mod command;
pub mod console;
pub mod disk;
pub mod evidence;
pub mod firmware;
pub mod machine;
pub mod network;
pub mod qmp;
pub mod running;
mod start;

pub use accel::Accel;
pub use architecture::Architecture;
pub use console::{Console, Fatal, Order};
pub use disk::{Bus, Disk, SectorSize, Write};
pub use evidence::Keep;
pub use firmware::{Firmware, Search};
pub use machine::{Boot, DirectKernel, Machine, Restart};
pub use network::{Forward, Network};
pub use qmp::Qmp;
pub use running::{Failure, Reason, Running};
