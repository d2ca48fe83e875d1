//! The sample systems: closures in the exact shape of NixOS, built by a real Nix.
//!
//! A variant is one file, `qemu-tests/fixture/variants/NAME.nix`: which Debian packages it is
//! made of and how they become a system. Building one leaves, below `target/fixture/NAME`:
//! `system` (a link to the toplevel, and Nix's root against collection), `registration` and
//! `store-paths` (what nixpkgs' `closureInfo` gives), and a stamp of what it was built from.
//! Each can be built a second time, below `NAME-changed`: the same system after one option was
//! changed, so that a rebuild can be tried and measured.

mod debs;
mod lock;
mod store;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::program::{self, say};
use crate::{repo, setup};

/// Arguments of `cargo xtask fixture`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Variants to build; all of them when none is named.
    variants: Vec<String>,
    /// Build them with one option changed, below NAME-changed.
    #[arg(long)]
    changed: bool,
}

/// Why a sample system could not be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no sample system is called {name:?}; there are: {known}")]
    Unknown { name: String, known: String },
    #[error("cannot {what} {path}: {source}")]
    File { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Setup(#[from] setup::Error),
    #[error(transparent)]
    Debs(#[from] debs::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Program(#[from] program::Error),
}

/// `cargo xtask fixture`.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let known = known()?;
    let wanted = if args.variants.is_empty() { &known } else { &args.variants };
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    if args.changed { build_changed(&wanted) } else { build(&wanted) }
}

/// Builds the named variants, unless they are there already.
pub(crate) fn build(variants: &[&str]) -> Result<(), Error> {
    build_all(variants, Options::AsTheyAre)
}

/// Builds what the named variants become when one option is changed, below `NAME-changed`.
pub(crate) fn build_changed(variants: &[&str]) -> Result<(), Error> {
    build_all(variants, Options::OneChanged)
}

/// Which of a variant's two systems.
#[derive(Debug, Clone, Copy)]
enum Options {
    AsTheyAre,
    OneChanged,
}

fn build_all(variants: &[&str], options: Options) -> Result<(), Error> {
    let known = known()?;
    if let Some(name) = variants.iter().find(|name| !known.iter().any(|known| known == *name)) {
        return Err(Error::Unknown { name: (*name).to_owned(), known: known.join(", ") });
    }
    for variant in variants {
        build_one(variant, options)?;
    }
    Ok(())
}

/// Where everything of one variant lies.
#[derive(Debug)]
struct Place {
    dir: PathBuf,
}

impl Place {
    fn system(&self) -> PathBuf {
        self.dir.join("system")
    }

    fn registration(&self) -> PathBuf {
        self.dir.join("registration")
    }

    fn store_paths(&self) -> PathBuf {
        self.dir.join("store-paths")
    }

    fn stamp(&self) -> PathBuf {
        self.dir.join("stamp")
    }

    fn is_fresh(&self, stamp: &str) -> bool {
        std::fs::read_to_string(self.stamp()).is_ok_and(|found| found == stamp)
            && self.system().join("init").exists()
            && self.registration().exists()
            && self.store_paths().exists()
    }
}

fn build_one(variant: &str, options: Options) -> Result<(), Error> {
    let base = repo::target().join("fixture");
    let (name, changed) = match options {
        Options::AsTheyAre => (variant.to_owned(), false),
        Options::OneChanged => (format!("{variant}-changed"), true),
    };
    let place = Place { dir: base.join(&name) };
    make_dir(&place.dir)?;
    let key = base.join("ssh/id_ed25519.pub");
    let stamp = stamp(variant, &key)?;
    if place.is_fresh(&stamp) {
        return Ok(());
    }
    setup::run()?;
    make_key(&base.join("ssh"))?;
    say(&format!("fixture: building {name}"));
    let began = std::time::Instant::now();
    let store = store::Store::open(&base)?;
    let recipe = sources().join("variants").join(format!("{variant}.nix"));
    let wanted = store.packages(&recipe)?;
    let lock = debs::fetch(&wanted, &base)?;
    let lock_file = place.dir.join("lock.json");
    write(&lock_file, &lock.to_json())?;
    store.build(&store::Job {
        expression: &sources().join("default.nix"),
        recipe: &recipe,
        lock: &lock_file,
        debs: &debs::cache(&base),
        authorized_key: read(&key)?.trim(),
        changed,
        link: &place.system(),
    })?;
    let closure = store.closure(&place.system())?;
    write(&place.store_paths(), &(closure.join("\n") + "\n"))?;
    write(&place.registration(), &store.registration(&closure)?)?;
    // The key may have been made just now, so the stamp is taken again.
    write(&place.stamp(), &self::stamp(variant, &key)?)?;
    let seconds = began.elapsed().as_secs();
    say(&format!("fixture: {name}: {} store paths, {seconds} s", closure.len()));
    Ok(())
}

/// The folder of the sample systems' sources.
fn sources() -> PathBuf {
    repo::root().join("qemu-tests/fixture")
}

/// The variants there are: the files of `variants/`.
fn known() -> Result<Vec<String>, Error> {
    let names = files_below(&sources().join("variants"))?;
    let stems = names.iter().filter_map(|file| file.file_stem()?.to_str());
    Ok(stems.map(str::to_owned).collect())
}

/// A digest of all that a variant is made from.
fn stamp(variant: &str, key: &Path) -> Result<String, Error> {
    let mut digest = Sha256::new();
    let mut add = |name: &str, bytes: &[u8]| {
        digest.update(format!("{name}\n{}\n", bytes.len()));
        digest.update(bytes);
    };
    add("variant", variant.as_bytes());
    add("key", &std::fs::read(key).unwrap_or_default());
    let base = sources();
    for file in files_below(&base)? {
        let other_variant = file.parent().is_some_and(|dir| dir.ends_with("variants"))
            && file.file_stem().is_none_or(|stem| stem != variant);
        if other_variant || file.extension().is_some_and(|extension| extension == "md") {
            continue;
        }
        let bytes = std::fs::read(&file).map_err(|source| Error::File {
            what: "read",
            path: file.clone(),
            source,
        })?;
        add(&file.strip_prefix(&base).unwrap_or(&file).to_string_lossy(), &bytes);
    }
    Ok(lock::hex(&digest.finalize()))
}

/// All files below a folder, sorted by path.
fn files_below(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::File { what: "list", path: dir.to_path_buf(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            found.extend(files_below(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The key with which tests log in. Its private half never enters the store.
fn make_key(dir: &Path) -> Result<(), Error> {
    let key = dir.join("id_ed25519");
    if key.exists() {
        return Ok(());
    }
    make_dir(dir)?;
    let mut keygen = program::command("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "calve sample systems", "-f"]).arg(&key);
    program::read(&mut keygen)?;
    Ok(())
}

fn make_dir(path: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(path).map_err(|source| Error::File {
        what: "make",
        path: path.into(),
        source,
    })
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::File {
        what: "read",
        path: path.into(),
        source,
    })
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|source| Error::File {
        what: "write",
        path: path.into(),
        source,
    })
}
