//! The system that a command is about: from the arguments to a toplevel and its closure.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;

use calve_image_core::formats::Input;
use calve_image_core::inputs::closure::Closure;
use calve_image_core::inputs::store::{self, HostStore};
use calve_image_core::inputs::store_path::StorePath;
use calve_image_core::inputs::system::System;
use calve_installer::keys;

use crate::closure_source::{self, Wanted};
use crate::elsewhere;
use crate::failure::{Failure, Kind};
use crate::nix::{self, Flake, How};
use crate::terminal::Terminal;

/// What is taken when no system is named: where `nix build` leaves its link.
const DEFAULT: &str = "./result";

/// The arguments that say which system.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub(crate) struct SystemArgs {
    /// The system: a toplevel, a link to one, or a closureInfo of one [default: ./result]
    #[arg(conflicts_with = "flake")]
    system: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) source: SourceArgs,

    /// Build the system of a flake's host with `nix build`, leaving the link ./result-HOST
    #[arg(long, value_name = "REF#HOST", help_heading = "System")]
    flake: Option<Flake>,
}

/// The arguments that say where the system's store and closure are.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(skip)]
pub(crate) struct SourceArgs {
    /// A chroot store: DIR/nix/store stands for /nix/store
    #[arg(long, value_name = "DIR", help_heading = "System")]
    pub(crate) store: Option<PathBuf>,

    /// Read the closure from a registration (nix-store --dump-db, closureInfo)
    #[arg(long, value_name = "FILE", help_heading = "System")]
    pub(crate) registration: Option<PathBuf>,

    /// Sources of keys, whose variables are nobody's business: `nix` is run without them.
    #[arg(skip)]
    pub(crate) hidden: Vec<keys::Source>,
}

impl SystemArgs {
    /// Takes what another argument would have taken for the system, where that is not what it is for.
    pub(crate) fn name(&mut self, name: Option<String>) -> Result<(), Failure> {
        let Some(name) = name else { return Ok(()) };
        if let Some(system) = &self.system {
            let system = system.display();
            return Err(Failure::usage(format!("two systems are named: {name} and {system}")));
        }
        if self.flake.is_some() {
            return Err(Failure::usage(format!("a system is named besides --flake: {name}")));
        }
        self.system = Some(name.into());
        Ok(())
    }

    /// The toplevel that is named, where this machine does not have it.
    fn absent(&self) -> Option<StorePath> {
        if self.flake.is_some() {
            return None;
        }
        let named = self.system.clone().unwrap_or_else(|| DEFAULT.into());
        // What `nix build` on another machine left may have been copied as it is: a link to nowhere.
        let target = std::fs::read_link(&named).unwrap_or(named);
        let toplevel: StorePath = target.to_str()?.parse().ok()?;
        let root = self.source.store.as_deref().unwrap_or(Path::new("/"));
        let file = HostStore::at(root).directory().join(toplevel.base_name());
        file.symlink_metadata().is_err().then_some(toplevel)
    }
}

impl SourceArgs {
    fn how(&self) -> How<'_> {
        How { store: self.store.as_deref(), hidden: &self.hidden }
    }
}

/// A system found, with its closure; whether it is one of NixOS is for the library to say.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// The toplevel.
    pub(crate) toplevel: StorePath,
    /// Where its files are.
    pub(crate) store: HostStore,
    /// What it needs.
    pub(crate) closure: Closure,
}

/// A system found and read.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) found: Found,
    system: System,
}

impl Subject {
    /// Finds the system that the arguments say, and reads it.
    pub(crate) fn find(args: &SystemArgs, terminal: Terminal) -> Result<Self, Failure> {
        Self::read(find(args, terminal)?)
    }

    /// Reads a system.
    pub(crate) fn read(found: Found) -> Result<Self, Failure> {
        let system = System::of(&found.store, &found.toplevel)?;
        Ok(Self { found, system })
    }

    /// The system in the library's words.
    pub(crate) fn input(&self) -> Input<'_> {
        Input { store: &self.found.store, system: &self.system, closure: &self.found.closure }
    }
}

/// Finds the system, building it first where a flake is named.
pub(crate) fn find(args: &SystemArgs, terminal: Terminal) -> Result<Found, Failure> {
    match (&args.flake, &args.system) {
        (Some(flake), _) => {
            let link = build(flake, args.source.how(), terminal)?;
            locate(&link, &args.source, terminal)
        }
        (None, Some(system)) => locate(system, &args.source, terminal),
        (None, None) if Path::new(DEFAULT).symlink_metadata().is_err() => {
            Err(Failure::usage(format!("no system is named, and {DEFAULT} does not exist"))
                .hint("name a system, or build one: --flake REF#HOST"))
        }
        (None, None) => locate(Path::new(DEFAULT), &args.source, terminal),
    }
}

