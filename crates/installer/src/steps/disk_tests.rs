//! The steps of an encrypted server, as a list that somebody reads before it is done.

use calve_image_core::disk::{
    Architecture, DiskSize, Ext4Fill, Fill, Given, Keyslots, LuksFill, Partition, PartitionKind,
    Size, SwapFill, VfatFill,
};
use calve_image_core::epoch::Epoch;
use calve_image_core::ids::Ids;
use calve_image_core::tree::TreeBuilder;
use calve_image_core::units::{GIB, SectorSize};

use super::*;

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

/// ESP, an encrypted root with two passphrases, swap.
fn server() -> Layout {
    let root = Ext4Fill { label: Some("nixos".to_owned()), ..Ext4Fill::new(path("/")) };
    let luks = LuksFill {
        name: Some("cryptroot".to_owned()),
        label: Some("it's root".to_owned()),
        uuid: None,
        sector: SectorSize::B4096,
        kdf: Kdf::default(),
        noise: false,
        content: Fill::Ext4(root),
    };
    let esp = VfatFill { label: Some("ESP".to_owned()), ..VfatFill::new(path("/boot")) };
    let swap = SwapFill { label: Some("swap".to_owned()), uuid: None };
    let sized = |size, partition| Partition { size, ..partition };
    Layout::new(
        SectorSize::B512,
        vec![
            sized(Size::Fixed(GIB), Partition::new("ESP", PartitionKind::Esp, Fill::Vfat(esp))),
            sized(
                Size::Fixed(GIB),
                Partition::new("a \"swap\"", PartitionKind::Swap, Fill::Swap(swap)),
            ),
            sized(
                Size::Rest,
                Partition::new("cryptroot", PartitionKind::Root, Fill::Luks(Box::new(luks))),
            ),
        ],
    )
}

fn listing(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        let destroys = step.destroys.as_ref().map(|disk| format!(" (destroys on {disk})"));
        text.push_str(&format!(
            "{}: {}{}\n",
            step.phase.word(),
            step.name,
            destroys.unwrap_or_default()
        ));
        for command in &step.commands {
            let line = command.words.join(" ").replace(ADD_KEY, "ADD_KEY");
            let guards = if command.guards.is_some() { "guarded " } else { "" };
            text.push_str(&format!("  {guards}{line}\n"));
            match &command.input {
                Input::Nothing => {}
                Input::Text(script) => {
                    for line in script.lines() {
                        text.push_str(&format!("    < {line}\n"));
                    }
                }
                Input::Passphrase { volume, keyslot } => {
                    text.push_str(&format!("    < passphrase {keyslot} of {}\n", volume.0));
                }
                Input::Both { volume, keyslot } => {
                    text.push_str(&format!("    < passphrases 0 and {keyslot} of {}\n", volume.0));
                }
            }
        }
    }
    text
}

#[test]
fn an_encrypted_server() {
    let layout = Layout { size: DiskSize::Fixed(GIB * 16), ..server() };
    let trees: Vec<_> =
        layout.mounts().iter().map(|_| TreeBuilder::new(Epoch::STORE).build().unwrap()).collect();
    let keyslots = Keyslots { others: 2, ..Keyslots::default() };
    let given = Given {
        trees: &trees,
        ids: &Ids::from_parts(&[b"install"]),
        epoch: Epoch::STORE,
        architecture: Architecture::X86_64,
        keyslots: &keyslots,
    };
    let geometry = layout.resolve(&given).unwrap();
    let place = Place {
        name: "main",
        layout: &layout,
        geometry: &geometry,
        device: "/dev/disk/by-id/nvme-Samsung_SSD_970_EVO_500GB_S466NX0K123456",
        old: &["nvme0n1p1".to_owned(), "nvme0n1p2".to_owned()],
    };
    let steps = disk(&place);
    insta::assert_snapshot!(listing(&steps));
    let mut names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), steps.len(), "the journal knows steps by their names");
}
