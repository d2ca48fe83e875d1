//! A machine that has one of everything, and what of it stands in the way.

use std::collections::BTreeSet;

use calve_image_core::disk::{Ext4Fill, Fill, LuksFill, Partition, PartitionKind};
use calve_image_core::inputs::fstab::Fstab;
use calve_image_core::tree::TreePath;
use calve_image_core::units::{KIB, SectorSize};

use super::*;
use crate::steps::{self, Spot, Step, copy};
use crate::survey::Contents;
use crate::survey::machine::{Firmware, Running};
use crate::write::tests::systems::System;

fn layout() -> Layout {
    let root = Fill::Ext4(Ext4Fill::new(TreePath::root()));
    let fill = LuksFill { name: Some("crypt-new".to_owned()), ..LuksFill::new(root) };
    let root = Partition::new("root", PartitionKind::Root, Fill::Luks(Box::new(fill)));
    Layout::new(SectorSize::B512, vec![root])
}

/// Steps that destroy something, and all others.
fn steps() -> Vec<Step> {
    let spot = Spot {
        name: "root".to_owned(),
        device: "/dev/disk/by-partuuid/x".to_owned(),
        content: layout().partitions[0].content.clone(),
    };
    let mut steps = steps::mount(&[spot], &Fstab::default());
    steps[0].destroys = Some("main".to_owned());
    steps.push(copy());
    steps.push(Step { name: "install".to_owned(), phase: steps::Phase::Install, ..copy() });
    steps
}

fn machine() -> Machine {
    let programs = asked();
    Machine {
        name: Some("web".to_owned()),
        processor: Some("x86_64".to_owned()),
        firmware: Firmware::Uefi { bits: 64 },
        memory: KIB,
        system: Running::default(),
        programs: programs.into_iter().map(|name| (name, String::new())).collect(),
    }
}

/// The programs that a survey asks for.
fn asked() -> BTreeSet<String> {
    let script = include_str!("../survey/snapshot.sh");
    let (_, list) = script.split_once("for program in ").unwrap();
    let (list, _) = list.split_once("; do").unwrap();
    list.split_whitespace().filter(|word| *word != "\\").map(str::to_owned).collect()
}

/// What is wanted of a machine.
struct Order {
    layout: Layout,
    steps: Vec<Step>,
    platform: &'static str,
    login: Login,
    resumes: bool,
}

impl Default for Order {
    fn default() -> Self {
        let (layout, steps) = (layout(), steps());
        Self { layout, steps, platform: "x86_64-linux", login: Login::Root, resumes: false }
    }
}

/// What is said of a disk of the machine.
fn said(system: &System, disk: &str, machine: &Machine, order: &Order) -> Vec<String> {
    let (host, device) = (system.host(), system.device(disk));
    let contents = Contents { table: None, whole: None, partitions: Vec::new() };
    let uses = crate::survey::uses::uses(&host, &device).unwrap();
    let disk = Disk { device, id: None, contents, uses };
    let text = |text: &str| Some(text.to_owned());
    let (label, uuid) = (text("my root"), text("ABCD-1234"));
    let (part_label, part_uuid) = (text("root"), text("11111111-2222-3333-4444-55555555555a"));
    let adopted = Adopted { label, uuid, part_label, part_uuid, mapper: None };
    let wanted = Wanted {
        disk: &disk,
        layout: &order.layout,
        adopted: &BTreeMap::from([(0, adopted)]),
        platform: order.platform,
        steps: &order.steps,
        login: order.login,
        resumes: order.resumes,
    };
    let refusals = refusals(&host, machine, &wanted).unwrap();
    refusals.iter().map(ToString::to_string).collect()
}

/// An installation that goes on.
fn resumed() -> Order {
    Order { resumes: true, ..Order::default() }
}

#[test]
fn a_stick_that_nobody_uses_is_taken() {
    let system = System::new();
    assert_eq!(said(&system, "sda", &machine(), &Order::default()), [""; 0]);
}

#[test]
fn a_disk_that_somebody_uses_is_not() {
    let system = System::new();
    let used = said(&system, "nvme0n1", &machine(), &Order::default()).join("\n");
    assert!(used.contains("holds / of the running system"), "{used}");
    let array = said(&system, "sdb", &machine(), &Order::default());
    assert_eq!(array, ["sdb1 \u{2192} md127 is set up"]);
    let card = said(&system, "mmcblk0", &machine(), &Order::default()).join("\n");
    assert!(card.contains("mounted at /media/my card"), "{card}");
}

#[test]
fn what_an_installation_left_behind_is_no_obstacle_to_it() {
    let system = System::new();
    let mounted = "22 1 254:1 / / rw - tmpfs tmpfs rw\n23 22 8:1 / /mnt rw - ext4 /dev/sda1 rw\n";
    system.put("/proc/self/mountinfo", mounted);
    assert_eq!(said(&system, "sda", &machine(), &Order::default()), ["sda1 is mounted at /mnt"]);
    assert_eq!(said(&system, "sda", &machine(), &resumed()), [""; 0]);
    // Somebody else's is one, and so is another use of ours.
    let other = said(&system, "mmcblk0", &machine(), &Order::default()).join("\n");
    assert!(other.contains("/dev/sda1 is mounted at /mnt: expected nothing there"), "{other}");
    system.put("/proc/self/mountinfo", &mounted.replace("/mnt", "/home"));
    let other = said(&system, "sda", &machine(), &resumed());
    assert_eq!(other, ["sda1 is mounted at /home"]);
}

