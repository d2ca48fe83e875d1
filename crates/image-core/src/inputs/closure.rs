//! The closure: the store paths that a system needs, with what Nix knows about each.
//!
//! Every reader (registration, `nix path-info` JSON, a store's database) gives a list of
//! [`PathInfo`]; [`Closure::of`] restricts such a list to what the roots reach, in one order. So a
//! registration that covers more than the system is harmless, and one that covers less is an error
//! that names both ends of the missing reference. Nothing here looks at the store itself.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::nar_hash::NarHash;
use super::store_path::StorePath;

/// Why a list of paths gives no closure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A root is not in the list.
    #[error("{root} is not registered: its NAR hash, size and references are unknown")]
    MissingRoot {
        /// The root asked for.
        root: StorePath,
    },
    /// A path refers to one that is not in the list.
    #[error("{referrer} refers to {reference}, which is not registered")]
    MissingReference {
        /// The path that has the reference.
        referrer: StorePath,
        /// The path that is missing.
        reference: StorePath,
    },
    /// One path is listed twice with different hashes, sizes or references.
    #[error("{path} is registered twice with different hashes, sizes or references")]
    Contradiction {
        /// The path listed twice.
        path: StorePath,
    },
}

/// What Nix knows about one store path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PathInfo {
    /// The path itself.
    pub path: StorePath,
    /// The SHA-256 of its NAR.
    pub nar_hash: NarHash,
    /// The size of its NAR in bytes.
    pub nar_size: u64,
    /// The paths it refers to, often itself among them.
    pub references: Vec<StorePath>,
    /// The derivation that made it, if known. It is rarely part of the closure.
    pub deriver: Option<StorePath>,
    /// `<key name>:<base 64>`, as Nix keeps them.
    pub signatures: Vec<String>,
    /// The content address, as Nix keeps it (`fixed:r:sha256:…`).
    pub ca: Option<String>,
    /// Whether it was built on the store's own machine.
    pub ultimate: bool,
}

#[cfg(test)]
impl PathInfo {
    /// What tests about something else than hashes need to know of a path.
    pub(crate) fn sample(path: StorePath, references: Vec<StorePath>) -> Self {
        Self {
            path,
            nar_hash: NarHash::from_bytes([0; 32]),
            nar_size: 1,
            references,
            deriver: None,
            signatures: Vec::new(),
            ca: None,
            ultimate: false,
        }
    }
}

/// Store paths sorted by base name, closed under references, each once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Closure {
    paths: Vec<PathInfo>,
}

impl Closure {
    /// Restricts a list of paths to what the roots reach; references come out sorted, each once.
    pub fn of(
        infos: impl IntoIterator<Item = PathInfo>,
        roots: &[StorePath],
    ) -> Result<Self, Error> {
        let known = index(infos)?;
        let mut reached: BTreeSet<&StorePath> = BTreeSet::new();
        let mut pending: Vec<&PathInfo> = Vec::new();
        for root in roots {
            let info = known.get(root).ok_or_else(|| Error::MissingRoot { root: root.clone() })?;
            if reached.insert(&info.path) {
                pending.push(info);
            }
        }
        while let Some(referrer) = pending.pop() {
            for reference in &referrer.references {
                let info = known.get(reference).ok_or_else(|| Error::MissingReference {
                    referrer: referrer.path.clone(),
                    reference: reference.clone(),
                })?;
                if reached.insert(&info.path) {
                    pending.push(info);
                }
            }
        }
        let reached: BTreeSet<StorePath> = reached.into_iter().cloned().collect();
        let paths = known.into_values().filter(|info| reached.contains(&info.path)).collect();
        Ok(Self { paths })
    }

    /// The part of this closure that one of its paths needs.
    pub fn restricted_to(&self, root: &StorePath) -> Result<Self, Error> {
        Self::of(self.paths.iter().cloned(), std::slice::from_ref(root))
    }

    /// All paths, sorted by base name.
    pub fn paths(&self) -> &[PathInfo] {
        &self.paths
    }

    /// What is known about one path; `None` where the closure does not hold it.
    pub fn get(&self, path: &StorePath) -> Option<&PathInfo> {
        let place = self.paths.binary_search_by(|info| info.path.cmp(path)).ok()?;
        self.paths.get(place)
    }

    /// Whether the closure holds a path.
    pub fn contains(&self, path: &StorePath) -> bool {
        self.get(path).is_some()
    }

    /// The sizes of all NARs together, in bytes.
    pub fn nar_size(&self) -> u64 {
        self.paths.iter().fold(0, |sum, info| sum.saturating_add(info.nar_size))
    }
}

/// Sorts the list by path; equal mentions become one, which keeps the signatures of both.
fn index(
    infos: impl IntoIterator<Item = PathInfo>,
) -> Result<BTreeMap<StorePath, PathInfo>, Error> {
    let mut known = BTreeMap::new();
    for mut info in infos {
        info.references.sort();
        info.references.dedup();
        match known.entry(info.path.clone()) {
            Entry::Vacant(place) => {
                place.insert(info);
            }
            Entry::Occupied(mut place) => merge(place.get_mut(), info)?,
        }
    }
    Ok(known)
}

fn merge(known: &mut PathInfo, again: PathInfo) -> Result<(), Error> {
    let agrees = known.nar_hash == again.nar_hash
        && known.nar_size == again.nar_size
        && known.references == again.references;
    if !agrees {
        return Err(Error::Contradiction { path: again.path });
    }
    known.signatures.extend(again.signatures);
    known.signatures.sort();
    known.signatures.dedup();
    known.ca = known.ca.take().or(again.ca);
    known.deriver = known.deriver.take().or(again.deriver);
    known.ultimate |= again.ultimate;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn path(letter: char) -> StorePath {
        let hash: String = std::iter::repeat_n(letter, 32).collect();
        StorePath::from_base_name(&format!("{hash}-{letter}")).unwrap()
    }

    fn info(letter: char, references: &str) -> PathInfo {
        PathInfo::sample(path(letter), references.chars().map(path).collect())
    }

    #[test]
    fn only_what_the_root_reaches_in_order() {
        let infos = vec![info('d', ""), info('c', "ca"), info('b', "c"), info('a', "b")];
        let closure = Closure::of(infos, &[path('b')]).unwrap();
        let names: Vec<&str> = closure.paths().iter().map(|i| i.path.name()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(closure.nar_size(), 3);
        assert!(closure.contains(&path('a')) && !closure.contains(&path('d')));
        assert_eq!(closure.restricted_to(&path('c')).unwrap(), closure);
    }

    #[test]
    fn missing_paths_are_named() {
        let missing = Closure::of(vec![info('a', "b")], &[path('a')]).unwrap_err();
        let expected = Error::MissingReference { referrer: path('a'), reference: path('b') };
        assert_eq!(missing, expected);
        let missing = Closure::of(vec![info('a', "")], &[path('c')]).unwrap_err();
        assert_eq!(missing, Error::MissingRoot { root: path('c') });
    }

    #[test]
    fn a_path_listed_twice() {
        let mut signed = info('a', "bb");
        signed.signatures.push("key:sig".to_owned());
        let infos = vec![info('a', "b"), signed, info('b', "")];
        let closure = Closure::of(infos, &[path('a')]).unwrap();
        assert_eq!(closure.paths()[0].signatures, ["key:sig"]);
        assert_eq!(closure.paths()[0].references, [path('b')]);

        let infos = vec![info('a', ""), info('a', "b"), info('b', "")];
        let found = Closure::of(infos, &[path('a')]);
        assert_eq!(found, Err(Error::Contradiction { path: path('a') }));
    }
}
