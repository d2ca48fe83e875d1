//! The firmware search in made-up file systems.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn touch(root: &Path, path: &str) -> PathBuf {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "x").unwrap();
    path
}

fn search(root: &Path, architecture: Architecture) -> Search {
    Search { root: root.to_owned(), ..Search::new(architecture) }
}

fn describe(root: &Path, file: &str, code: &Path, vars: &Path, extra: &str) {
    let path = touch(root, file);
    let text = format!(
        r#"{{"description": "d", "interface-types": ["uefi"],
            "mapping": {{"device": "flash",
                "executable": {{"filename": {code:?}, "format": "raw"}},
                "nvram-template": {{"filename": {vars:?}, "format": "raw"}}}},
            "targets": [{{"architecture": "x86_64", "machines": ["pc-i440fx-*", "pc-q35-*"]}}],
            "features": ["acpi-s3"{extra}], "tags": []}}"#
    );
    fs::write(path, text).unwrap();
}

#[test]
fn distribution_places_are_found_for_both_architectures() {
    let cases = [
        (Architecture::X86_64, "usr/share/OVMF/OVMF_CODE_4M.fd", "usr/share/OVMF/OVMF_VARS_4M.fd"),
        (
            Architecture::X86_64,
            "usr/share/edk2/x64/OVMF_CODE.4m.fd",
            "usr/share/edk2/x64/OVMF_VARS.4m.fd",
        ),
        (Architecture::Aarch64, "usr/share/AAVMF/AAVMF_CODE.fd", "usr/share/AAVMF/AAVMF_VARS.fd"),
        (
            Architecture::Aarch64,
            "opt/homebrew/share/qemu/edk2-aarch64-code.fd",
            "opt/homebrew/share/qemu/edk2-arm-vars.fd",
        ),
    ];
    for (architecture, code, vars) in cases {
        let root = tempfile::tempdir().unwrap();
        let code = touch(root.path(), code);
        Firmware::find(&search(root.path(), architecture)).unwrap_err();
        let vars = touch(root.path(), vars);
        let found = Firmware::find(&search(root.path(), architecture)).unwrap();
        assert_eq!((found.code.path, found.vars.path), (code, vars));
    }
}

#[test]
fn qcow2_flash_is_recognised() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), "usr/share/edk2/ovmf/OVMF_CODE_4M.qcow2");
    touch(root.path(), "usr/share/edk2/ovmf/OVMF_VARS_4M.qcow2");
    let found = Firmware::find(&search(root.path(), Architecture::X86_64)).unwrap();
    assert_eq!(found.code.format, FlashFormat::Qcow2);
    assert_eq!(found.vars.format, FlashFormat::Qcow2);
}

#[test]
fn descriptors_go_by_name_and_without_secure_boot() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    let (vars, plain, secure) = (touch(dir, "v"), touch(dir, "plain"), touch(dir, "secure"));
    let usr = "usr/share/qemu/firmware";
    describe(dir, &format!("{usr}/40-secure.json"), &secure, &vars, r#", "secure-boot""#);
    describe(dir, &format!("{usr}/50-gone.json"), &dir.join("gone"), &vars, "");
    describe(dir, &format!("{usr}/60-plain.json"), &plain, &vars, "");
    fs::write(dir.join(usr).join("55-broken.json"), "{").unwrap();
    let found = Firmware::find(&search(dir, Architecture::X86_64)).unwrap();
    assert_eq!(found.code.path, plain);

    // The administrator's file of the same name replaces the packaged one.
    let own = touch(dir, "own");
    describe(dir, "etc/qemu/firmware/60-plain.json", &own, &vars, "");
    let found = Firmware::find(&search(dir, Architecture::X86_64)).unwrap();
    assert_eq!(found.code.path, own);

    // It does not serve the other architecture.
    Firmware::find(&search(dir, Architecture::Aarch64)).unwrap_err();
}

#[test]
fn an_explicit_path_wins_and_finds_its_variables() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), "usr/share/OVMF/OVMF_CODE_4M.fd");
    touch(root.path(), "usr/share/OVMF/OVMF_VARS_4M.fd");
    let code = touch(root.path(), "mine/MY_CODE.fd");
    let asked = Search { code: Some(code.clone()), ..search(root.path(), Architecture::X86_64) };
    let error = Firmware::find(&asked).unwrap_err();
    assert!(error.to_string().contains("MY_VARS.fd"), "{error}");
    let vars = touch(root.path(), "mine/MY_VARS.fd");
    let found = Firmware::find(&asked).unwrap();
    assert_eq!((found.code.path, found.vars.path), (code, vars));
    let missing = Search { code: Some(root.path().join("no_CODE.fd")), ..asked };
    assert!(matches!(Firmware::find(&missing), Err(Error::Unreadable { .. })));
}

#[test]
fn the_error_names_every_place_and_the_package() {
    let root = tempfile::tempdir().unwrap();
    let prebuilt = root.path().join("cache");
    let asked =
        Search { prebuilt: Some(prebuilt.clone()), ..search(root.path(), Architecture::X86_64) };
    let text = Firmware::find(&asked).unwrap_err().to_string();
    for expected in [
        "etc/qemu/firmware/*.json",
        "usr/share/OVMF/OVMF_CODE_4M.fd",
        "cache/x64/code.fd",
        "install ovmf (Debian",
    ] {
        assert!(text.contains(expected), "{expected} not in {text}");
    }
    touch(&prebuilt, "x64/code.fd");
    touch(&prebuilt, "x64/vars.fd");
    Firmware::find(&asked).unwrap();
}

#[test]
fn globs_match_like_the_descriptor_says() {
    use super::descriptor::matches_glob;
    assert!(matches_glob("pc-q35-*", "pc-q35-9.0"));
    assert!(matches_glob("*", "virt-9.0"));
    assert!(matches_glob("virt-*.0", "virt-9.0"));
    assert!(!matches_glob("pc-i440fx-*", "pc-q35-9.0"));
    assert!(!matches_glob("microvm", "pc-q35-9.0"));
}
