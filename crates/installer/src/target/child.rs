//! A program of this machine that runs: fed, listened to, and ended when somebody says stop.
//!
//! Input goes straight into the pipe, and is never held here, as it may be a passphrase or a stream without an end.
//! Children have a process group of their own: a Ctrl-C at the terminal reaches whoever holds the flag, who
//! decides, and not by accident what happens to run. Readers are threads that nobody waits for longer than for
//! the program: what it left behind may hold its pipes for ever.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};

use super::{Answer, Error, Feed};

/// The most that a command may say; a survey of hundreds of disks is some hundred KiB.
const MOST: usize = 32 << 20;

/// How often somebody who waits looks at the flag.
const TICK: Duration = Duration::from_millis(50);

/// How long a program may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(3);

/// Runs a program to its end; `feed` writes what it reads.
pub(super) fn run(
    command: &mut Command,
    stop: &Arc<AtomicBool>,
    feed: &mut Feed<'_>,
) -> Result<Answer, Error> {
    let mut running = Running::start(command)?;
    let out = running.child.stdout.take().map(collect);
    let err = running.child.stderr.take().map(collect);
    if let Some(stdin) = running.child.stdin.take() {
        let mut sink = Sink::new(stdin, stop).map_err(|source| running.talk(source))?;
        // A program that ends without reading has its reasons, and says them; a feeder knows its own.
        let _ = feed(&mut sink);
    }
    let out = running.said(out, stop)?;
    let err = running.said(err, stop)?;
    let status = running.wait(stop)?;
    let err = String::from_utf8_lossy(&err).into_owned();
    Ok(Answer { code: status.code(), out, err })
}

/// Runs a program to its end that reads `input`, and hands on the lines of its standard error as they come.
pub(super) fn listen(
    command: &mut Command,
    input: &[u8],
    stop: &Arc<AtomicBool>,
    hear: &mut dyn FnMut(&str),
) -> Result<Answer, Error> {
    let mut running = Running::start(command)?;
    let out = running.child.stdout.take().map(collect);
    let lines = running.child.stderr.take().map(lines);
    if let Some(stdin) = running.child.stdin.take() {
        let mut sink = Sink::new(stdin, stop).map_err(|source| running.talk(source))?;
        // A program that ends without reading has its reasons, and says them.
        let _ = sink.write_all(input);
    }
    let mut err = String::new();
    while let Some(line) = lines.as_ref().map_or(Ok(None), |lines| next(lines, stop))? {
        hear(&line);
        if err.len() < MOST {
            err.push_str(&line);
            err.push('\n');
        }
    }
    let out = running.said(out, stop)?;
    let status = running.wait(stop)?;
    Ok(Answer { code: status.code(), out, err })
}

/// What a program says, line by line, read on a thread.
pub(crate) fn lines(source: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(source).split(b'\n').map_while(Result::ok) {
            // Nobody listens any more where the program was stopped.
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
    receiver
}

/// A child; it ends with this value.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) child: Child,
    program: String,
    is_over: bool,
}

impl Running {
    /// Starts a program with pipes for all that it reads and says.
    pub(super) fn start(command: &mut Command) -> Result<Self, Error> {
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        match command.process_group(0).spawn() {
            Ok(child) => Ok(Self { child, program, is_over: false }),
            Err(source) => Err(Error::Start { program, source }),
        }
    }

    pub(super) fn talk(&self, source: io::Error) -> Error {
        Error::Talk { program: self.program.clone(), source }
    }

    /// Waits for what a reader heard.
    pub(super) fn said(
        &self,
        reader: Option<Receiver<io::Result<Option<Vec<u8>>>>>,
        stop: &AtomicBool,
    ) -> Result<Vec<u8>, Error> {
        let Some(reader) = reader else { return Ok(Vec::new()) };
        let heard = next(&reader, stop)?.unwrap_or_else(|| Err(io::ErrorKind::BrokenPipe.into()));
        let endless = || Error::Endless { program: self.program.clone(), most: MOST };
        heard.map_err(|source| self.talk(source))?.ok_or_else(endless)
    }

    /// Waits for its end.
    fn wait(&mut self, stop: &AtomicBool) -> Result<ExitStatus, Error> {
        let mut moment = Duration::from_micros(200);
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            // It has said all that it will, so it is about to end.
            thread::sleep(moment);
            moment = (moment * 2).min(TICK);
        }
    }

    /// Tells whether it has ended, and how.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        let status = self.child.try_wait().map_err(|source| self.talk(source))?;
        self.is_over |= status.is_some();
        Ok(status)
    }

    /// Gives it a while to end by itself; tells whether it did.
    pub(super) fn ends_within(&mut self, grace: Duration) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < grace {
            if !matches!(self.ended(), Ok(None)) {
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its number is its own as long as nobody waited for it.
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        for signal in [Signal::TERM, Signal::KILL] {
            if self.is_over {
                return;
            }
            // What is gone already is what was wanted.
            let _ = group.map(|group| kill_process_group(group, signal));
            self.ends_within(GRACE);
        }
    }
}

