//! No two volumes under one name: a system that looks for it would take either.
//!
//! Names are those of the finished disk, adopted ones included. Whether two mounts ask one volume for two
//! names is [`super::adopt`]'s affair.

use std::collections::BTreeMap;

use super::adopt::Adopted;
use super::offer::{Offer, Volume};
use super::{Findings, Told};

/// A kind of name and how a volume comes to it.
type Kind = (&'static str, fn(&Volume, &Adopted) -> Option<String>);

const KINDS: [Kind; 5] = [
    ("label", |volume, adopted| adopted.label.clone().or_else(|| volume.label.clone())),
    ("uuid", |volume, adopted| lower(adopted.uuid.as_ref().or(volume.uuid.as_ref()))),
    ("partition label", |volume, adopted| {
        if volume.inside.is_some() {
            return None;
        }
        let own = volume.part_label.as_ref().unwrap_or(&volume.name);
        Some(adopted.part_label.as_ref().unwrap_or(own).clone())
    }),
    ("partition uuid", |volume, adopted| {
        lower(adopted.part_uuid.as_ref().or(volume.part_uuid.as_ref()))
    }),
    ("mapper name", |volume, adopted| adopted.mapper.clone().or_else(|| volume.mapper.clone())),
];

/// Hexadecimal digits are the same in either case.
fn lower(text: Option<&String>) -> Option<String> {
    text.map(|text| text.to_ascii_lowercase())
}

/// Checks all volumes against one another.
pub(super) fn check(offer: &Offer, adopted: &BTreeMap<usize, Adopted>, findings: &mut Findings) {
    let none = Adopted::default();
    for (key, name_of) in KINDS {
        let mut known: BTreeMap<String, &Volume> = BTreeMap::new();
        let wholes =
            offer.volumes.iter().enumerate().filter(|(_, volume)| volume.part_of.is_none());
        for (index, volume) in wholes {
            let name = name_of(volume, adopted.get(&index).unwrap_or(&none));
            let Some(name) = name.filter(|name| !name.is_empty()) else { continue };
            let Some(first) = known.insert(name.clone(), volume) else { continue };
            findings.refuse(Told {
                about: format!("{key} {name:?}"),
                wants: "to find one volume by it".to_owned(),
                gives: format!("it to the volumes {:?} and {:?}", first.name, volume.name),
                mend: "name the devices in fileSystems, or the volumes in the profile, apart"
                    .to_owned(),
            });
        }
    }
}
