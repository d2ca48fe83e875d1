//! What the parts do together, on devices in memory and on recorded systems.

mod copying;
mod images;
mod survey;
mod systems;
