//! `calve first-boot host-key`: the private host key that belongs to the public one in the image.

use std::path::PathBuf;
use std::time::Duration;

use calve_installer::host_key::store::Stored;
use calve_installer::host_key::{self, PublicKey, Store, block};

use super::console::{Console, Paste};
use crate::failure::{Failure, Kind};
use crate::terminal::Terminal;
use crate::tty;

/// Ask for the private SSH host key that belongs to a public one, and store it
///
/// For a system to run when it is activated: a key that is stored already needs nobody, and without a
/// terminal to ask on nothing happens. What is pasted is never shown. It may be surrounded by
/// anything: the first OpenSSH private key that belongs to the public one is taken.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  calve first-boot host-key --terminal /dev/console \\
    --expect /etc/ssh/ssh_host_ed25519_key.pub --store /persist/etc/ssh/ssh_host_ed25519_key")]
pub(crate) struct Args {
    /// The public key
    #[arg(long, value_name = "FILE.pub")]
    expect: PathBuf,

    /// Where the private key goes, and FILE.pub beside it; missing directories are made
    #[arg(long, value_name = "FILE")]
    store: PathBuf,

    /// The terminal to ask on [default: stdin]
    #[arg(long, value_name = "FILE")]
    terminal: Option<PathBuf>,

    /// Give up when nothing was typed for so many seconds; 0 is never
    #[arg(long, default_value_t = 300, value_name = "S")]
    timeout: u64,
}

/// Asks, unless the key is there.
pub(crate) fn run(args: Args, terminal: Terminal) -> Result<(), Failure> {
    let expected = crate::host_key::read_public(&args.expect)?;
    let store = Store::new(&args.store)?;
    let stored = store.look(&expected)?;
    if stored == Stored::Expected {
        // The key serves as it is, on a read-only disk for one.
        if let Err(error) = store.complete(&expected) {
            terminal.say(format!("warning   {error}"));
        }
        return Ok(());
    }
    let Some(tty) = tty::find(args.terminal.as_deref()) else {
        let path = store.path().display();
        terminal.say(format!("skipped   no terminal to ask for the host key {expected} of {path}"));
        return Ok(());
    };
    // Nobody is sent for a key that cannot be stored.
    store.prepare()?;
    let patience = (args.timeout > 0).then(|| Duration::from_secs(args.timeout));
    let question = Question { expected: &expected, store: &store, patience };
    let console = Console::hush(tty).map_err(|error| Failure::new(Kind::Failed, error))?;
    question.ask(&console, &stored)
}

/// What is asked.
struct Question<'a> {
    expected: &'a PublicKey,
    store: &'a Store,
    patience: Option<Duration>,
}

impl Question<'_> {
    /// Asks until there is an answer.
    fn ask(&self, console: &Console, stored: &Stored) -> Result<(), Failure> {
        console.say(&self.introduction(stored));
        loop {
            console.say(&self.prompt());
            let paste = console.paste(self.patience);
            let error = match paste.map_err(|error| Failure::new(Kind::Failed, error))? {
                Paste::Text(text) => match host_key::find(&text, Some(self.expected)) {
                    Ok(key) => {
                        self.store.write(&key)?;
                        console.clear();
                        let path = self.store.path().display();
                        console.say(&format!("\nStored {path}: {}\n", self.expected));
                        return Ok(());
                    }
                    Err(error) => match crate::host_key::hint(&error) {
                        "" => error.to_string(),
                        hint => format!("{error}\n({hint})"),
                    },
                },
                Paste::TooLong => format!("it is longer than {} KiB", host_key::LARGEST >> 10),
                Paste::GivenUp => return Err(self.given_up("nobody gave the host key")),
                Paste::Late => return Err(self.given_up("nobody gave the host key in time")),
                Paste::Interrupted => {
                    console.say("\n");
                    return Err(Failure::new(Kind::Interrupted, "interrupted"));
                }
            };
            console.clear();
            console.say(&format!("\nThat is not the key: {error}.\n"));
        }
    }

    fn introduction(&self, stored: &Stored) -> String {
        let (path, line) = (self.store.path().display(), self.expected.line());
        let name = line.splitn(3, ' ').nth(2).unwrap_or_default();
        let mut text =
            format!("\nThis machine's SSH host key is missing: {} {name}\n", self.expected);
        if let Stored::Other(error) = stored {
            let old = self.store.old();
            text.push_str(&format!(
                "What {path} holds will be kept as {}: {error}\n",
                old.display()
            ));
        }
        text
    }

    fn prompt(&self) -> String {
        let patience = match self.patience {
            Some(patience) => format!(" or {} s without a word go", patience.as_secs()),
            None => " goes".to_owned(),
        };
        format!(
            "\nPaste the private key; nothing of it will be shown. Reading stops at its line\n{}\n\
             or at an empty one. Ctrl-D{patience} on without it.\n\nprivate key: ",
            block::END
        )
    }

    fn given_up(&self, error: &str) -> Failure {
        let path = self.store.path().display();
        Failure::new(Kind::GivenUp, format!("{error} {}", self.expected))
            .hint(format!("nothing was stored as {path}; the same command asks again"))
    }
}
