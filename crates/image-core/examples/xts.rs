//! How fast one core seals: what `openssl speed -evp aes-256-xts` measures of another implementation.
//!
//! ```console
//! $ cargo run --release --package calve-image-core --example xts
//! 512 5.61
//! 4096 5.76
//! ```
//!
//! Size of the sectors, and GiB in a second: the best of ten runs over 1 MiB, which is as much as
//! the loop seals at once.

// It is a stopwatch, and prints what it found.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use std::time::Instant;

use calve_image_core::units::{Bytes, GIB, MIB, SectorSize};
use calve_image_core::xts::{KEY_SIZE, Tweaks, Xts};

/// How much each run seals.
const RUN: Bytes = Bytes::new(GIB.get() / 2);

fn main() -> Result<(), &'static str> {
    let key: Vec<u8> = (0..=u8::MAX).take(KEY_SIZE).collect();
    let xts = Xts::new(&key).ok_or("a key of the right length")?;
    let mut tweaks = Tweaks::default();
    let mut data = vec![0x5A; MIB.to_len().ok_or("a small address space")?];
    for sector in SectorSize::ALL {
        let mut best = f64::INFINITY;
        for _ in 0..10 {
            let start = Instant::now();
            for chunk in 0..RUN.div_ceil(MIB) {
                xts.seal(sector, MIB * chunk, &mut data, &mut tweaks);
            }
            best = best.min(start.elapsed().as_secs_f64());
        }
        println!("{} {:.2}", sector.bytes().get(), 0.5 / best);
    }
    Ok(())
}
