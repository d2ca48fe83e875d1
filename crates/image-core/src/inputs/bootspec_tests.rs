//! Bootspec: real documents, extensions, and what each malformed one is told.

#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use serde_json::json;

use super::*;

const UEFI: &str = include_str!("../../testdata/real/minimal-uefi/boot.json");
const LUKS: &str = include_str!("../../testdata/real/luks-initrd-ssh/boot.json");
const REAL: [&str; 6] = [
    UEFI,
    LUKS,
    include_str!("../../testdata/real/btrfs-lvm-swap/boot.json"),
    include_str!("../../testdata/real/grub-bios/boot.json"),
    include_str!("../../testdata/real/iso/boot.json"),
    include_str!("../../testdata/real/testvm/boot.json"),
];

/// A document's value with one change.
fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut value: Value = serde_json::from_str(UEFI).unwrap();
    change(&mut value);
    value.to_string()
}

fn refusal(change: impl FnOnce(&mut Value)) -> String {
    Bootspec::parse(&changed(change), "boot.json").unwrap_err().to_string()
}

#[test]
fn real_documents_are_read() {
    for text in REAL {
        let spec = Bootspec::parse(text, "boot.json").unwrap();
        assert_eq!(spec.init.to_string(), format!("{}/init", spec.toplevel));
        assert_eq!(spec.system, "x86_64-linux");
        assert_eq!(spec.sort_key, "nixos");
        assert!(spec.specialisations.is_empty());
    }
    let spec = Bootspec::parse(UEFI, "boot.json").unwrap();
    assert_eq!(spec.label, "NixOS Vicuna 24.11pre-git (Linux 6.12.107+deb13-amd64)");
    assert_eq!(spec.kernel.file_name(), "bzImage");
    assert_eq!(spec.kernel_params, ["console=ttyS0", "loglevel=4"]);
    assert_eq!(spec.initrd_secrets, None);
    let secrets = Bootspec::parse(LUKS, "boot.json").unwrap().initrd_secrets.unwrap();
    assert_eq!(secrets.inner(), "bin/append-initrd-secrets");
}

#[test]
fn specialisations_and_extensions() {
    let child: Value = serde_json::from_str(UEFI).unwrap();
    let tree = "/nix/store/p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-dtbs/board.dtb";
    let text = changed(|value| {
        value[SPECIALISATIONS] = json!({ "b": child.clone(), "a": child });
        value[SYSTEMD_BOOT] = json!({ "devicetree": tree, "sortKey": "z", "new": [] });
        value[EXTRA_INITRD] = json!({ "paths": ["/EFI/extra.img"] });
        value["com.example.other"] = json!(null);
        value[V1]["initrd"] = json!(null);
    });
    let spec = Bootspec::parse(&text, "boot.json").unwrap();
    let names: Vec<Option<&str>> = spec.all().map(|(name, _)| name).collect();
    assert_eq!(names, [None, Some("a"), Some("b")]);
    assert_eq!(spec.devicetree.unwrap().to_string(), tree);
    assert_eq!(spec.sort_key, "z");
    assert_eq!(spec.specialisations["a"].sort_key, "nixos");
    assert_eq!(spec.extra_initrds, ["/EFI/extra.img"]);
    assert_eq!(spec.initrd, None);
}

#[test]
fn refusals_name_file_and_key() {
    let found = refusal(|v| v[V1]["kernel"] = json!(7));
    assert_eq!(found, "boot.json: org.nixos.bootspec.v1.kernel: expected a string, found a number");
    let found = refusal(|v| drop(v[V1].as_object_mut().unwrap().remove("init")));
    assert_eq!(found, "boot.json: org.nixos.bootspec.v1.init is missing, expected a string");
    let found = refusal(|v| v[V1]["toplevel"] = json!("/tmp"));
    assert_eq!(found, "boot.json: org.nixos.bootspec.v1.toplevel is malformed");
    let found = refusal(|v| v[V1]["kernelParams"] = json!(["quiet", 1]));
    assert_eq!(
        found,
        "boot.json: org.nixos.bootspec.v1.kernelParams: expected a list of strings, found a number"
    );
    let found = refusal(|v| v[SPECIALISATIONS] = json!({ "x": { V1: [] } }));
    assert_eq!(
        found,
        "boot.json: org.nixos.specialisation.v1.x.org.nixos.bootspec.v1: expected an object, found \
         a list"
    );
    let found = Bootspec::parse("[]", "b").unwrap_err().to_string();
    assert_eq!(found, "b: the document: expected an object, found a list");
    let found = Bootspec::parse("{}", "b").unwrap_err().to_string();
    assert_eq!(found, "b: org.nixos.bootspec.v1 is missing, expected an object");
    assert_eq!(Bootspec::parse("{", "b").unwrap_err().to_string(), "b is not JSON");
}

#[test]
fn specialisations_do_not_nest() {
    let found = refusal(|value| {
        let child = value.clone();
        let mut middle = value.clone();
        middle[SPECIALISATIONS] = json!({ "inner": child });
        value[SPECIALISATIONS] = json!({ "outer": middle });
    });
    assert_eq!(
        found,
        "boot.json: org.nixos.specialisation.v1.outer.org.nixos.specialisation.v1: expected no \
         specialisations inside a specialisation, found 1"
    );
}

/// Puts each kind of value in place of each value of a document, and leaves each out.
fn replaced(value: &Value, found: &mut Vec<Value>) {
    let kinds = [json!(null), json!(true), json!(1e300), json!("x"), json!([[]]), json!({"a": {}})];
    if let Some(map) = value.as_object() {
        for key in map.keys() {
            let mut less = map.clone();
            less.remove(key);
            found.push(Value::Object(less));
            let mut inner = kinds.to_vec();
            replaced(&map[key], &mut inner);
            found.extend(inner.into_iter().map(|other| {
                let mut changed = map.clone();
                changed.insert(key.clone(), other);
                Value::Object(changed)
            }));
        }
    }
}

#[test]
fn any_kind_in_any_place_is_read_or_refused() {
    let mut documents = Vec::new();
    replaced(&serde_json::from_str(UEFI).unwrap(), &mut documents);
    assert!(documents.len() > 70, "{}", documents.len());
    for document in documents {
        if let Err(error) = Bootspec::parse(&document.to_string(), "boot.json") {
            assert!(error.to_string().starts_with("boot.json: "), "{error}");
        }
    }
    let deep = "[".repeat(100_000);
    assert!(matches!(Bootspec::parse(&deep, "boot.json"), Err(Error::Json { .. })));
}

proptest! {
    #[test]
    fn a_damaged_document_is_read_or_refused(at in 0usize..UEFI.len(), byte in 32u8..127) {
        let mut bytes = UEFI.as_bytes().to_vec();
        bytes[at] = byte;
        let _ = Bootspec::parse(std::str::from_utf8(&bytes).unwrap(), "boot.json");
    }
}
