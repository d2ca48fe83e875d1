//! How fast one core seals: what `openssl speed -evp aes-256-xts` measures of another implementation.
//!
//! ```console
//! $ cargo run --release --package calve-image-core --example xts
//! 512 5.61
//! 4096 5.76
//! ```
//!
//! Size of the sectors, and GiB in a second: the best of many short runs over 1 MiB, which is as much
//! as the loop seals at once. A run is shorter than what a scheduler gives at a time, so that the best one
//! was not disturbed.

// It is a stopwatch, and prints what it found.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use std::time::Instant;

use calve_image_core::units::{MIB, SectorSize};
use calve_image_core::xts::{KEY_SIZE, Tweaks, Xts};

/// How often 1 MiB is sealed in a run.
const RUN: u32 = 16;
/// How many runs there are.
const RUNS: u32 = 400;

fn main() -> Result<(), &'static str> {
    let key: Vec<u8> = (0..=u8::MAX).take(KEY_SIZE).collect();
    let xts = Xts::new(&key).ok_or("a key of the right length")?;
    let mut tweaks = Tweaks::default();
    let mut data = vec![0x5A; MIB.to_len().ok_or("a small address space")?];
    for sector in SectorSize::ALL {
        let mut best = f64::INFINITY;
        for _ in 0..RUNS {
            let start = Instant::now();
            for chunk in 0..u64::from(RUN) {
                xts.seal(sector, MIB * chunk, &mut data, &mut tweaks);
            }
            best = best.min(start.elapsed().as_secs_f64());
        }
        println!("{} {:.2}", sector.bytes().get(), f64::from(RUN) / 1024.0 / best);
    }
    Ok(())
}
