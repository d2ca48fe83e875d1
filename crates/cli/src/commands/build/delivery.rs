//! What becomes of an image: where it goes, and what is printed in the end.

use std::path::PathBuf;

use calve_image_core::inputs::overlay::{Overlay, Rule};
use calve_image_core::output::Existing;
use calve_image_core::plan::Plan;
use serde::Serialize;

use crate::failure::Failure;
use crate::terminal::Terminal;

/// The arguments that add files to an image.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct OverlayArgs {
    /// Add the files of a directory, below TARGET if given; may be given again
    #[arg(long, value_name = "DIR[:TARGET]")]
    pub(super) overlay: Vec<Overlay>,

    /// Give what overlays add another owner (with all below it) or an octal mode; else it is root's
    #[arg(long, value_name = "PATH=UID:GID|MODE")]
    pub(super) overlay_rule: Vec<Rule>,
}

/// The arguments that say what becomes of the image.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct DeliveryArgs {
    /// Compute the SHA-256 of the image, too
    #[arg(long)]
    digest: bool,

    /// Decide everything and show it, but write nothing
    #[arg(long)]
    pub(super) dry_run: bool,

    /// With --dry-run, list every piece of the image: where it lies and what it is
    #[arg(long, requires = "dry_run", conflicts_with = "json")]
    pub(super) pieces: bool,

    /// Print a report of what was built as JSON
    #[arg(long)]
    json: bool,

    /// Replace FILE if it exists
    #[arg(long)]
    force: bool,
}

/// What the arguments mean.
#[derive(Debug)]
pub(super) struct Delivery {
    /// Where the image goes.
    pub(super) destination: Destination,
    /// What happens to a file that is there already.
    pub(super) existing: Existing,
    /// Whether the image is hashed.
    pub(super) digest: bool,
    /// What is printed.
    pub(super) show: Show,
}

/// Where an image goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    /// Down a pipe.
    Stdout,
    /// Here.
    File(PathBuf),
    /// To a file that is named after the system.
    Named,
    /// Nowhere: a dry run.
    Nowhere,
}

/// What is printed in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    /// The image's name, or what it would be.
    Text,
    /// Every piece of it.
    Pieces,
    /// The report.
    Json,
}

impl DeliveryArgs {
    /// What they mean for an output.
    pub(super) fn resolve(self, output: Option<PathBuf>) -> Delivery {
        let destination = match output {
            _ if self.dry_run => Destination::Nowhere,
            None => Destination::Named,
            Some(path) if path.as_os_str() == "-" => Destination::Stdout,
            Some(path) => Destination::File(path),
        };
        let show = match (self.json, self.pieces) {
            (true, _) => Show::Json,
            (false, true) => Show::Pieces,
            (false, false) => Show::Text,
        };
        let existing = if self.force { Existing::Replace } else { Existing::Keep };
        Delivery { destination, existing, digest: self.digest, show }
    }
}

impl Delivery {
    /// The terminal to talk to: where the image goes to stdout, words must not.
    pub(super) fn keep_words_out(&self, terminal: Terminal) -> Terminal {
        if self.destination == Destination::Stdout { terminal.streaming() } else { terminal }
    }

    /// Prints what was asked for; `drawing` is the image that is not written.
    pub(super) fn show(
        &self,
        destination: &Destination,
        image: &Plan,
        report: &impl Serialize,
        drawing: impl FnOnce() -> String,
        terminal: Terminal,
    ) -> Result<(), Failure> {
        match self.show {
            Show::Pieces => terminal.print(&image.listing()),
            Show::Json | Show::Text => self.show_packed(destination, report, drawing, terminal),
        }
    }

    /// The same for an image whose pieces nobody knows before it is packed.
    pub(super) fn show_packed(
        &self,
        destination: &Destination,
        report: &impl Serialize,
        drawing: impl FnOnce() -> String,
        terminal: Terminal,
    ) -> Result<(), Failure> {
        match (self.show, destination) {
            (Show::Json, _) => terminal.print_json(report),
            (Show::Text, Destination::File(path)) => {
                terminal.print(&format!("{}\n", path.display()))
            }
            (Show::Pieces | Show::Text, Destination::Nowhere | Destination::Named) => {
                terminal.print(&drawing())
            }
            (Show::Pieces, Destination::File(_))
            | (Show::Pieces | Show::Text, Destination::Stdout) => Ok(()),
        }
    }
}

/// How the line on a written image ends: the time, where it took any, and the digest, if there is one.
pub(super) fn ending(seconds: u64, digest: Option<&str>) -> String {
    let time = if seconds > 0 { format!(", in {seconds} s") } else { String::new() };
    let digest = digest.map(|digest| format!("\nsha256    {digest}")).unwrap_or_default();
    format!("{time}{digest}")
}

impl Destination {
    /// Names the file where nobody has named it.
    pub(super) fn or_named(self, name: String) -> Self {
        match self {
            Self::Named => Self::File(name.into()),
            Self::Stdout | Self::File(_) | Self::Nowhere => self,
        }
    }
}
