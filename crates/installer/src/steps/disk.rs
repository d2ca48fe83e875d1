//! The steps that make a disk: the same partitions, names, types and ids as an image's.
//!
//! Partitions are named by their GUIDs from the moment that they exist: names like `sda1` depend on the
//! disk's, and a GUID that was made for this installation is nobody else's. Everything that destroys
//! something goes through the guard.

use calve_image_core::disk::luks2::Kdf;
use calve_image_core::disk::{Geometry, Layout, LuksVolume, Placed, Volume};
use calve_image_core::tree::TreePath;
use calve_image_core::units::{KIB, MIB};

use super::ROOT;
use super::step::{Command, Input, Phase, Step};

/// How a passphrase is added to a volume that has one: neither is an argument, and both are gone when it ends.
const ADD_KEY: &str = include_str!("add_key.sh");

/// The disk that is made, and where the machine has it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// What the layout calls the disk.
    pub name: &'a str,
    /// What is made of it; its ids are its own.
    pub layout: &'a Layout,
    /// The same, decided for this disk.
    pub geometry: &'a Geometry,
    /// The disk: `/dev/disk/by-id/…`.
    pub device: &'a str,
    /// The partitions that are on it now, as the kernel names them.
    pub old: &'a [String],
}

/// Lists the steps from the disk as it is to file systems that are mounted.
pub fn disk(place: &Place<'_>) -> Vec<Step> {
    let mut steps = vec![place.wipe(), place.table()];
    for partition in &place.geometry.partitions {
        steps.extend(place.fill(partition));
    }
    steps.extend(place.mounts());
    steps
}

