//! What was done, and how long each part of it took.

use std::time::Duration;

use calve_installer::unlock::{Unlocked, Up};
use serde::Serialize;

use super::target::Target;

/// What was done; times are in seconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    host: String,
    /// How the host asked.
    asks: &'static str,
    /// The volumes that were seen to be opened.
    opened: Vec<String>,
    /// The fingerprint of the initrd's host key.
    initrd_key: Option<String>,
    /// Until the host was reached.
    reach: f64,
    /// From then until the last answer had its effect.
    unlock: f64,
    /// From then until the initrd was gone; only with --wait.
    switch: Option<f64>,
    /// From then until the system answered; only with --wait.
    up: Option<f64>,
    /// The fingerprint of the system's host key; only with --wait.
    system_key: Option<String>,
}

impl Report {
    pub(super) fn new(target: &Target, unlocked: &Unlocked) -> Self {
        Self {
            host: target.host.name.clone(),
            asks: unlocked.kind.word(),
            opened: unlocked.opened.clone(),
            initrd_key: unlocked.found.clone(),
            reach: seconds(unlocked.reach),
            unlock: seconds(unlocked.unlock),
            switch: None,
            up: None,
            system_key: None,
        }
    }

    pub(super) fn add(&mut self, up: &Up) {
        self.switch = Some(seconds(up.switch));
        self.up = Some(seconds(up.up));
        self.system_key = Some(up.found.clone());
    }

    pub(super) fn unlocked(&self) -> String {
        let Self { host, unlock, .. } = self;
        // What is open cannot always be seen; then what is known is that nobody asks any more.
        let what = if self.opened.is_empty() { "asks no more" } else { "is unlocked" };
        format!("unlocked  {host} {what}, after {unlock:.1} s")
    }

    pub(super) fn up(&self) -> String {
        let key = self.system_key.as_deref().unwrap_or_default();
        format!("up        {} after {:.1} s: {key}", self.host, self.up.unwrap_or_default())
    }
}

/// To a tenth, as nothing here is more exact.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}