/// Reads to the end on a thread; nothing where that is too far.
pub(super) fn collect(source: impl Read + Send + 'static) -> Receiver<io::Result<Option<Vec<u8>>>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let most = u64::try_from(MOST).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        let read = source.take(most + 1).read_to_end(&mut bytes);
        let heard = read.map(|_| (bytes.len() <= MOST).then_some(bytes));
        // Nobody listens any more where the program was stopped.
        let _ = sender.send(heard);
    });
    receiver
}

/// Waits for a thread's word; none where it has no more.
pub(super) fn next<T>(receiver: &Receiver<T>, stop: &AtomicBool) -> Result<Option<T>, Error> {
    loop {
        match receiver.recv_timeout(TICK) {
            Ok(word) => return Ok(Some(word)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) if stop.load(Ordering::Relaxed) => {
                return Err(Error::Interrupted);
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// The input of a program: takes what it reads, and nothing after a stop.
#[derive(Debug)]
pub(super) struct Sink {
    stdin: ChildStdin,
    stop: Arc<AtomicBool>,
}

impl Sink {
    pub(super) fn new(stdin: ChildStdin, stop: &Arc<AtomicBool>) -> io::Result<Self> {
        // Only this end of the pipe: the program's waits as it always does.
        fcntl_setfl(&stdin, fcntl_getfl(&stdin)? | OFlags::NONBLOCK)?;
        Ok(Self { stdin, stop: Arc::clone(stop) })
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let tick = Timespec::try_from(TICK).ok();
        loop {
            if self.stop.load(Ordering::Relaxed) {
                // Not `Interrupted`, after which writers try again.
                return Err(io::Error::other("stopped"));
            }
            match poll(&mut [PollFd::new(&self.stdin, PollFlags::OUT)], tick.as_ref()) {
                Ok(0) | Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(errno) => return Err(errno.into()),
            }
            match self.stdin.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_with(command: &mut Command, input: &[u8]) -> Result<Answer, Error> {
        run(command, &Arc::default(), &mut |sink| sink.write_all(input))
    }

    #[test]
    fn input_and_output_of_any_size_pass_at_once() {
        let input = vec![b'x'; 4 << 20];
        let answer = run_with(&mut Command::new("cat"), &input).unwrap();
        assert!(answer.is_good() && answer.out == input);
        // What does not read is not waited for.
        let answer = run_with(Command::new("sh").args(["-c", "echo no >&2; exit 3"]), &input);
        let answer = answer.unwrap();
        assert_eq!((answer.code, answer.last_words()), (Some(3), "no"));
    }

    #[test]
    fn what_it_says_is_heard_while_it_runs() {
        // It goes on only when it was heard.
        let directory = tempfile::tempdir().unwrap();
        let heard = directory.path().join("heard");
        let wait = format!("while [ ! -e {} ]; do sleep 0.02; done", heard.display());
        let script =
            format!("read word; echo \"$word\" >&2; {wait}; echo out; echo end >&2; exit 2");
        let mut said = Vec::new();
        let answer = listen(
            Command::new("sh").args(["-c", &script]),
            b"one\n",
            &Arc::default(),
            &mut |line| {
                std::fs::write(&heard, "").unwrap();
                said.push(line.to_owned());
            },
        );
        let answer = answer.unwrap();
        assert_eq!(said, ["one", "end"]);
        assert_eq!((answer.code, answer.err.as_str()), (Some(2), "one\nend\n"));
        assert_eq!(answer.out, b"out\n");
    }

    #[test]
    fn what_never_ends_is_stopped() {
        let error = run_with(&mut Command::new("yes"), b"").unwrap_err();
        assert!(matches!(error, Error::Endless { .. }), "{error}");
    }

    /// Whether it waits for input that is not read, for an output, or for the end, with all its children.
    #[test]
    fn a_stop_ends_it_wherever_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let left = directory.path().join("left");
        let nap = format!("(sleep 1; touch {}) & sleep 100", left.display());
        let mut closed = Command::new("sh");
        closed.args(["-c", "exec >&- 2>&-; sleep 100"]);
        let mut reads = Command::new("sh");
        reads.args(["-c", &nap]);
        let mut says = Command::new("sh");
        says.args(["-c", &nap]);
        for (mut command, input) in [(reads, vec![0; 1 << 20]), (says, vec![]), (closed, vec![])] {
            let stop = Arc::new(AtomicBool::new(false));
            let begun = Instant::now();
            thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(Duration::from_millis(200));
                    stop.store(true, Ordering::Relaxed);
                });
                let answer = run(&mut command, &stop, &mut |sink| sink.write_all(&input));
                assert!(matches!(answer, Err(Error::Interrupted)), "{answer:?}");
            });
            assert!(begun.elapsed() < Duration::from_secs(3));
        }
        thread::sleep(Duration::from_secs(1));
        assert!(!left.exists(), "a grandchild went on");
    }
}