#[test]
fn names_of_other_disks() {
    let system = System::new();
    system.put(
        "/run/udev/data/b8:49",
        "E:ID_FS_LABEL=my_root\nE:ID_FS_LABEL_ENC=my\\x20root\nE:ID_FS_UUID=abcd-1234\n\
         E:ID_PART_ENTRY_NAME=root\nE:ID_PART_ENTRY_UUID=11111111-2222-3333-4444-55555555555A\n",
    );
    system.put("/run/udev/data/b8:64", "E:LVM_VG_NAME_COMPLETE=crypt\nE:ID_FS_LABEL=root\n");
    system.put("/run/udev/data/b8:80", "E:LVM_VG_NAME_COMPLETE=cryp\nE:ID_FS_LABEL=MY\n");
    // The disk's own do not count: they go.
    system.put("/run/udev/data/b8:1", "E:ID_FS_LABEL_ENC=my\\x20root\n");
    let found = said(&system, "sda", &machine(), &Order::default()).join("\n");
    insta::assert_snapshot!(found, @r#"
    the system looks for the label "my root", which sdd1 on sdd has, too: expected it on the new disk alone
    the system looks for the UUID "ABCD-1234", which sdd1 on sdd has, too: expected it on the new disk alone
    the system looks for the partition label "root", which sdd1 on sdd has, too: expected it on the new disk alone
    the system looks for the partition GUID "11111111-2222-3333-4444-55555555555a", which sdd1 on sdd has, too: expected it on the new disk alone
    the system looks for the mapper name "crypt-new", which sde has, too: expected it on the new disk alone
    "#);
}

#[test]
fn a_volume_that_is_open_under_the_name() {
    let system = System::new();
    system.put("/sys/block/dm-1/dm/name", "crypt-new\n");
    let found = said(&system, "sda", &machine(), &Order::default());
    let expected = "the system looks for the mapper name \"crypt-new\", which dm-1 (crypt-new) has, too: \
                    expected it on the new disk alone";
    assert_eq!(found, [expected]);
    // On the disk itself it is what an interrupted installation opened.
    let own = said(&system, "nvme0n1", &machine(), &resumed()).join("\n");
    assert!(!own.contains("looks for"), "{own}");
}

#[test]
fn a_machine_of_another_kind() {
    let system = System::new();
    let said = |machine: &Machine, platform: &'static str, login: Login| {
        let order = Order { platform, login, ..Order::default() };
        said(&system, "sda", machine, &order).join("\n")
    };
    let arm = said(&machine(), "aarch64-linux", Login::User);
    insta::assert_snapshot!(arm, @r"
    the system is for aarch64-linux, and the machine's processor is x86_64
    the login is no root's: expected root, or somebody whom sudo makes root without asking
    ");
    let narrow = said(&machine(), "i686-linux", Login::Sudo);
    insta::assert_snapshot!(narrow, @"the machine was started by UEFI of 64 bits: the system's boot loader expects UEFI of 32 bits");
    let mut poor = Machine { firmware: Firmware::Other, ..machine() };
    for program in ["cryptsetup", "nix-store", "flock"] {
        poor.programs.remove(program);
    }
    let poor = said(&poor, "x86_64-linux", Login::Root);
    insta::assert_snapshot!(poor, @r#"
    the machine was started by a BIOS, or by something else than UEFI: the system's boot loader expects UEFI of 64 bits
    the machine has no cryptsetup, which the step "open crypt-new" runs
    the machine has no flock, which the step "open crypt-new" runs
    the machine has no nix-store, which the step "copy" runs
    "#);
}

#[test]
fn a_disk_of_other_sectors_and_a_repair() {
    let system = System::new();
    let wide = Layout { sector: SectorSize::B4096, ..layout() };
    let wide = Order { layout: wide, ..Order::default() };
    let found = said(&system, "sda", &machine(), &wide);
    assert_eq!(found, ["the layout counts in sectors of 4096 bytes, sda in sectors of 512"]);
    // Nothing is destroyed by what destroys nothing.
    let mut repair = Order::default();
    repair.steps.retain(|step| step.destroys.is_none());
    assert_eq!(said(&system, "sdb", &machine(), &repair), [""; 0]);
}

/// A survey that does not ask for a program would refuse every machine.
#[test]
fn a_survey_asks_for_every_program() {
    let asked = asked();
    for step in steps() {
        for program in super::machine::needed(&step) {
            assert!(asked.contains(program), "{program}");
        }
    }
    for program in steps::IN_SCRIPTS {
        assert!(asked.contains(program), "{program}");
    }
}
