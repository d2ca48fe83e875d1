//! Pre-flight: the sample passes, and each change to it is refused with what mends it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use serde_json::json;

use super::*;
use crate::boot::sample::{INITRD, KERNEL, Sample};
use crate::tree::TreePath;
use crate::units::{Bytes, MIB};

/// What a plain disk makes: an ESP and a root, all names free.
pub(super) fn offer() -> Offer {
    let esp = Volume {
        name: "esp".to_owned(),
        mount_point: Some("/boot".to_owned()),
        fs_type: "vfat".to_owned(),
        is_esp: true,
        ..Volume::default()
    };
    let root = Volume {
        name: "root".to_owned(),
        mount_point: Some("/".to_owned()),
        fs_type: "ext4".to_owned(),
        ..Volume::default()
    };
    let esp_auto = Bytes::new(512 * MIB.get());
    let volumes = vec![esp, root];
    Offer { volumes, esp_needed: MIB, esp_auto, target: Target::Qemu, ..Offer::default() }
}

pub(super) fn checked(sample: Sample, offer: &Offer) -> Report {
    let built = sample.build();
    check(&built.store, &built.system, &built.closure, offer).unwrap()
}

fn with(change: impl FnOnce(&mut Sample)) -> Report {
    let mut sample = Sample::new();
    change(&mut sample);
    checked(sample, &offer())
}

/// The one finding of a report: its severity, subject and what the layout gives.
pub(super) fn only(report: &Report) -> (Severity, &str, &str) {
    let [finding] = report.findings.as_slice() else { panic!("{:#?}", report.findings) };
    (finding.severity, &finding.about, &finding.gives)
}

use Severity::{Refusal, Warning};

#[test]
fn a_fitting_system_passes_and_its_labels_are_adopted() {
    let report = with(|_| {});
    assert_eq!(report.findings, []);
    assert_eq!(report.adopted[&0].label.as_deref(), Some("ESP"));
    assert_eq!(report.adopted[&1].label.as_deref(), Some("nixos"));
    let report = with(|s| {
        s.fstab = s.fstab.replace("/dev/disk/by-label/ESP", "UUID=ABCD-1234");
    });
    assert_eq!(report.findings, []);
    assert_eq!(report.adopted[&0].uuid.as_deref(), Some("ABCD-1234"));
    assert_eq!(report.adopted[&0].label.as_deref(), Some("ESP"), "the specialisation's");
}

#[test]
fn mounts_that_the_layout_lacks() {
    let home = "/dev/disk/by-label/home /home ext4 defaults 0 2\n";
    let report = with(|s| s.fstab.push_str(home));
    assert_eq!(only(&report), (Refusal, "/home", "no volume mounted on /home"));
    assert_eq!(report.findings[0].wants, "label \"home\" (ext4) on /home");
    assert_eq!(report.findings[0].specialisation, None);
    assert!(report.is_refused());
    let report = with(|s| s.child_fstab.push_str(home));
    assert_eq!(report.findings[0].specialisation.as_deref(), Some("debug"));
    let report = with(|s| s.fstab.push_str(&home.replace("defaults", "nofail")));
    assert_eq!(only(&report).0, Warning);
    assert!(!report.is_refused());
    let automount = "noauto,x-systemd.automount";
    for option in ["noauto", "x-systemd.automount", automount] {
        let report = with(|s| s.fstab.push_str(&home.replace("defaults", option)));
        assert_eq!(only(&report).0, Warning, "{option}");
    }
    let report = with(|s| s.fstab.push_str("/dev/vda3 none swap defaults\n"));
    assert_eq!(only(&report), (Warning, "swap", "no swap area"));
    let harmless = "tmpfs /tmp tmpfs size=1G\n/home /mnt none bind\n//nas/x /nas cifs ro\n\
                    /swapfile none swap defaults\nnas:/x /y nfs4 ro\nshare /z vboxsf rw\n\
                    /a:/b /c mergerfs rw\nremote: /d rclone rw\nnone /e tmpfs rw\n";
    assert_eq!(with(|s| s.fstab.push_str(harmless)).findings, []);
    let pool = "tank/home /home zfs zfsutil\n";
    assert_eq!(only(&with(|s| s.fstab.push_str(pool))).0, Refusal);
}

