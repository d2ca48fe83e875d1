//! The arguments about encrypted volumes, and which key is for which volume.
//!
//! A plan only has to know how many keys there are; they are read when everything else is decided. So a dry
//! run reads none, and whoever types a passphrase types it for an image that will be made.

use std::collections::BTreeSet;

use calve_image_core::disk::{Keyslots, Lock};
use calve_installer::keys::{Named, Source};

use crate::failure::Failure;
use crate::key_arg::{self, KeyArg};

/// The arguments about encrypted volumes.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(skip)]
pub(crate) struct LuksArgs {
    /// A key of the encrypted volume NAME, or of all that have none of their own: file:PATH (byte for
    /// byte), env:VAR, fd:N, prompt or command:CMD; may be given again
    #[arg(long, value_name = "[NAME=]SOURCE")]
    luks_key: Vec<KeyArg<Named>>,

    /// Make a recovery key of the encrypted volume NAME, or of each; it is shown once, when it opens it
    #[arg(
        long,
        value_name = "NAME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ""
    )]
    luks_recovery_key: Vec<String>,
}

/// The keys that were asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct LuksKeys {
    given: Vec<Named>,
    /// For which volumes recovery keys are made; an empty name stands for each.
    recovery: Vec<String>,
}

/// The keys of one volume: where they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// What the volume is opened as.
    pub(crate) name: String,
    /// Where its passphrases come from, in the order of the keyslots; the same number is the same key.
    pub(crate) sources: Vec<(usize, Source)>,
    /// Whether it gets a recovery key, too.
    pub(crate) recovery: bool,
    /// Whether the volume has these keys already: then nobody types a new one.
    pub(crate) is_set: bool,
}

impl LuksArgs {
    /// What they mean.
    pub(crate) fn resolve(self) -> Result<LuksKeys, Failure> {
        let given = key_arg::read("--luks-key", &self.luks_key)?;
        Ok(LuksKeys { given, recovery: self.luks_recovery_key })
    }
}

impl LuksKeys {
    /// Where any key comes from.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.given.iter().map(|key| &key.source)
    }

    /// How many keys each volume will have, whatever volumes there are.
    pub(crate) fn keyslots(&self) -> Keyslots {
        let named = self.names().map(|name| (name.to_owned(), self.wanted(name).count()));
        // No volume has an empty name, so this is what all others have.
        Keyslots { named: named.collect(), others: self.wanted("").count() }
    }

    /// Which keys each volume of a disk has.
    ///
    /// # Errors
    /// A name that no volume has, and a volume without a key, unless none is needed.
    pub(crate) fn assign(&self, locks: &[Lock], is_dry: bool) -> Result<Vec<Wanted>, Failure> {
        let names: Vec<&str> = locks.iter().map(|lock| &*lock.key.0).collect();
        let known = || match names.as_slice() {
            [] => "the disk has no encrypted volume; choose a profile with one".to_owned(),
            names => format!("encrypted volumes of this disk: {}", names.join(", ")),
        };
        if let Some(name) = self.names().find(|name| !names.contains(name)) {
            let message = format!("a key for {name:?}, which is no encrypted volume of the disk");
            return Err(Failure::usage(message).hint(known()));
        }
        let asks = !self.given.is_empty() || !self.recovery.is_empty();
        if asks && names.is_empty() {
            return Err(Failure::usage("a key, and nothing that it opens").hint(known()));
        }
        let wanted: Vec<Wanted> = names.iter().map(|name| self.wanted(name)).collect();
        match wanted.iter().find(|wanted| wanted.count() == 0) {
            Some(Wanted { name, .. }) if !is_dry => {
                let message = format!("no key for the encrypted volume {name:?}");
                let hint = format!(
                    "--luks-key {name}=prompt asks for a passphrase, --luks-key {name}=file:PATH \
                     takes a key file; --luks-recovery-key makes a key"
                );
                Err(Failure::usage(message).hint(hint))
            }
            Some(_) | None => Ok(wanted),
        }
    }

    /// The volumes that are named.
    fn names(&self) -> impl Iterator<Item = &str> {
        let keys = self.given.iter().filter_map(|key| key.name.as_deref());
        let recovery = self.recovery.iter().map(String::as_str);
        let names: BTreeSet<&str> = keys.chain(recovery.filter(|name| !name.is_empty())).collect();
        names.into_iter()
    }

    /// The keys of a volume: its own, or those that are for all.
    fn wanted(&self, name: &str) -> Wanted {
        let of = |name: Option<&str>| -> Vec<(usize, Source)> {
            let keys = self.given.iter().enumerate();
            let keys = keys.filter(|(_, key)| key.name.as_deref() == name);
            keys.map(|(number, key)| (number, key.source.clone())).collect()
        };
        let own = of(Some(name));
        Wanted {
            name: name.to_owned(),
            sources: if own.is_empty() { of(None) } else { own },
            recovery: self.recovery.iter().any(|wanted| wanted.is_empty() || wanted == name),
            is_set: false,
        }
    }
}

impl Wanted {
    /// How many keys it has.
    fn count(&self) -> usize {
        self.sources.len() + usize::from(self.recovery)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use super::*;

    fn args(keys: &[&str], recovery: &[&str]) -> LuksKeys {
        LuksKeys {
            given: keys.iter().map(|key| key.parse().unwrap()).collect(),
            recovery: recovery.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn named(pairs: &[(&str, usize)]) -> BTreeMap<String, usize> {
        pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn a_volume_has_its_own_keys_or_those_for_all() {
        let args = args(&["prompt", "root=fd:3", "root=env:K", "data=prompt"], &["data"]);
        let expected = Keyslots { named: named(&[("root", 2), ("data", 2)]), others: 1 };
        assert_eq!(args.keyslots(), expected);
        assert_eq!(args.wanted("swap").sources, [(0, Source::Prompt)]);
        assert!(args.wanted("data").recovery && !args.wanted("root").recovery);
    }

    #[test]
    fn a_recovery_key_for_each() {
        let both = args(&["root=prompt"], &[""]);
        assert_eq!(both.keyslots(), Keyslots { named: named(&[("root", 2)]), others: 1 });
        assert_eq!(args(&[], &[]).keyslots(), Keyslots::default());
    }
}
