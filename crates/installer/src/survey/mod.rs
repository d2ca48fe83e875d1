//! What a machine is and what devices it has, what is on them, and who uses them.
//!
//! - [`snapshot`]: another machine's small files, brought here; [`host`]: where they lie, or this machine's own:
//!   `/sys`, `/proc`, and what udev has noted in `/run`
//! - [`machine`]: its firmware, its memory, the system that it runs
//! - [`disk`]: all of its disks, in the words of those below
//! - [`number`]: how the kernel calls a device
//! - [`device`]: what it is; [`identity`]: how it is known again
//! - [`mounts`]: mounted file systems and swap
//! - [`uses`]: who uses a device, its partitions, or what is made of them
//! - [`contents`], [`signature`]: what is on it
//!
//! All of it is read, nothing is opened for writing, and nothing is asked of the device that it could
//! take for more than a read. Documentation: `Documentation/ABI/*/sysfs-block` of the kernel.

pub mod contents;
pub mod device;
pub mod disk;
mod error;
pub mod host;
pub mod identity;
pub mod machine;
pub mod mounts;
pub mod number;
pub mod signature;
pub mod snapshot;
pub mod uses;

pub use contents::Contents;
pub use device::Device;
pub use disk::Disk;
pub use error::Error;
pub use host::Host;
pub use identity::Identity;
pub use machine::Machine;
pub use number::DeviceNumber;
pub use snapshot::Snapshot;
pub use uses::{InUse, Use};
