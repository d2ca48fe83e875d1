//! What the parts do together, on devices in memory and on recorded systems.

#![allow(clippy::as_conversions)]

mod copying;
mod images;
mod survey;
pub(crate) mod systems;
