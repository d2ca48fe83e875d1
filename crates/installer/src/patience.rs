//! Waiting that somebody can end.

use std::thread;
use std::time::{Duration, Instant};

/// How often it is asked whether it is over.
const TICK: Duration = Duration::from_millis(100);

/// Sleeps; tells whether nobody said that it is over.
pub(crate) fn nap(time: Duration, is_over: &dyn Fn() -> bool) -> bool {
    let started = Instant::now();
    while let Some(left) = time.checked_sub(started.elapsed()) {
        if is_over() {
            return false;
        }
        thread::sleep(TICK.min(left));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_slept_to_the_end_unless_it_is_over() {
        let started = Instant::now();
        assert!(nap(TICK * 2, &|| false));
        assert!(started.elapsed() >= TICK * 2);
        assert!(!nap(Duration::from_secs(3600), &|| true));
    }
}