impl Place<'_> {
    fn step(&self, name: String, phase: Phase, commands: Vec<Command>) -> Step {
        Step { name, phase, destroys: Some(self.name.to_owned()), commands }
    }

    /// A command that destroys something on this disk.
    fn guarded<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Command {
        Command { guards: Some(self.name.to_owned()), ..Command::new(words) }
    }

    /// Nothing that was on the disk is recognised any more.
    fn wipe(&self) -> Step {
        let old = self.old.iter().map(|name| format!("/dev/{name}"));
        let all: Vec<String> = old.chain([self.device.to_owned()]).collect();
        let wipe = all.iter().map(|device| self.guarded(["wipefs", "--all", "--force", device]));
        self.step(format!("wipe {}", self.name), Phase::Partition, wipe.collect())
    }

    /// The table, and the names that udev makes of it.
    fn table(&self) -> Step {
        let geometry = self.geometry;
        let sector = geometry.sector.bytes().get();
        let mut script = format!(
            "label: gpt\nlabel-id: {}\nunit: sectors\nsector-size: {sector}\nfirst-lba: {}\n",
            geometry.id,
            MIB.get() / sector
        );
        for partition in &geometry.partitions {
            let Placed { name, type_guid, id, start, size, .. } = partition;
            let (start, size) = (start.get() / sector, size.get() / sector);
            let name = name.replace('\\', "\\\\").replace('"', "\\x22");
            script.push_str(&format!(
                "start={start}, size={size}, type={type_guid}, uuid={id}, name=\"{name}\"\n"
            ));
        }
        let sfdisk = ["sfdisk", "--wipe", "always", "--wipe-partitions", "always", self.device];
        let mut commands = vec![
            self.guarded(sfdisk).reading(Input::Text(script)),
            Command::new(["udevadm", "settle", "--timeout=30"]),
        ];
        for partition in &geometry.partitions {
            commands.push(self.guarded(["wipefs", "--all", "--force", &device(partition)]));
        }
        self.step(format!("partition {}", self.name), Phase::Partition, commands)
    }

    /// What goes into a partition, from the outside in.
    fn fill(&self, partition: &Placed) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut device = device(partition);
        let mut content = &partition.content;
        while let Volume::Luks(luks) = content {
            let commands = self.encrypt(luks, &device);
            steps.push(self.step(format!("encrypt {}", luks.key.0), Phase::Format, commands));
            // It only opens what is there, so a repair takes it, too.
            steps.push(Step {
                name: format!("open {}", luks.key.0),
                phase: Phase::Mount,
                destroys: None,
                commands: vec![open(luks, &device)],
            });
            device = format!("/dev/mapper/{}", luks.key.0);
            content = &luks.content;
        }
        if let Some(format) = self.format(content, &device) {
            let name = format!("format {}", partition.name);
            steps.push(self.step(name, Phase::Format, vec![format]));
        }
        steps
    }

    /// A header and its keyslots, as an image's.
    fn encrypt(&self, luks: &LuksVolume, device: &str) -> Vec<Command> {
        let settings = &luks.luks;
        let mut words: Vec<String> =
            ["cryptsetup", "luksFormat", "--type", "luks2", "--batch-mode"]
                .map(str::to_owned)
                .to_vec();
        words.extend(["--cipher", "aes-xts-plain64", "--key-size", "512"].map(str::to_owned));
        words.push(format!("--uuid={}", settings.uuid));
        words.push(format!("--sector-size={}", settings.sector.bytes().get()));
        words.extend(settings.label.iter().map(|label| format!("--label={label}")));
        words.extend(settings.subsystem.iter().map(|label| format!("--subsystem={label}")));
        let costs = costs(settings.kdf);
        let passphrase = |keyslot| Input::Passphrase { volume: luks.key.clone(), keyslot };
        let words = words.iter().chain(&costs).map(String::as_str);
        let first = self.guarded(words.chain(["--key-file=-", device])).reading(passphrase(0));
        let more = (1..settings.keyslots).map(|keyslot| {
            let words = ["sh", "-c", ADD_KEY, "add-key", device];
            let words = words.into_iter().chain(costs.iter().map(String::as_str));
            self.guarded(words).reading(Input::Both { volume: luks.key.clone(), keyslot })
        });
        std::iter::once(first).chain(more).collect()
    }

    /// The program that makes a file system; none where there is none.
    fn format(&self, content: &Volume, device: &str) -> Option<Command> {
        let mut words: Vec<String> = Vec::new();
        match content {
            Volume::Empty | Volume::RandomSwap | Volume::Luks(_) => return None,
            Volume::Ext4(volume) => {
                words.extend(["mkfs.ext4", "-q", "-F", "-U"].map(str::to_owned));
                words.push(volume.uuid.to_string());
                let label = volume.label.to_string();
                if !label.is_empty() {
                    words.extend(["-L".to_owned(), label]);
                }
            }
            Volume::Vfat(volume) => {
                words.extend(["mkfs.vfat".to_owned(), "-i".to_owned()]);
                words.push(format!("{:08X}", volume.serial));
                words
                    .extend(volume.label.iter().flat_map(|label| ["-n".to_owned(), label.clone()]));
            }
            Volume::Swap(volume) => {
                words.extend(["mkswap".to_owned(), "-U".to_owned(), volume.uuid.to_string()]);
                words
                    .extend(volume.label.iter().flat_map(|label| ["-L".to_owned(), label.clone()]));
            }
        }
        let words = words.iter().map(String::as_str);
        Some(self.guarded(words.chain([device])))
    }

    /// File systems below the root, the outer ones first.
    fn mounts(&self) -> Vec<Step> {
        let partitions = self.layout.partitions.iter().zip(&self.geometry.partitions);
        let mut mounts: Vec<(&TreePath, String)> = partitions
            .filter_map(|(described, placed)| {
                let mount = described.content.mount()?;
                Some((mount, innermost(placed)))
            })
            .collect();
        mounts.sort_by_key(|(mount, _)| mount.relative().len());
        let step = |(mount, device): (&TreePath, String)| {
            let at = format!(
                "{ROOT}{}",
                if mount.is_root() { String::new() } else { mount.to_string() }
            );
            Step {
                name: format!("mount {mount}"),
                phase: Phase::Mount,
                destroys: None,
                commands: vec![
                    Command::new(["mkdir", "-p", &at]),
                    Command::new(["mount", &device, &at]),
                ],
            }
        };
        mounts.into_iter().map(step).collect()
    }
}

/// A partition, whatever the kernel calls it.
fn device(partition: &Placed) -> String {
    format!("/dev/disk/by-partuuid/{}", partition.id)
}

/// The device with the file system.
fn innermost(partition: &Placed) -> String {
    match &partition.content {
        Volume::Luks(luks) => format!("/dev/mapper/{}", luks.key.0),
        Volume::Empty
        | Volume::Ext4(_)
        | Volume::Vfat(_)
        | Volume::Swap(_)
        | Volume::RandomSwap => device(partition),
    }
}

fn open(luks: &LuksVolume, device: &str) -> Command {
    let words = ["cryptsetup", "open", "--type", "luks2", "--key-file=-", device, &luks.key.0];
    Command::new(words).reading(Input::Passphrase { volume: luks.key.clone(), keyslot: 0 })
}

/// Costs are fixed, and never measured on whatever machine installs.
fn costs(kdf: Kdf) -> Vec<String> {
    match kdf {
        Kdf::Argon2id { memory, passes, lanes } => vec![
            "--pbkdf=argon2id".to_owned(),
            format!("--pbkdf-memory={}", memory.get() / KIB.get()),
            format!("--pbkdf-force-iterations={passes}"),
            format!("--pbkdf-parallel={lanes}"),
        ],
        Kdf::Pbkdf2 { iterations } => {
            vec!["--pbkdf=pbkdf2".to_owned(), format!("--pbkdf-force-iterations={iterations}")]
        }
    }
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
