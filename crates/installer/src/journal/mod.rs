//! What of an installation was begun and done: lines that are only ever added, each on the disk before the next act.
//!
//! - [`header`]: what is installed where: what must be the same when it goes on
//! - [`known`]: how a disk is known again, also after the machine was restarted
//! - [`holder`]: who works on it, for whoever comes second
//! - `line`: the lines
//! - `error`: what may be wrong with one
//!
//! One file for each host, on the operator's machine, for nobody else's eyes; there are no secrets in it. The target
//! gets the same lines, so that another operator sees them, and a file that was lost can be taken from there. A last
//! line that is cut off was never written; anything else that cannot be read is an error, and so is
//! a version that is not ours. It is locked for as long as somebody works on it.

mod error;
pub mod header;
pub mod holder;
pub mod known;
mod line;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

pub use error::Error;
pub use header::{Header, digest};
pub use holder::Holder;
pub use known::Known;

use line::Line;

/// How long the lock of somebody who is gone may last.
const PATIENCE: Duration = Duration::from_millis(500);

/// The journal of one installation, locked.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    header: Header,
    lines: Vec<Line>,
    begun: BTreeSet<String>,
    done: BTreeSet<String>,
}

impl Journal {
    /// Begins a new installation; what was noted of an earlier one is gone.
    ///
    /// # Errors
    /// Somebody works on it, or it cannot be written.
    pub fn begin(path: &Path, header: &Header, holder: &Holder) -> Result<Self, Error> {
        Self::write_anew(path, vec![Line::first(header)], holder)
    }