#[test]
fn devices_that_no_image_can_promise() {
    let both = |s: &mut Sample, to: &str| {
        s.fstab = s.fstab.replace("/dev/disk/by-label/nixos", to);
        s.child_fstab = s.fstab.clone();
    };
    let report = with(|s| both(s, "/dev/sda2"));
    assert_eq!(only(&report).0, Refusal);
    assert!(report.findings[0].mend.contains("by-label"));
    let report = with(|s| both(s, "/dev/mapper/cryptroot"));
    assert_eq!(only(&report), (Refusal, "/", "the plain volume \"root\""));
    let report = with(|s| both(s, "LABEL=a-label-of-seventeen"));
    assert_eq!(
        only(&report),
        (Refusal, "/", "ext4, whose label must be 1 to 16 bytes without a blank at an end")
    );
    let report = with(|s| s.child_fstab = s.fstab.replace("by-label/nixos", "by-label/other"));
    let gives = "label \"nixos\" on volume \"root\", as another mount wants it";
    assert_eq!(only(&report), (Refusal, "/", gives));
    let report = with(|s| {
        s.fstab = s.fstab.replace("ext4", "btrfs");
        s.child_fstab = s.fstab.clone();
    });
    assert_eq!(only(&report), (Refusal, "/", "ext4 on volume \"root\""));
}

#[test]
fn two_volumes_under_one_name() {
    let same = |from: &'static str, to: &'static str| {
        with(move |s| {
            s.fstab = s.fstab.replace(from, to);
            s.child_fstab = s.fstab.clone();
        })
    };
    let report = same("by-label/ESP", "by-label/nixos");
    let gives = "it to the volumes \"esp\" and \"root\"";
    assert_eq!(only(&report), (Refusal, "label \"nixos\"", gives));
    assert_eq!(report.findings[0].specialisation, None);
    let id = "by-partuuid/0c7bb7a2-5d47-4b4c-9d6f-6a6a1f1f1f1f";
    let both = |s: &mut Sample| {
        s.fstab = s.fstab.replace("by-label/ESP", id).replace("by-label/nixos", id);
        s.child_fstab = s.fstab.clone();
    };
    assert_eq!(only(&with(both)).2, gives);
    // A partition that is named by nobody is called what the profile calls it.
    assert_eq!(only(&same("by-label/nixos", "by-partlabel/esp")).1, "partition label \"esp\"");
    assert_eq!(same("by-label/nixos", "by-partlabel/disk-main-root").findings, []);
}

#[test]
fn a_root_found_by_its_type() {
    let esp = |s: &mut Sample| {
        s.fstab = s.fstab.lines().nth(1).unwrap().to_owned();
        s.child_fstab = s.fstab.clone();
    };
    assert_eq!(only(&with(esp)), (Refusal, "/", "volume \"root\" (ext4)"));
    let report = with(|s| {
        esp(s);
        s.spec()["kernelParams"] = json!(["root=gpt-auto", "rw"]);
        let child = &mut s.boot_json["org.nixos.specialisation.v1"]["debug"];
        child["org.nixos.bootspec.v1"]["kernelParams"] = json!(["root=gpt-auto", "rw"]);
    });
    assert_eq!(report.findings, []);
}

#[test]
fn a_root_that_the_command_line_names() {
    let report = |root: &'static str, is_systemd: bool| {
        with(move |s| {
            if is_systemd {
                s.initrd.push(("etc/initrd-release", "ID=nixos\n"));
            }
            s.spec()["kernelParams"] = json!([root]);
        })
    };
    assert_eq!(report("root=fstab", true).findings, []);
    assert_eq!(report("root=LABEL=nixos", true).findings, []);
    let gives = "label \"nixos\" on volume \"root\", as another mount wants it";
    assert_eq!(only(&report("root=LABEL=other", true)), (Refusal, "/", gives));
    assert_eq!(only(&report("root=/dev/vda2", true)).0, Refusal);
    assert_eq!(report("root=/dev/vda2", false).findings, []);
    let alone = with(|s| {
        s.initrd.push(("etc/initrd-release", "ID=nixos\n"));
        s.spec()["kernelParams"] = json!(["root=LABEL=nixos"]);
        s.fstab = s.fstab.lines().nth(1).unwrap().to_owned();
    });
    assert_eq!(alone.findings, []);
}

#[test]
fn names_that_the_profile_fixes() {
    let mut fixed = offer();
    fixed.volumes[1].label = Some("root".to_owned());
    let report = checked(Sample::new(), &fixed);
    assert_eq!(only(&report), (Refusal, "/", "label \"root\" on volume \"root\""));
    fixed.volumes[1].label = Some("nixos".to_owned());
    assert_eq!(checked(Sample::new(), &fixed).findings, []);
}

#[test]
fn volumes_that_the_closure_does_not_mount() {
    let mut more = offer();
    let mut data = more.volumes[1].clone();
    (data.name, data.mount_point) = ("data".to_owned(), Some("/data".to_owned()));
    more.volumes.push(data);
    assert_eq!(only(&checked(Sample::new(), &more)).0, Warning);
    for needed in ["/nix", "/nix/var"] {
        more.volumes[2].mount_point = Some(needed.to_owned());
        assert_eq!(only(&checked(Sample::new(), &more)).0, Refusal, "{needed}");
    }
}

