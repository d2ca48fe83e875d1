//! Who works on an installation, for whoever comes second.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Somebody who works on an installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Their name.
    pub user: String,
    /// Their machine.
    pub host: String,
    /// Their process.
    pub pid: u32,
    /// Since when, in seconds since 1970.
    pub since: u64,
    /// What they ran; it holds no secrets.
    pub command: String,
}

impl Holder {
    /// This process, from now on.
    pub fn this(command: &str) -> Self {
        let uid = || format!("uid {}", rustix::process::getuid().as_raw());
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            user: std::env::var("USER")
                .or_else(|_| std::env::var("LOGNAME"))
                .unwrap_or_else(|_| uid()),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            pid: std::process::id(),
            since: since.as_secs(),
            command: command.to_owned(),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, host, pid, since, command } = self;
        write!(f, "{user} on {host} (process {pid} since {}: {command})", minute(*since))
    }
}

/// A time in UTC: `2026-11-21 22:50 UTC`.
fn minute(seconds: u64) -> String {
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days: years begin in March.
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_second_reads_who_came_first() {
        let holder = Holder {
            user: "anna".to_owned(),
            host: "laptop".to_owned(),
            pid: 4711,
            // date -u -d '2028-02-29 23:59' +%s
            since: 1_835_481_540,
            command: "calve install web".to_owned(),
        };
        let shown = "anna on laptop (process 4711 since 2028-02-29 23:59 UTC: calve install web)";
        assert_eq!(holder.to_string(), shown);
        assert_eq!(minute(0), "1970-01-01 00:00 UTC");
        assert!(Holder::this("x").pid == std::process::id());
    }
}
