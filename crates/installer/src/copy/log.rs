//! What a `nix` with `--log-format internal-json` says of a copy: activities that start, get on and stop, and messages.
//!
//! Follows Nix' `libutil/logging.{hh,cc}`: the numbers have been the same since Nix 2.0. Bytes of a path that is on its way are
//! told by some stores only; a path that has stopped counts with the size that is registered.

use std::collections::BTreeMap;

use calve_image_core::inputs::closure::PathInfo;
use serde_json::Value;

use super::{Progress, Stage};

/// `actCopyPath`.
const COPY_PATH: u64 = 100;

/// `actCopyPaths`.
const COPY_PATHS: u64 = 103;

/// `resProgress`: done, expected, running, failed.
const PROGRESS: u64 = 105;

/// `resSetExpected`: a type of activities, and how much is expected of them.
const EXPECTED: u64 = 106;

/// `lvlWarn`: what is less important is no message to people.
const WARN: u64 = 1;

/// A copy as far as it was told.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Sizes of NARs, by path.
    sizes: BTreeMap<String, u64>,
    /// Paths on their way: how much of each is done, by activity.
    running: BTreeMap<u64, (String, u64)>,
    /// The activity of all paths.
    whole: Option<u64>,
    paths: u64,
    bytes: u64,
    of_paths: u64,
    of_bytes: u64,
    /// What it says to people, and what others say in between: ssh.
    pub(super) said: String,
}

impl Log {
    /// The beginning of a copy of paths that are known.
    pub(super) fn of<'a>(infos: impl Iterator<Item = &'a PathInfo>) -> Self {
        let sizes: BTreeMap<_, _> =
            infos.map(|info| (info.path.to_string(), info.nar_size)).collect();
        let of_paths = u64::try_from(sizes.len()).unwrap_or_default();
        let of_bytes = sizes.values().fold(0, |sum: u64, size| sum.saturating_add(*size));
        Self { sizes, of_paths, of_bytes, ..Self::default() }
    }

    /// Reads a line.
    pub(super) fn read(&mut self, line: &str) {
        let event = line.strip_prefix("@nix ").map(serde_json::from_str::<Value>);
        let Some(Ok(event)) = event else { return self.hear(line) };
        let number = |key: &str| event.get(key).and_then(Value::as_u64);
        let field = |index: usize| event.get("fields").and_then(|fields| fields.get(index));
        let count = |index: usize| field(index).and_then(Value::as_u64);
        match (event.get("action").and_then(Value::as_str), number("id"), number("type")) {
            (Some("msg"), _, _) if number("level").is_none_or(|level| level <= WARN) => {
                self.hear(event.get("msg").and_then(Value::as_str).unwrap_or_default());
            }
            (Some("start"), Some(id), Some(COPY_PATH)) => {
                let path = field(0).and_then(Value::as_str).unwrap_or_default();
                self.running.insert(id, (path.to_owned(), 0));
            }
            (Some("start"), Some(id), Some(COPY_PATHS)) => self.whole = Some(id),
            (Some("stop"), Some(id), _) => self.stop(id),
            (Some("result"), Some(id), Some(PROGRESS)) => {
                if let (Some((_, done)), Some(count)) = (self.running.get_mut(&id), count(0)) {
                    *done = count;
                } else if self.learns(id) {
                    self.of_paths = count(1).unwrap_or(self.of_paths);
                }
            }
            (Some("result"), Some(id), Some(EXPECTED))
                if self.learns(id) && count(0) == Some(COPY_PATH) =>
            {
                self.of_bytes = count(1).unwrap_or(self.of_bytes);
            }
            _ => {}
        }
    }

    /// Whether an activity is all paths', and how many those are is not known besides.
    fn learns(&self, id: u64) -> bool {
        self.whole == Some(id) && self.sizes.is_empty()
    }

    fn hear(&mut self, words: &str) {
        self.said.push_str(words);
        self.said.push('\n');
    }

    fn stop(&mut self, id: u64) {
        if let Some((path, done)) = self.running.remove(&id) {
            self.paths += 1;
            self.bytes += self.sizes.get(&path).copied().unwrap_or(done);
        }
    }

    /// How far it is.
    pub(super) fn progress(&self) -> Progress {
        let running = self.running.values().map(|(_, done)| done);
        let bytes = running.fold(self.bytes, |sum, done| sum.saturating_add(*done));
        let Self { paths, of_paths, of_bytes, .. } = *self;
        Progress { stage: Stage::Sending, paths, of_paths, bytes, of_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of Nix 2.8, and one of ssh.
    const LINES: [&str; 8] = [
        r#"@nix {"action":"start","id":1,"level":3,"text":"copying 2 paths","type":103}"#,
        r#"@nix {"action":"result","fields":[100,300],"id":1,"type":106}"#,
        r#"@nix {"action":"result","fields":[0,2,0,0],"id":1,"type":105}"#,
        r#"@nix {"action":"start","fields":["/nix/store/p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-x","daemon","ssh://x"],"id":2,"level":3,"text":"copying path","type":100}"#,
        r#"@nix {"action":"result","fields":[40,100],"id":2,"type":105}"#,
        r#"@nix {"action":"msg","level":5,"msg":"details"}"#,
        r#"@nix {"action":"msg","level":0,"msg":"error: no"}"#,
        "Connection closed.",
    ];

    #[test]
    fn events_are_counted_and_messages_kept() {
        let mut log = Log::default();
        LINES.iter().for_each(|line| log.read(line));
        let progress = log.progress();
        assert_eq!((progress.paths, progress.of_paths), (0, 2));
        assert_eq!((progress.bytes, progress.of_bytes), (40, 300));
        log.read(r#"@nix {"action":"stop","id":2}"#);
        log.read(r#"@nix {"action":"stop","id":1}"#);
        assert_eq!((log.progress().paths, log.progress().bytes), (1, 40));
        assert_eq!(log.said, "error: no\nConnection closed.\n");
        // Half a line, or one of another world.
        log.read("@nix {\"action\":");
        log.read("@nix [1]");
    }
}
