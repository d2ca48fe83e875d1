//! `calve show --verify`: all of a live image read, every store path held against its hash.

use std::fs::File;
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;

use calve_image_core::inspect::verify::{self, Stop, Verdict};
use calve_image_core::region::Cancel;
use calve_image_core::units::Bytes;

use crate::failure::{Failure, Kind};
use crate::interrupt::Interrupt;
use crate::progress::Count;
use crate::terminal::Terminal;

/// An image that is not what was built.
#[derive(Debug, thiserror::Error)]
#[error("{path} is damaged: {count} {} wrong", if *count == 1 { "thing is" } else { "things are" })]
struct Damaged {
    path: String,
    count: usize,
}

/// Verifies an image; prints what is wrong with it.
pub(super) fn verify(path: &Path, json: bool, terminal: Terminal) -> Result<(), Failure> {
    let file = File::open(path).map_err(|source| Failure::unreadable(path, source))?;
    let cancel = Cancel::new();
    let interrupt = Interrupt::catch_with(cancel.flag())?;
    let count = Mutex::new(Count::new("verifying", terminal));
    let more = |bytes: Bytes| count.lock().unwrap_or_else(PoisonError::into_inner).add(bytes);
    let verdict = verify::verify(&file, &more, &cancel);
    count.lock().unwrap_or_else(PoisonError::into_inner).end();
    let verdict = verdict.map_err(|stop| interrupt.or(stopped(path, stop)))?;
    if json {
        terminal.print_json(&verdict)?;
    } else {
        terminal.print(&text(&verdict))?;
    }
    match verdict.faults.len() {
        0 => Ok(()),
        count => {
            let path = path.display().to_string();
            let hint = "write or download it again; what is wrong is listed above";
            Err(Failure::new(Kind::Failed, Damaged { path, count }).hint(hint))
        }
    }
}

fn stopped(path: &Path, stop: Stop) -> Failure {
    #[derive(Debug, thiserror::Error)]
    #[error("{path} cannot be verified")]
    struct Unverifiable {
        path: String,
        source: Stop,
    }
    let is_no_iso = matches!(stop, Stop::NoStore { .. });
    let path = path.display().to_string();
    let failure = Failure::new(Kind::Failed, Unverifiable { path, source: stop });
    if is_no_iso {
        failure.hint("only ISOs that hold a Nix store can be verified")
    } else {
        failure
    }
}

fn text(verdict: &Verdict) -> String {
    let Verdict { good, unregistered, files, bytes, faults } = verdict;
    let mut text: String =
        faults.iter().map(|fault| format!("{}\n  {}\n", fault.path, fault.found)).collect();
    let size = Bytes::new(*bytes);
    text.push_str(&format!("{good} store paths are what is registered; {files} files, {size}"));
    if *unregistered > 0 {
        text.push_str(&format!("; {unregistered} paths are not registered and were only read"));
    }
    text.push('\n');
    text
}