#[test]
fn boot_loaders_are_refused_by_name() {
    for (installer, name) in [
        ("install-grub.sh", "GRUB"),
        ("extlinux-conf-builder.sh", "extlinux"),
        ("lanzaboote-hook", "lanzaboote"),
        ("my-hook", "an unknown installer"),
    ] {
        let report = with(|s| s.installer = installer);
        assert_eq!(only(&report), (Refusal, "boot loader", "systemd-boot"));
        assert!(report.findings[0].wants.starts_with(name), "{:?}", report.findings);
    }
}

#[test]
fn what_only_the_closures_installer_adds() {
    // The sample's files are below the store's directory like everything else.
    let script = format!("/nix/store/{KERNEL}/copy");
    let report = with(|s| {
        s.builder.push_str(&format!("COPY_EXTRA_FILES = \"{script}\"\n"));
        s.files.push((format!("{KERNEL}/copy"), "x/bin/install -Dp a b\n".to_owned()));
    });
    let gives = "systemd-boot with its entries and kernels";
    assert_eq!(only(&report), (Warning, "boot loader", gives));
}

#[test]
fn the_esp() {
    let report = with(|s| {
        s.fstab = s.fstab.lines().next().unwrap().to_owned();
        s.child_fstab = s.fstab.clone();
    });
    assert!(only(&report).2.starts_with("an fstab that mounts nothing on /boot"));
    let mut elsewhere = offer();
    elsewhere.volumes[0].mount_point = Some("/efi".to_owned());
    let report = checked(Sample::new(), &elsewhere);
    assert_eq!(report.findings[0].gives, "the ESP on /efi");
    let report = with(|s| s.builder = s.builder.replace("/boot", "/efi"));
    assert!(report.findings.iter().any(|f| f.wants.starts_with("the ESP on /efi")));
    let mut none = offer();
    none.volumes.remove(0);
    let report = checked(Sample::new(), &none);
    assert!(report.findings.iter().any(|f| f.gives == "no EFI system partition"));
    let mut small = offer();
    small.volumes[0].size = Some(Bytes::new(1 << 19));
    assert_eq!(only(&checked(Sample::new(), &small)).0, Refusal);
    small.volumes[0].size = Some(Bytes::new(64 << 20));
    assert_eq!(only(&checked(Sample::new(), &small)).0, Warning);
}

#[test]
fn modules_of_stage_1() {
    let report = with(|s| s.initrd.retain(|(name, _)| !name.contains("ext4")));
    assert_eq!(only(&report).1, "/");
    assert!(report.findings[0].gives.starts_with("ext4, for which the initrd has no module"));
    let report = with(|s| {
        s.initrd.remove(1);
        s.builtin = "kernel/fs/ext4/ext4.ko\n";
    });
    assert_eq!(report.findings, []);
    let report = with(|s| s.initrd.truncate(3));
    assert_eq!(only(&report).1, "virtio");
    let any = Offer { target: Target::Any, ..offer() };
    let mut sample = Sample::new();
    sample.initrd.pop();
    assert_eq!(checked(sample, &any).findings, []);
}

#[test]
fn a_specialisation_with_an_initrd_of_its_own() {
    let report = with(|s| {
        let modules = [("init", 0o100_555, &b"#!/bin/sh\n"[..])];
        let initrd = crate::inputs::initrd::tests::archive(&modules);
        s.files.push((format!("{KERNEL}/initrd-debug"), String::from_utf8(initrd).unwrap()));
        let child = &mut s.boot_json["org.nixos.specialisation.v1"]["debug"];
        child["org.nixos.bootspec.v1"]["initrd"] =
            json!(format!("/nix/store/{KERNEL}/initrd-debug"));
    });
    let about: Vec<(&str, Option<&str>)> =
        report.findings.iter().map(|f| (f.about.as_str(), f.specialisation.as_deref())).collect();
    assert_eq!(about, [("/", Some("debug")), ("virtio", Some("debug"))]);
}

#[test]
fn what_entries_name_must_be_there() {
    let report = with(|s| s.unregistered = vec![KERNEL]);
    assert_eq!(
        only(&report),
        (Refusal, "kernel", &*format!("a closure without /nix/store/{KERNEL}"))
    );
    let report = with(|s| s.spec()["initrd"] = json!(format!("/nix/store/{INITRD}/none")));
    let gone = report.findings.iter().find(|f| f.about == "initrd").unwrap();
    assert_eq!(gone.gives, "nothing there");
    let report = with(|s| s.spec()["init"] = json!(format!("/nix/store/{KERNEL}/init")));
    assert_eq!(only(&report), (Refusal, "init=", "nothing there"));
    let report = with(|s| s.spec()["initrdSecrets"] = json!(format!("/nix/store/{KERNEL}/x")));
    assert_eq!(only(&report).1, "initrd secrets");
}

