//! An image written to a stick or a disk.
//!
//! ```text
//!   path ──► survey ──► refusals ──► (the user's word) ──► Target ──► copy ──► compare ──► finish
//! ```
//!
//! - [`crate::survey`]: what a device is, what is on it, and who uses it
//! - [`refusal`]: why a device must not be written
//! - [`image`]: what is to be written: its kind, its size, and its bytes in order
//! - [`target`]: the device as the copy sees it; [`buffer`]: memory that direct access takes
//! - [`copy`]: the bytes in, the first of them last; [`compare`]: the same bytes back
//! - [`finish`]: the backup of the partition table moves to the device's end
//! - `ahead`: reads the image while the device is busy
//!
//! A device is in one of three states, whatever stops the work and whenever: untouched, blank at its
//! beginning, or complete. So a half-written stick never looks like a whole one.
//!
//! Nothing here asks, prints or starts programs: who confirms, and how, is the caller's business.

mod ahead;
pub mod buffer;
pub mod compare;
pub mod copy;
mod error;
pub mod finish;
pub mod image;
pub mod refusal;
pub mod target;

#[cfg(test)]
mod fake;
#[cfg(test)]
pub(crate) mod tests;

use calve_image_core::region::Cancel;
use calve_image_core::units::{Bytes, MIB};

pub use error::Error;
pub use image::Image;
pub use refusal::Refusal;
pub use target::{BlockDevice, Target};

/// What is written last, and blank until then: partition tables of either kind, and the first
/// signatures of whatever else.
pub const HEAD: Bytes = MIB;

/// What is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// The image goes to the device.
    Write,
    /// The device is read back.
    Compare,
}

/// Watches the work.
pub trait Watch: Sync {
    /// Learns what begins, and how many bytes it will be, as far as that is known. Before the first
    /// time, the device is as it was.
    fn begin(&self, act: Act, total: Bytes);

    /// Learns that so many more bytes are done.
    fn advance(&self, done: Bytes);
}

/// One image, one device, and who looks on.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// What is written.
    pub image: &'a Image,
    /// Where it goes.
    pub target: &'a dyn Target,
    /// Who watches.
    pub watch: &'a dyn Watch,
    /// Who may stop it.
    pub cancel: &'a Cancel,
}

impl std::fmt::Debug for Job<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("image", &self.image).finish_non_exhaustive()
    }
}