/// Finds the system at a path.
pub(crate) fn locate(
    path: &Path,
    source: &SourceArgs,
    terminal: Terminal,
) -> Result<Found, Failure> {
    let store = match &source.store {
        Some(directory) => HostStore::at(directory),
        None => HostStore::host(),
    };
    let store = store.with_workers(thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
    let beside = registration_in(path, &store);
    let registration = source.registration.as_ref().or(beside.as_ref());
    let toplevel = match (&beside, registration) {
        (Some(_), Some(registration)) => toplevel_of(registration)?,
        (_, _) => store.find(path).map_err(|error| unfound(error, source))?,
    };
    terminal.say(format!("system    {}", toplevel.base_name()));
    let wanted = Wanted {
        toplevel: &toplevel,
        how: source.how(),
        registration: registration.map(PathBuf::as_path),
    };
    let (closure, origin) = closure_source::read(wanted)?;
    terminal.say(describe(&closure, &origin));
    Ok(Found { toplevel, store, closure })
}

/// Finds what rides along with another system: any store path, or a link to one.
pub(crate) fn locate_carried(
    path: &Path,
    source: &SourceArgs,
    terminal: Terminal,
) -> Result<Found, Failure> {
    terminal.say("and with it");
    locate(path, source, terminal)
}

/// Finds the system; where it is not on this machine, in the store that it will be copied from.
pub(crate) fn find_or_fetch(
    args: &SystemArgs,
    url: Option<&str>,
    terminal: Terminal,
) -> Result<Found, Failure> {
    match url.and_then(|url| Some((url, args.absent()?))) {
        Some((url, toplevel)) => elsewhere::find(toplevel, url, &args.source.hidden, terminal),
        None => find(args, terminal),
    }
}

/// A closure in words.
pub(crate) fn describe(closure: &Closure, origin: &dyn Display) -> String {
    let size = calve_image_core::units::Bytes::new(closure.nar_size());
    format!("closure   {}, {size}, from {origin}", counted(closure.paths().len()))
}

/// So many store paths, in words.
pub(crate) fn counted(store_paths: usize) -> String {
    let plural = if store_paths == 1 { "" } else { "s" };
    format!("{store_paths} store path{plural}")
}

fn unfound(error: store::Error, source: &SourceArgs) -> Failure {
    let is_absent = error.is_not_found();
    let failure = Failure::new(Kind::Usage, error);
    if is_absent && source.store.is_none() {
        failure.hint("if the system is in a chroot store, name it with --store DIR")
    } else {
        failure
    }
}

fn build(flake: &Flake, how: How<'_>, terminal: Terminal) -> Result<PathBuf, Failure> {
    let link = PathBuf::from(format!("result-{}", flake.host()));
    terminal.say(format!("building  {} into {}", flake.host(), link.display()));
    let built = nix::build_system(flake, &link, how).map_err(|error| {
        let is_absent = matches!(error, nix::Error::Absent);
        let failure = Failure::new(Kind::Failed, error);
        if is_absent {
            failure.hint("--flake needs Nix; a system that is built elsewhere does not")
        } else {
            failure
        }
    })?;
    Ok(if built.is_empty() { link } else { built.into() })
}

/// The registration that a `closureInfo` holds.
fn registration_in(path: &Path, store: &HostStore) -> Option<PathBuf> {
    let direct = path.join("registration");
    if direct.is_file() {
        return Some(direct);
    }
    // In a chroot store the link to it dangles.
    let inside = store.find(path).ok()?.join("registration").ok()?;
    let file = store.locate(&inside);
    file.is_file().then_some(file)
}

/// The system that a `closureInfo` is about: the only path that no other one needs.
fn toplevel_of(registration: &Path) -> Result<StorePath, Failure> {
    let infos = closure_source::read_registration(registration)?;
    let others = infos
        .iter()
        .flat_map(|info| info.references.iter().filter(|reference| **reference != info.path));
    let needed: BTreeSet<&StorePath> = others.collect();
    let roots: Vec<&StorePath> =
        infos.iter().map(|info| &info.path).filter(|path| !needed.contains(path)).collect();
    match roots.as_slice() {
        [root] => Ok((*root).clone()),
        roots => Err(Failure::usage(format!(
            "{} is about {} systems, expected one",
            registration.display(),
            roots.len()
        ))
        .hint("name the system, and this file with --registration")),
    }
}