/// What is said of the secrets of a system: severity, what it wants and what the layout gives.
fn of_secrets(appended: &[(&str, &str)], given: &[&str], offer: Offer) -> Vec<String> {
    let mut sample = Sample::new();
    sample.appends(appended);
    let secrets = given.iter().map(|dest| TreePath::parse(dest).unwrap()).collect();
    let report = checked(sample, &Offer { secrets, ..offer });
    assert!(report.findings.iter().all(|finding| finding.about == "initrd secrets"), "{report:#?}");
    let told = |found: &Finding| format!("{:?}: {} / {}", found.severity, found.wants, found.gives);
    report.findings.iter().map(told).collect()
}

#[test]
fn secrets_that_nobody_brings() {
    let two = [("/etc/ssh/key", "/etc/secrets/key"), ("/auth", "/etc/secrets/auth")];
    let missing = "Refusal: /auth in its initrd / no such secret";
    let open = "Warning: secrets in its initrd / an ESP, which is not encrypted: whoever has the disk \
                can read them";
    assert_eq!(of_secrets(&two, &["/etc/ssh/key"], offer()), [missing, open]);
    assert_eq!(of_secrets(&two, &["/etc/ssh/key", "/auth"], offer()), [open]);
    let report = of_secrets(&two, &["/etc/ssh/key", "/auth", "/autj"], offer());
    let list = "these secrets in its initrd: /etc/ssh/key, /auth";
    assert_eq!(report, [format!("Refusal: {list} / one for /autj"), open.to_owned()]);
    assert_eq!(
        with(|s| s.appends(&two)).findings[0].mend.split(',').next(),
        Some("give it with --initrd-secret /etc/ssh/key=FILE")
    );
    let unasked = of_secrets(&[], &["/x"], offer());
    assert_eq!(unasked, ["Refusal: no secrets in its initrd / one for /x"]);
    let file = format!("/nix/store/{KERNEL}/bzImage");
    assert_eq!(of_secrets(&[("/k", &file)], &[], offer()), Vec::<String>::new());
    let public = of_secrets(&[("/k", &file)], &["/k"], offer());
    let wants = format!("/k from its own store, where it is no secret: {file}");
    assert_eq!(public, [format!("Refusal: {wants} / one for /k")]);
}

#[test]
fn secrets_that_the_next_rebuild_would_not_find() {
    let said = |source: &str, offer: Offer| {
        let said = of_secrets(&[("/k", source)], &["/k"], offer);
        said.into_iter().find(|said| !said.contains("whoever has the disk"))
    };
    let wants = |source: &str| format!("to read {source} whenever its boot loader is installed");
    assert_eq!(said("/etc/secrets/k", offer()), None);
    let esp = "that place on the ESP, where anybody can read it";
    assert_eq!(said("/boot/k", offer()), Some(format!("Refusal: {} / {esp}", wants("/boot/k"))));
    let made = "no place for it: what lies there is made anew at every boot";
    assert_eq!(said("/run/k", offer()), Some(format!("Warning: {} / {made}", wants("/run/k"))));
}

#[test]
fn a_report_is_a_document() {
    let report = with(|s| s.installer = "install-grub.sh");
    let document = serde_json::to_value(&report).unwrap();
    assert_eq!(document["findings"][0]["severity"], "refusal");
    assert_eq!(document["adopted"]["1"]["label"], "nixos");
}

/// The sample systems, where `cargo xtask fixture` has built them.
#[test]
fn sample_systems_pass() {
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fixture");
    for variant in ["mini", "full", "full-systemd"] {
        let folder = fixtures.join(variant);
        let store = HostStore::host();
        let (Ok(path), Ok(text)) = (
            store.find(&folder.join("system")),
            std::fs::read_to_string(folder.join("registration")),
        ) else {
            eprintln!("SKIPPED: {variant} is not built (cargo xtask fixture {variant})");
            continue;
        };
        let infos = crate::inputs::registration::parse(&text).unwrap();
        let closure = Closure::of(infos, std::slice::from_ref(&path)).unwrap();
        let system = System::of(&store, &path).unwrap();
        let report = check(&store, &system, &closure, &offer()).unwrap();
        assert_eq!(report.findings, [], "{variant}");
        assert_eq!(report.adopted[&1].label.as_deref(), Some("nixos"), "{variant}");
    }
}
