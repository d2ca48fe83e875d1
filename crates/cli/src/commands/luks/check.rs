//! `calve luks check`: whether a key opens the encrypted volumes of an image, and what is inside.

use std::fs::File;
use std::path::{Path, PathBuf};

use calve_image_core::disk::luks2::Passphrase;
use calve_image_core::inspect::luks2::{self, Header, KeyslotInfo};
use calve_image_core::inspect::superblock::{self, Superblock};
use calve_image_core::inspect::{self, Disk};
use calve_image_core::units::Bytes;
use calve_installer::keys::Source;
use serde::Serialize;

use crate::failure::{Failure, Kind};
use crate::interrupt::Interrupt;
use crate::key_arg::{self, KeyArg};
use crate::passphrase;
use crate::terminal::Terminal;

/// Tell whether a key opens the encrypted volumes of an image
///
/// Opens a keyslot of each LUKS2 volume, decrypts the first bytes behind it, and holds what is there
/// against its own check sum: without root, and without writing anything. The image is a disk, raw or
/// qcow2, or a bare volume. Each volume has to be opened by one of the keys.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  calve luks check web.raw --key prompt
  calve luks check web.qcow2 --key file:./web.key
  calve luks check web.raw --key command:'pass show web' --json")]
pub(crate) struct Args {
    /// A disk image with encrypted partitions, or an encrypted volume
    #[arg(value_name = "IMAGE")]
    image: PathBuf,

    /// Where a key comes from: file:PATH (byte for byte), env:VAR, fd:N, prompt or command:CMD; may be
    /// given several times
    #[arg(long = "key", value_name = "SOURCE", required = true)]
    keys: Vec<KeyArg<Source>>,

    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints; sizes are in bytes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    image: String,
    volumes: &'a [Volume],
}

