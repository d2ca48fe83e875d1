//! What the caller sees of a copy, and how it ends one.

use std::time::Duration;

/// Watches a copy.
pub trait Hear {
    /// Learns how far it is; called often.
    fn progress(&mut self, progress: &Progress);

    /// Whether the copy is to end: what is on its way is cut off.
    fn is_over(&self) -> bool;
}

/// What a copy is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The target looks for paths that a power cut tore.
    Checking,
    /// The target says what it has.
    Asking,
    /// The target gets what its own store and its caches have.
    Pulling,
    /// Paths are on their way.
    Sending,
    /// All is there.
    Ends,
}

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub stage: Stage,
    /// How many paths have been sent.
    pub paths: u64,
    /// Of how many; zero while nobody knows.
    pub of_paths: u64,
    /// How many bytes have been sent.
    pub bytes: u64,
    /// Of how many; zero while nobody knows.
    pub of_bytes: u64,
}

impl Progress {
    /// The beginning of a stage.
    pub(super) fn at(stage: Stage) -> Self {
        Self { stage, paths: 0, of_paths: 0, bytes: 0, of_bytes: 0 }
    }

    /// Bytes a second, after so long a time of sending.
    pub fn rate(&self, after: Duration) -> Option<u64> {
        let rate = u128::from(self.bytes).saturating_mul(1000).checked_div(after.as_millis())?;
        u64::try_from(rate).ok()
    }

    /// How long it will take if it goes on as it went so far.
    pub fn left(&self, after: Duration) -> Option<Duration> {
        let rate = self.rate(after).filter(|rate| *rate > 0)?;
        let left = self.of_bytes.checked_sub(self.bytes).filter(|_| self.of_bytes > 0)?;
        Some(Duration::from_secs(left.div_ceil(rate)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_follows_from_the_rate() {
        let progress =
            Progress { bytes: 30 << 20, of_bytes: 90 << 20, ..Progress::at(Stage::Sending) };
        let after = Duration::from_secs(3);
        assert_eq!(progress.rate(after), Some(10 << 20));
        assert_eq!(progress.left(after), Some(Duration::from_secs(6)));
        // Nothing is known at the beginning, or without a total.
        assert_eq!(progress.left(Duration::ZERO), None);
        assert_eq!(Progress { of_bytes: 0, ..progress }.left(after), None);
        assert_eq!(Progress { bytes: 0, ..progress }.left(after), None);
    }
}
