//! Builds that are stopped in the middle: what every format promises of them is asked in the same way.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Error, Images};

/// An interrupted program's exit code, as the command line documents it.
pub const INTERRUPTED: i32 = 130;

/// A build that will be stopped.
#[derive(Debug, Clone, Copy)]
pub struct Stopping<'a> {
    /// The command of `calve build`.
    pub format: &'a str,
    /// More arguments.
    pub words: &'a [&'a str],
    /// Where it runs.
    pub directory: &'a Path,
    /// It is stopped once a file below this directory has bytes.
    pub watched: &'a Path,
}

impl Stopping<'_> {
    /// Starts the build, sends it a signal, and gives how it ended.
    pub fn stop(&self, images: &Images, signal: &str) -> Result<ExitStatus, Error> {
        let mut command = Command::new(images.calve_bin());
        command.args(images.arguments_for(self.format)).args(self.words);
        command.current_dir(self.directory).stderr(Stdio::null()).stdout(Stdio::null());
        let mut build = command.spawn()?;
        let deadline = Instant::now() + Duration::from_secs(60);
        while !has_content(self.watched) && build.try_wait()?.is_none() && Instant::now() < deadline
        {
            thread::sleep(Duration::from_millis(1));
        }
        let mut kill = Command::new("kill");
        images.run(kill.args([format!("-{signal}"), build.id().to_string()]))?;
        Ok(build.wait()?)
    }
}

/// The names in a directory.
pub fn names(directory: &Path) -> Result<Vec<String>, Error> {
    let names = fs::read_dir(directory)?.map(|entry| {
        let name = entry?.file_name();
        Ok::<_, Error>(name.to_string_lossy().into_owned())
    });
    names.collect()
}

/// Whether a file below a directory has bytes. Files may go between being named and looked at.
fn has_content(directory: &Path) -> bool {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        (is_directory && has_content(&entry.path()))
            || entry.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.blocks() > 0)
    })
}
