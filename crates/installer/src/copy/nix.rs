//! A `nix copy`: of this machine's store or of another one, run here, or on the target where it can read
//! a cache by itself.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};

use calve_image_core::inputs::closure::Closure;
use calve_image_core::inputs::store::HostStore;
use calve_image_core::inputs::store_path::StorePath;
use rustix::process::{Pid, Signal, kill_process_group};

use super::log::Log;
use super::reach::Reach;
use super::server::{self, Server};
use super::{Copied, Error, Hear, Progress, Stage, To};
use crate::target::{self, Call, child};

/// The program.
const PROGRAM: &str = "nix";

/// What every Nix since 2.4 has to be told before it copies, and how it is to speak.
const SPEAKING: [&str; 5] =
    ["--extra-experimental-features", "nix-command", "--log-format", "internal-json", "copy"];

/// URLs of what a target can read by itself.
const CACHES: [&str; 3] = ["http://", "https://", "s3://"];

/// How often the caller is asked whether to go on.
const TICK: Duration = Duration::from_millis(50);

/// How long it may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(3);

/// Has this machine's Nix send what is not there.
pub(super) fn send(
    server: &Server<'_>,
    to: To<'_>,
    closure: &Closure,
    store: &HostStore,
    there: &BTreeSet<StorePath>,
    hear: &mut dyn Hear,
) -> Result<Copied, Error> {
    let mut log = Log::of(closure.paths().iter().filter(|info| !there.contains(&info.path)));
    let count = u64::try_from(there.len()).unwrap_or(u64::MAX);
    let Progress { of_paths, of_bytes, .. } = log.progress();
    if of_paths > 0 {
        let from = match store.prefix() {
            root if root == Path::new("/") => None,
            root => Some(format!("local?root={}", root.display())),
        };
        let place = store.directory().display().to_string();
        run(server, to, &From { url: from.as_deref(), place: &place, flags: &[] }, &mut log, hear)?;
    }
    Ok(Copied { paths: of_paths, bytes: of_bytes, there: count })
}

/// Brings the closure from another store.
pub(super) fn bring(
    server: &Server<'_>,
    to: To<'_>,
    url: &str,
    hear: &mut dyn Hear,
) -> Result<Copied, Error> {
    let mut log = Log::default();
    if CACHES.iter().any(|cache| url.starts_with(cache)) {
        hear.progress(&Progress::at(Stage::Pulling));
        pull(server, url, &mut log, hear)?;
    } else {
        let flags: &[&str] =
            if server.order.substitutes { &["--substitute-on-destination"] } else { &[] };
        run(server, to, &From { url: Some(url), place: url, flags }, &mut log, hear)?;
    }
    let Progress { paths, bytes, .. } = log.progress();
    Ok(Copied { paths, bytes, there: 0 })
}

/// Has the target read a cache by itself; whose signatures count there, as everywhere.
fn pull(server: &Server<'_>, url: &str, log: &mut Log, hear: &mut dyn Hear) -> Result<(), Error> {
    let order = server.order;
    let (uri, toplevel) = (server.uri(), order.toplevel.to_string());
    let keys = order.keys.join(" ");
    let mut words: Vec<&str> =
        order.under.iter().copied().chain([PROGRAM]).chain(SPEAKING).collect();
    // A signature that was added since the last try counts.
    words.extend(["--refresh", "--from", url, "--to", &uri]);
    if !keys.is_empty() {
        words.extend(["--option", "extra-trusted-public-keys", &keys]);
    }
    words.push(&toplevel);
    let call = Call { as_root: true, ..Call::new(&words) };
    let answer = server.target.listen(&call, &mut |line| {
        log.read(line);
        hear.progress(&log.progress());
    })?;
    if answer.is_good() {
        return Ok(());
    }
    if server::is_missing(&answer) {
        return Err(Error::NoNix { place: server.place().to_owned(), program: PROGRAM });
    }
    Err(Error::said(&log.said, server.place(), url))
}

/// Where a Nix of this machine copies from.
struct From<'a> {
    /// The store as Nix calls it; this machine's own, where there is none.
    url: Option<&'a str>,
    /// As people call it.
    place: &'a str,
    flags: &'a [&'a str],
}

/// Runs a `nix copy` here; who writes into the store below ROOT is root there.
fn run(
    server: &Server<'_>,
    to: To<'_>,
    from: &From<'_>,
    log: &mut Log,
    hear: &mut dyn Hear,
) -> Result<(), Error> {
    let mut command = Command::new(PROGRAM);
    server.order.hidden.iter().for_each(|source| source.hide_from(&mut command));
    command.args(SPEAKING).args(from.flags).arg("--no-check-sigs");
    if let Some(url) = from.url {
        command.args(["--from", url]);
    }
    let reach = match to {
        To::Ssh(ssh) => Some(Reach::over(ssh)?),
        To::Here(_) => None,
    };
    match &reach {
        Some(reach) => {
            command.arg("--to").arg(reach.uri(server)).env("NIX_SSHOPTS", reach.options());
        }
        None => {
            command.arg("--to").arg(server.uri());
        }
    }
    command.arg(server.order.toplevel.to_string());
    if listen(&mut command, log, hear)? {
        return Ok(());
    }
    // What a lost connection leaves Nix to say is of no use.
    server.target.call(&Call::new(&["true"]))?;
    Err(Error::said(&log.said, server.place(), from.place))
}

/// Runs it to its end, and tells whether that was good.
fn listen(command: &mut Command, log: &mut Log, hear: &mut dyn Hear) -> Result<bool, Error> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let child = command.spawn().map_err(|source| {
        if source.kind() == ErrorKind::NotFound {
            return Error::NoNix { place: "this machine".to_owned(), program: PROGRAM };
        }
        target::Error::Start { program: PROGRAM.to_owned(), source }.into()
    })?;
    let talk = |source| target::Error::Talk { program: PROGRAM.to_owned(), source };
    let mut running = Running { child, is_over: false };
    let lines = running
        .child
        .stderr
        .take()
        .map(child::lines)
        .ok_or_else(|| talk(ErrorKind::BrokenPipe.into()))?;
    hear.progress(&log.progress());
    loop {
        match lines.recv_timeout(TICK) {
            Ok(line) => {
                log.read(&line);
                hear.progress(&log.progress());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if hear.is_over() {
            return Err(Error::Interrupted);
        }
    }
    let status = running.child.wait().map_err(talk)?;
    running.is_over = true;
    Ok(status.success())
}

/// A `nix` with the ssh that it started; they end with this value.
struct Running {
    child: Child,
    is_over: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        for signal in [Signal::TERM, Signal::KILL] {
            let begun = Instant::now();
            if !self.is_over {
                // What is gone already is what was wanted.
                let _ = group.map(|group| kill_process_group(group, signal));
            }
            while !self.is_over && begun.elapsed() < GRACE {
                self.is_over = !matches!(self.child.try_wait(), Ok(None));
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
}
