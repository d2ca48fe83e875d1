//! What is read of an ISO configuration that NixOS itself made.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use super::*;
use crate::inputs::bootspec::Bootspec;
use crate::inputs::fstab::Fstab;
use crate::inputs::initrd::module_name;
use crate::inputs::remote_unlock::RemoteUnlock;
use crate::inputs::stage1::Kind;
use crate::inputs::system::Configuration;

const BOOT_JSON: &str = include_str!("../../../../testdata/real/iso/boot.json");
const FSTAB: &str = include_str!("../../../../testdata/real/iso/fstab");
const INITRD: &str = include_str!("../../../../testdata/real/iso/initrd.list");
const PARAMS: &str = include_str!("../../../../testdata/real/iso/kernel-params");

fn configuration() -> Configuration {
    let spec = Bootspec::parse(BOOT_JSON, "boot.json").unwrap();
    Configuration {
        toplevel: spec.toplevel.clone(),
        label: "24.11pre-git".to_owned(),
        platform: "x86_64-linux".to_owned(),
        bootspec: Some(spec),
        crypttab: Vec::new(),
        fstab: Fstab::parse(FSTAB, "fstab").unwrap(),
        kernel_params: PARAMS.split_ascii_whitespace().map(str::to_owned).collect(),
        etc_overlay: false,
        has_init: true,
        installer: None,
        // Debian's kernel, which this system has, has its virtio bus built in.
        builtin_modules: BTreeSet::from(["virtio_pci".to_owned()]),
        blesses_boots: false,
    }
}

fn stage1() -> Stage1 {
    let names = INITRD.lines().filter_map(|line| line.split_whitespace().nth(8));
    Stage1 {
        kind: Kind::Scripted,
        modules: names.filter_map(module_name).collect(),
        mounts: Vec::new(),
        volumes: Vec::new(),
        writable_etc: false,
        remote: RemoteUnlock::default(),
    }
}

#[test]
fn a_medium_as_nixos_looks_for_it() {
    let (configuration, stage1) = (configuration(), stage1());
    let subject = Subject { configuration: &configuration, stage1: Some(&stage1) };
    let mut findings = Findings::default();
    let shape = place::read(subject, &mut findings).unwrap();
    assert_eq!(shape.volume.as_str(), "nixos-24.11-x86_64");
    assert_eq!(shape.squashfs.to_string(), "/nix-store.squashfs");
    assert!(shape.is_overlay);
    modules::check(subject, shape.is_overlay, &mut findings);
    assert_eq!(findings.sorted(), []);
}
