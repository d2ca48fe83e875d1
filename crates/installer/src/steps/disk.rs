//! The steps that make a disk: the same partitions, names, types and ids as an image's.
//!
//! Partitions are named by their GUIDs from the moment that they exist: names like `sda1` depend on the
//! disk's, and a GUID that was made for this installation is nobody else's. Everything that destroys
//! something goes through the guard.

use calve_image_core::disk::{Geometry, Layout, Placed, Volume};
use calve_image_core::inputs::fstab::Fstab;
use calve_image_core::units::MIB;

use super::format::{format, subvolumes, wants_nothing_there};
use super::luks;
use super::mount::{self, Spot};
use super::step::{Action, Command, Input, Phase, Step};

/// Wipes a partition that may be gone since the disk was surveyed.
const WIPE_OLD: &str = r#"test ! -b "$1" || exec wipefs --all --force "$1""#;

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
    /// What the new system mounts.
    pub fstab: &'a Fstab,
}

/// Lists the steps from the disk as it is to file systems that are mounted.
pub fn disk(place: &Place<'_>) -> Vec<Step> {
    let mut steps = vec![place.wipe(), place.table()];
    for partition in &place.geometry.partitions {
        steps.extend(place.fill(partition));
    }
    steps.extend(mount::opened(&place.spots(), place.fstab));
    steps
}

impl Place<'_> {
    /// Lists the partitions, where they will be.
    pub fn spots(&self) -> Vec<Spot> {
        let partitions = self.layout.partitions.iter().zip(&self.geometry.partitions);
        let spot = |(described, placed): (&calve_image_core::disk::Partition, &Placed)| Spot {
            name: placed.name.clone(),
            device: device(placed),
            content: described.content.clone(),
        };
        partitions.map(spot).collect()
    }

    fn step(&self, name: String, phase: Phase, commands: Vec<Command>) -> Step {
        let (destroys, action) = (Some(self.name.to_owned()), Action::Run(commands));
        Step { name, phase, destroys, is_volatile: false, action }
    }

    /// A command that destroys something on this disk.
    fn guarded(&self, command: Command) -> Command {
        Command { guards: Some(self.name.to_owned()), ..command }
    }

    /// Nothing that was on the disk is recognised any more.
    fn wipe(&self) -> Step {
        let old = self.old.iter().map(|name| format!("/dev/{name}"));
        let mut commands: Vec<Command> = old
            .map(|old| self.guarded(Command::script(WIPE_OLD, "wipe", [old.as_str()])))
            .collect();
        commands.push(self.wipe_all_of(self.device));
        self.step(format!("wipe {}", self.name), Phase::Partition, commands)
    }

    fn wipe_all_of(&self, device: &str) -> Command {
        self.guarded(Command::new(["wipefs", "--all", "--force", device]))
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
        // udev keeps away meanwhile, and the kernel can read the table again.
        let sfdisk = ["sfdisk", "--lock", "--wipe", "always", "--wipe-partitions", "always"];
        let sfdisk = sfdisk.into_iter().chain([self.device]);
        let mut commands = vec![
            self.guarded(Command::new(sfdisk).reading(Input::Text(script))),
            Command::new(["udevadm", "settle", "--timeout=30"]),
        ];
        commands.extend(geometry.partitions.iter().map(|part| self.wipe_all_of(&device(part))));
        self.step(format!("partition {}", self.name), Phase::Partition, commands)
    }

    /// What goes into a partition, from the outside in.
    fn fill(&self, partition: &Placed) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut device = device(partition);
        let mut content = &partition.content;
        while let Volume::Luks(luks) = content {
            let mapper = &luks.key.0;
            let commands = luks::encrypt(luks, &device);
            let commands = commands.into_iter().map(|command| self.guarded(command)).collect();
            steps.push(self.step(format!("encrypt {mapper}"), Phase::Format, commands));
            let open = vec![luks::open(mapper, &device)];
            steps.push(Step::run(format!("open {mapper}"), Phase::Format, open).volatile());
            device = format!("/dev/mapper/{mapper}");
            content = &luks.content;
        }
        if let Some(format) = format(content, &device) {
            let name = format!("format {}", partition.name);
            let commands = [Some(format), subvolumes(content, &device)].into_iter().flatten();
            let commands = commands.map(|command| self.guarded(command));
            let wipe = wants_nothing_there(content).then(|| self.wipe_all_of(&device));
            steps.push(self.step(name, Phase::Format, wipe.into_iter().chain(commands).collect()));
        }
        steps
    }
}

/// A partition, whatever the kernel calls it.
fn device(partition: &Placed) -> String {
    format!("/dev/disk/by-partuuid/{}", partition.id)
}
