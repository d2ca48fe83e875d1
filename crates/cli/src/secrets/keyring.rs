//! The keys of an image's encrypted volumes, from their sources to what the image is written with.
//!
//! Keys are read once each, also one that is for several volumes, before anything is derived. What is
//! read is wiped when this goes; a recovery key is shown once, when the image has its name.

use std::collections::BTreeMap;
use std::sync::Arc;

use calve_image_core::disk::Lock;
use calve_image_core::disk::luks2::{Passphrase, RecoveryKey};
use calve_image_core::region::Keys;
use calve_installer::keys::{self, Source};
use zeroize::Zeroizing;

use super::luks_args::Wanted;
use super::qr;
use crate::failure::{Failure, Kind};
use crate::interrupt::Interrupt;
use crate::passphrase;
use crate::terminal::Terminal;

/// The keys of one volume.
struct Ring {
    name: String,
    keys: Vec<Arc<Zeroizing<Vec<u8>>>>,
    recovery: Option<RecoveryKey>,
}

/// The keys of all volumes of a disk.
#[derive(Default)]
pub(crate) struct Keyring {
    rings: Vec<Ring>,
}

impl Keyring {
    /// Reads all keys, and makes the recovery keys.
    ///
    /// # Errors
    /// A source that gives none, and a signal.
    pub(crate) fn read(
        wanted: &[Wanted],
        interrupt: &Interrupt,
        terminal: Terminal,
    ) -> Result<Self, Failure> {
        let mut known: BTreeMap<usize, Arc<Zeroizing<Vec<u8>>>> = BTreeMap::new();
        let mut rings = Vec::new();
        for Wanted { name, sources, recovery, is_set } in wanted {
            let mut keys = Vec::new();
            for (number, source) in sources {
                let bytes = match known.get(number) {
                    Some(bytes) => Arc::clone(bytes),
                    None => {
                        let volumes = volumes(wanted, *number);
                        Arc::new(read(source, (&volumes, *is_set), interrupt)?)
                    }
                };
                if !is_set {
                    warn_untypable(name, source, &bytes, terminal);
                }
                known.insert(*number, Arc::clone(&bytes));
                keys.push(bytes);
            }
            let recovery = recovery.then(RecoveryKey::generate).transpose()?;
            rings.push(Ring { name: name.clone(), keys, recovery });
        }
        Ok(Self { rings })
    }

    /// Makes volume keys and keyslots, and adds them to what an image is written with.
    ///
    /// # Errors
    /// A machine without randomness or without the memory that a derivation takes, and a signal.
    pub(crate) fn forge(
        &self,
        locks: &[Lock],
        keys: &mut Keys,
        interrupt: &Interrupt,
        terminal: Terminal,
    ) -> Result<(), Failure> {
        for (lock, ring) in locks.iter().zip(&self.rings) {
            terminal.say(derivation(lock));
            lock.luks.forge(&lock.key, &ring.passphrases()?, keys)?;
            if interrupt.came() {
                return Err(Failure::new(Kind::Interrupted, "interrupted"));
            }
        }
        Ok(())
    }

    /// Returns the passphrase of a keyslot of a volume: those that were given, then the recovery key.
    pub(crate) fn key(&self, volume: &str, keyslot: usize) -> Option<Zeroizing<Vec<u8>>> {
        let ring = self.rings.iter().find(|ring| ring.name == volume)?;
        if let Some(key) = ring.keys.get(keyslot) {
            return Some(Zeroizing::clone(key));
        }
        let recovery = ring.recovery.as_ref().filter(|_| keyslot == ring.keys.len())?;
        Some(Zeroizing::new(recovery.text().as_bytes().to_vec()))
    }

    /// Shows the recovery keys, whatever else is kept quiet: nobody will be able to ask again.
    ///
    /// # Errors
    /// That nobody can read it.
    pub(crate) fn show_recovery(&self, terminal: Terminal) -> Result<(), Failure> {
        self.rings.iter().try_for_each(|ring| ring.show_recovery(terminal))
    }

    /// Shows the recovery key of a volume, if it is what is in a keyslot.
    ///
    /// # Errors
    /// That nobody can read it.
    pub(crate) fn show_recovery_of(
        &self,
        volume: &str,
        keyslot: usize,
        terminal: Terminal,
    ) -> Result<(), Failure> {
        let is_it = |ring: &&Ring| ring.name == volume && ring.keys.len() == keyslot;
        self.rings.iter().find(is_it).map_or(Ok(()), |ring| ring.show_recovery(terminal))
    }
}

impl Ring {
    fn passphrases(&self) -> Result<Vec<Passphrase>, Failure> {
        let keys = self.keys.iter().map(|key| Passphrase::new(Zeroizing::clone(key)));
        let recovery = self.recovery.iter().map(|recovery| Ok(recovery.as_passphrase()));
        Ok(keys.chain(recovery).collect::<Result<_, _>>()?)
    }

    fn show_recovery(&self, terminal: Terminal) -> Result<(), Failure> {
        let Self { name, recovery: Some(recovery), .. } = self else { return Ok(()) };
        let text = recovery.text();
        let words = "keep it where the machine is not; it is not shown again";
        terminal.insist(&format!("recovery  {name}: {words}\n\n"))?;
        let line = Zeroizing::new(format!("    {}\n\n", *text));
        terminal.insist(&line)?;
        if crate::terminal::stderr_is_lively()
            && let Some(drawing) = qr::drawing(&text)
        {
            terminal.insist(&drawing)?;
        }
        Ok(())
    }
}

/// The volumes that a key is for, to be asked about.
fn volumes(wanted: &[Wanted], number: usize) -> String {
    let is_for = |wanted: &&Wanted| wanted.sources.iter().any(|(other, _)| *other == number);
    let names = wanted.iter().filter(is_for).map(|wanted| wanted.name.as_str());
    names.collect::<Vec<_>>().join(" and ")
}

fn read(
    source: &Source,
    (volumes, is_set): (&str, bool),
    interrupt: &Interrupt,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let read = source.read(&mut || {
        if is_set {
            passphrase::ask(&format!("key of {volumes}: "), interrupt)
        } else {
            passphrase::ask_twice(volumes, interrupt)
        }
    });
    read.map_err(|error| interrupt.or(error))
}

/// One line on what is derived, and what that takes.
fn derivation(lock: &Lock) -> String {
    let Lock { key, luks } = lock;
    let slots = if luks.keyslots == 1 { "1 key" } else { &format!("{} keys", luks.keyslots) };
    format!("deriving  {slots} of {}: {}", key.0, luks.kdf)
}

/// A key file with a line end in it opens the volume as a file, and is nothing that could be typed.
fn warn_untypable(name: &str, source: &Source, bytes: &[u8], terminal: Terminal) {
    let why = match keys::typed(bytes) {
        Ok(typed) if typed.len() == bytes.len() => return,
        Ok(_) => "its line end is part of it".to_owned(),
        Err(untypable) => untypable.to_string(),
    };
    terminal.say(format!(
        "warning: the key of {name} from {source} opens it as a key file only, for nobody can type it: {why}"
    ));
}