    /// Opens the journal of an installation that is to go on.
    ///
    /// # Errors
    /// There is none, somebody works on it, or it cannot be read.
    pub fn open(path: &Path, holder: &Holder) -> Result<Self, Error> {
        let mut file = match locked(path, false) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(Error::Missing { path: path.to_owned() });
            }
            file => file?,
        };
        let failed = |source| Error::Io { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let (lines, whole) = line::read(&bytes, path)?;
        // What was cut off was never there.
        file.set_len(whole).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        let mut journal = Self::of(path, file, lines)?;
        journal.add(Line::Held(holder.clone()))?;
        Ok(journal)
    }

    /// Makes a journal from the lines that its target has.
    ///
    /// # Errors
    /// They cannot be read, somebody works on one here, or it cannot be written.
    pub fn take(path: &Path, lines: &[u8], holder: &Holder) -> Result<Self, Error> {
        let (lines, _) = line::read(lines, path)?;
        Self::write_anew(path, lines, holder)
    }

    fn write_anew(path: &Path, mut lines: Vec<Line>, holder: &Holder) -> Result<Self, Error> {
        let failed = |source| Error::Io { path: path.to_owned(), source };
        let mut file = locked(path, true)?;
        lines.push(Line::Token(token().map_err(failed)?));
        lines.push(Line::Held(holder.clone()));
        let text: String = lines.iter().map(Line::text).collect();
        file.set_len(0).map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        let directory = path.parent().map(File::open).transpose().map_err(failed)?;
        directory.map_or(Ok(()), |directory| directory.sync_all()).map_err(failed)?;
        Self::of(path, file, lines)
    }

    fn of(path: &Path, file: File, lines: Vec<Line>) -> Result<Self, Error> {
        let Some(Line::Install { header, .. }) = lines.first() else {
            return Err(Error::Missing { path: path.to_owned() });
        };
        let (path, header) = (path.to_owned(), header.clone());
        let (begun, done) = (BTreeSet::new(), BTreeSet::new());
        let mut journal = Self { path, file, header, lines: Vec::new(), begun, done };
        for line in lines {
            journal.note(line);
        }
        Ok(journal)
    }

    /// Goes on: what is to be made must be the same, and the disks too.
    ///
    /// # Errors
    /// What differs, or that nobody can tell whether a disk is the same.
    pub fn resume(&mut self, now: &Header) -> Result<(), Error> {
        let changes = self.header.changes(now)?;
        changes.into_iter().try_for_each(|line| self.add(line))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is installed where; disks and the boot are those of the last time.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Tells whether a step was begun, now or earlier.
    pub fn is_begun(&self, step: &str) -> bool {
        self.begun.contains(step)
    }

    /// Tells whether a step was done, and not begun again since.
    pub fn is_done(&self, step: &str) -> bool {
        self.done.contains(step)
    }

    /// Tells whether the machine was restarted since the beginning.
    ///
    /// What was written and not noted as done may be there in part then, although it looks whole.
    pub fn is_rebooted(&self) -> bool {
        self.lines.iter().any(|line| matches!(line, Line::Boot(_)))
    }

    /// Tells whether a step was begun once, and never before.
    pub(crate) fn is_first_try(&self, step: &str) -> bool {
        let is_it = |line: &&Line| matches!(line, Line::Begun(begun) if begun == step);
        self.lines.iter().filter(is_it).count() == 1
    }

    /// Notes that a step begins.
    pub(crate) fn begin_step(&mut self, step: &str) -> Result<(), Error> {
        self.add(Line::Begun(step.to_owned()))
    }

    /// Notes that a step is done.
    pub(crate) fn end_step(&mut self, step: &str) -> Result<(), Error> {
        self.add(Line::Done(step.to_owned()))
    }

    /// What nobody else's journal has, so that a target knows ours again.
    pub(crate) fn token(&self) -> &str {
        let tokens = self.lines.iter().rev();
        tokens.filter_map(Line::token).next().unwrap_or_default()
    }

    /// Who works on it.
    pub(crate) fn holder(&self) -> Option<&Holder> {
        self.lines.iter().rev().find_map(Line::holder)
    }

    /// The lines that the target gets.
    pub(crate) fn shared(&self) -> String {
        self.lines.iter().filter(|line| line.token().is_none()).map(Line::text).collect()
    }

    /// The line that says that a step begins or is done.
    pub(crate) fn step_line(step: &str, is_done: bool) -> String {
        let step = step.to_owned();
        if is_done { Line::Done(step).text() } else { Line::Begun(step).text() }
    }

    fn add(&mut self, line: Line) -> Result<(), Error> {
        let written = self.file.write_all(line.text().as_bytes());
        let synced = written.and_then(|()| self.file.sync_data());
        synced.map_err(|source| Error::Io { path: self.path.clone(), source })?;
        self.note(line);
        Ok(())
    }

    fn note(&mut self, line: Line) {
        match &line {
            Line::Begun(step) => {
                self.done.remove(step);
                self.begun.insert(step.clone());
            }
            Line::Done(step) => {
                self.done.insert(step.clone());
            }
            Line::Boot(boot) => self.header.boot.clone_from(boot),
            Line::Disk { name, disk } => {
                self.header.disks.insert(name.clone(), disk.clone());
            }
            Line::Install { .. } | Line::Held(_) | Line::Token(_) => {}
        }
        self.lines.push(line);
    }
}

/// Opens and locks a journal; says who has it.
fn locked(path: &Path, may_make: bool) -> Result<File, Error> {
    let failed = |source| Error::Io { path: path.to_owned(), source };
    if let Some(directory) = path.parent().filter(|_| may_make) {
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(may_make).mode(0o600);
    let file = options.open(path).map_err(failed)?;
    let asked = Instant::now();
    while let Err(errno) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
        if errno != Errno::WOULDBLOCK {
            return Err(failed(errno.into()));
        }
        // Whoever was killed as it started a program has left a child that holds it until it is that program.
        if asked.elapsed() < PATIENCE {
            thread::sleep(PATIENCE / 20);
            continue;
        }
        let bytes = fs::read(path).unwrap_or_default();
        let lines = line::read(&bytes, path).map(|(lines, _)| lines).unwrap_or_default();
        let holder = lines.iter().rev().find_map(Line::holder).cloned();
        return Err(Error::Held { path: path.to_owned(), holder: holder.map(Box::new) });
    }
    file.set_permissions(Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(file)
}

/// Sixteen random bytes, in hexadecimal digits.
fn token() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(header::hex(&bytes))
}
