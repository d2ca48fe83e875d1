//! What a device is, what is on it, and who uses it.
//!
//! - [`host`]: where the kernel says so: `/sys`, `/proc`, and what udev has noted in `/run`
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
pub mod host;
pub mod identity;
pub mod mounts;
pub mod number;
pub mod signature;
pub mod uses;

pub use contents::Contents;
pub use device::Device;
pub use host::Host;
pub use identity::Identity;
pub use number::DeviceNumber;
pub use uses::{InUse, Use};