/// A volume that was looked at.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Volume {
    /// None: the image is the volume.
    partition: Option<Partition>,
    id: String,
    label: Option<String>,
    keyslots: Vec<KeyslotInfo>,
    sector_size: Option<u64>,
    /// What is wrong with one copy of the header.
    flaw: Option<String>,
    /// The keyslot that opened, and what is inside.
    opened: Option<Inside>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Partition {
    number: u32,
    name: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Inside {
    keyslot: u32,
    size: u64,
    content: Superblock,
}

/// What is wrong with an image, or with the keys for it.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{image} cannot be read")]
    Unreadable { image: String, source: inspect::Error },
    #[error("{image} has no LUKS2 volume: expected one in a partition, or nothing else")]
    Nothing { image: String },
    #[error("{volume} cannot be opened")]
    Volume { volume: String, source: luks2::Error },
    #[error("no key opens {volume}")]
    WrongKey { volume: String, source: luks2::Error },
    #[error("the {format} in {volume} is damaged: expected {expected}, found {found}")]
    Damaged { volume: String, format: &'static str, expected: String, found: String },
}

/// Checks.
pub(crate) fn run(args: &Args, terminal: Terminal) -> Result<(), Failure> {
    let sources = key_arg::read("--key", &args.keys)?;
    let image = args.image.display().to_string();
    let file = File::open(&args.image).map_err(|error| Failure::unreadable(&args.image, error))?;
    let unreadable = |source| {
        let image = image.clone();
        Failure::new(Kind::Failed, Error::Unreadable { image, source })
    };
    let disk = Disk::open(&file).map_err(unreadable)?;
    // Found before anybody is asked for a passphrase.
    let found = find(&args.image, &disk)?;
    let keys = read_keys(&sources)?;
    let mut volumes = Vec::new();
    let mut failure = None;
    for (partition, header) in found {
        let (volume, wrong) = look(&disk, partition, &header, &keys);
        failure = failure.or(wrong);
        volumes.push(volume);
    }
    if args.json {
        terminal.print_json(&Document { image, volumes: &volumes })?;
    } else {
        terminal.print(&text(&image, &volumes))?;
    }
    failure.map_or(Ok(()), Err)
}

/// Finds the volumes: the image itself, or its partitions.
fn find(path: &Path, disk: &Disk<'_>) -> Result<Vec<(Option<Partition>, Header)>, Failure> {
    let image = || path.display().to_string();
    let failed = |error| Failure::new(Kind::Failed, error);
    let broken = |volume: &str, source| {
        let volume = format!("{volume} of {}", image());
        failed(Error::Volume { volume, source })
    };
    let whole = Header::read(disk, Bytes::ZERO, disk.size());
    if let Some(header) = whole.map_err(|error| broken("the volume", error))? {
        return Ok(vec![(None, header)]);
    }
    let entries = match inspect::table(disk) {
        Ok(table) => table.entries,
        Err(inspect::Error::NoTable) => Vec::new(),
        Err(source) => return Err(failed(Error::Unreadable { image: image(), source })),
    };
    let mut found = Vec::new();
    for entry in entries {
        let partition = Partition { number: entry.number, name: entry.name };
        let header = Header::read(disk, entry.start, entry.size);
        if let Some(header) = header.map_err(|error| broken(&partition.text(), error))? {
            found.push((Some(partition), header));
        }
    }
    if found.is_empty() {
        return Err(failed(Error::Nothing { image: image() }));
    }
    Ok(found)
}

fn read_keys(sources: &[Source]) -> Result<Vec<Passphrase>, Failure> {
    let interrupt = Interrupt::catch()?;
    let mut keys = Vec::new();
    for source in sources {
        let key = source.read(&mut || passphrase::ask("passphrase: ", &interrupt));
        let key = key.map_err(|error| interrupt.or(error))?;
        keys.push(Passphrase::new(key).map_err(|error| Failure::new(Kind::Usage, error))?);
    }
    Ok(keys)
}

/// Tries the keys on a volume; also tells what keeps the check from being passed.
fn look(
    disk: &Disk<'_>,
    partition: Option<Partition>,
    header: &Header,
    keys: &[Passphrase],
) -> (Volume, Option<Failure>) {
    let mut volume = Volume {
        id: header.uuid().to_owned(),
        label: header.label().map(str::to_owned),
        keyslots: header.keyslots(),
        sector_size: header.payload().ok().map(|payload| payload.sector.bytes().get()),
        flaw: header.flaw(),
        opened: None,
        partition,
    };
    let name = volume.name();
    let mut failure = None;
    for key in keys {
        match inside(disk, header, key) {
            Ok(inside) => {
                let damage = inside.damage(&name);
                volume.opened = Some(inside);
                return (volume, damage);
            }
            Err(source) => failure = Some(refused(&name, source)),
        }
    }
    (volume, failure)
}

fn inside(disk: &Disk<'_>, header: &Header, key: &Passphrase) -> Result<Inside, luks2::Error> {
    let opened = header.open(disk, key)?;
    let content = superblock::check(&opened, Bytes::ZERO)?;
    Ok(Inside { keyslot: opened.keyslot(), size: opened.size().get(), content })
}

fn refused(volume: &str, source: luks2::Error) -> Failure {
    let volume = volume.to_owned();
    if matches!(source, luks2::Error::WrongPassphrase { .. }) {
        let error = Error::WrongKey { volume, source };
        return Failure::new(Kind::WrongPassphrase, error).hint(
            "a file is taken byte for byte: a line end at its end belongs to the key, and is not typed",
        );
    }
    Failure::new(Kind::Failed, Error::Volume { volume, source })
}

impl Partition {
    fn text(&self) -> String {
        let Self { number, name } = self;
        format!("partition {number}, {name}")
    }
}

impl Volume {
    fn name(&self) -> String {
        self.partition.as_ref().map_or_else(|| "the volume".to_owned(), Partition::text)
    }

    fn text(&self) -> String {
        let mut text = format!("{}: LUKS2, id {}", self.name(), self.id);
        if let Some(label) = &self.label {
            text.push_str(&format!(", label {label}"));
        }
        if let Some(size) = self.sector_size {
            text.push_str(&format!(", {size}-byte sectors"));
        }
        text.push('\n');
        if let Some(flaw) = &self.flaw {
            text.push_str(&format!("  damaged: {flaw}\n"));
        }
        let opened = self.opened.as_ref();
        for KeyslotInfo { number, kdf, recovery } in &self.keyslots {
            let opens = opened.is_some_and(|inside| inside.keyslot == *number);
            let opens = if opens { ": opens" } else { "" };
            let recovery = if *recovery { ", recovery key" } else { "" };
            text.push_str(&format!("  keyslot {number}, {kdf}{recovery}{opens}\n"));
        }
        if let Some(inside) = opened {
            text.push_str(&format!("  inside: {}\n", inside.text()));
        }
        text
    }
}

impl Inside {
    fn text(&self) -> String {
        let size = Bytes::new(self.size);
        let named = |volume: &inspect::Volume| {
            let label = volume.label.as_ref().map_or_else(String::new, |label| format!(" {label}"));
            format!("{}{label}, id {}, in {size}", volume.format, volume.id)
        };
        match &self.content {
            Superblock::Whole(volume) => named(volume),
            Superblock::Damaged { volume, .. } => format!("{}, damaged", named(volume)),
            Superblock::Unknown => format!("nothing that is known, in {size}"),
        }
    }

    fn damage(&self, volume: &str) -> Option<Failure> {
        match &self.content {
            Superblock::Damaged { volume: inner, expected, found } => {
                let error = Error::Damaged {
                    volume: volume.to_owned(),
                    format: inner.format,
                    expected: expected.clone(),
                    found: found.clone(),
                };
                Some(Failure::new(Kind::Failed, error))
            }
            Superblock::Whole(_) | Superblock::Unknown => None,
        }
    }
}

fn text(image: &str, volumes: &[Volume]) -> String {
    let volumes: String = volumes.iter().map(Volume::text).collect();
    format!("image {image}\n{volumes}")
}
