//! `calve cache`: what is kept of earlier builds, looked at and made less.

use std::path::Path;
use std::time::{Duration, SystemTime};

use calve_image_core::cache::{self, Tally, Trimmed, Usage};
use calve_image_core::units::Bytes;
use serde::Serialize;

use crate::cache_dir::{DEFAULT_SIZE, DirArgs, SizeArgs};
use crate::drawing::{self, Column};
use crate::failure::Failure;
use crate::terminal::Terminal;

/// Show or trim what is kept of earlier builds
///
/// What was compressed for a store path once is kept, and is taken from there when another image
/// needs it. All of it can be made again; what is damaged is.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  calve cache show
  calve cache trim --to 2G
  calve cache clear --cache /var/cache/calve")]
pub(crate) enum Command {
    Show(ShowArgs),
    Trim(TrimArgs),
    Clear(ClearArgs),
}

/// Show where the cache is, how large, and when it was used
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    dir: DirArgs,

    #[command(flatten)]
    size: SizeArgs,

    /// Print the same as JSON
    #[arg(long)]
    json: bool,
}

/// Remove what was used least recently
///
/// What running builds use stays. Builds do the same when they are done.
#[derive(Debug, clap::Args)]
pub(crate) struct TrimArgs {
    #[command(flatten)]
    dir: DirArgs,

    /// How much may stay
    #[arg(long, value_name = "SIZE", env = "CALVE_CACHE_SIZE", default_value = DEFAULT_SIZE)]
    to: Bytes,
}

/// Remove all that running builds do not use
#[derive(Debug, clap::Args)]
pub(crate) struct ClearArgs {
    #[command(flatten)]
    dir: DirArgs,
}

/// Shows or trims it.
pub(crate) fn run(command: Command, terminal: Terminal) -> Result<(), Failure> {
    match command {
        Command::Show(args) => show(&args, terminal),
        Command::Trim(args) => trim(&args.dir, args.to, terminal),
        Command::Clear(args) => trim(&args.dir, Bytes::ZERO, terminal),
    }
}

fn show(args: &ShowArgs, terminal: Terminal) -> Result<(), Failure> {
    let directory = args.dir.path()?;
    let (usage, bound) = (cache::usage(&directory)?, args.size.cache_size);
    if args.json {
        return terminal.print_json(&Document::of(&directory, bound, &usage));
    }
    terminal.print(&text(&directory, bound, &usage))
}

fn text(directory: &Path, bound: Bytes, usage: &Usage) -> String {
    let Tally { entries, bytes } = usage.all;
    let mut rows = vec![
        vec!["entries".to_owned(), entries.to_string()],
        vec!["size".to_owned(), format!("{bytes} of {bound}")],
    ];
    let now = SystemTime::now();
    for (name, time) in [("last use", usage.newest), ("oldest use", usage.oldest)] {
        if let Some(time) = time {
            // A time to come is that of a clock that was set back.
            let age = ago(now.duration_since(time).unwrap_or_default());
            rows.push(vec![name.to_owned(), age]);
        }
    }
    let table = drawing::table(&[Column::Left, Column::Left], &rows);
    format!("cache {}\n{table}", directory.display())
}

/// An age in the largest unit that it has one of.
fn ago(age: Duration) -> String {
    let units = [("day", 86_400), ("hour", 3600), ("minute", 60)];
    let found = units.into_iter().find(|(_, length)| age.as_secs() >= *length);
    match found.map(|(unit, length)| (unit, age.as_secs() / length)) {
        None => "less than a minute ago".to_owned(),
        Some((unit, 1)) => format!("1 {unit} ago"),
        Some((unit, count)) => format!("{count} {unit}s ago"),
    }
}

/// What `--json` prints; sizes are in bytes, times in seconds since 1970.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    cache: String,
    bound: u64,
    entries: u64,
    size: u64,
    last_use: Option<u64>,
    oldest_use: Option<u64>,
}

impl Document {
    fn of(directory: &Path, bound: Bytes, usage: &Usage) -> Self {
        let seconds = |time: SystemTime| {
            Some(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs())
        };
        Self {
            cache: directory.display().to_string(),
            bound: bound.get(),
            entries: usage.all.entries,
            size: usage.all.bytes.get(),
            last_use: usage.newest.and_then(seconds),
            oldest_use: usage.oldest.and_then(seconds),
        }
    }
}

fn trim(dir: &DirArgs, bound: Bytes, terminal: Terminal) -> Result<(), Failure> {
    let Trimmed { removed, left } = cache::trim(&dir.path()?, bound)?;
    let why = if left.bytes > bound { ": running builds use it" } else { "" };
    terminal.print(&format!("removed   {}\nleft      {}{why}\n", counted(removed), counted(left)))
}

fn counted(Tally { entries, bytes }: Tally) -> String {
    match entries {
        0 => "nothing".to_owned(),
        1 => format!("1 entry, {bytes}"),
        _ => format!("{entries} entries, {bytes}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_roughly() {
        for (seconds, text) in [
            (59, "less than a minute ago"),
            (60, "1 minute ago"),
            (7199, "1 hour ago"),
            (7200, "2 hours ago"),
            (86_400 * 400, "400 days ago"),
        ] {
            assert_eq!(ago(Duration::from_secs(seconds)), text);
        }
    }
}
