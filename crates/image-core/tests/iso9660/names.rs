//! What entries are called by those who read no Rock Ridge.

use super::*;
use crate::corpus::Corpus;

#[test]
fn isoinfo_finds_everything_by_every_name() {
    let mut corpus = Corpus::default();
    corpus
        .file("isolinux/isolinux.cfg", *b"cfg")
        .file("boot/nix/store/abc-linux-6.12/bzImage", *b"k");
    corpus.file("README", *b"1").file("readme", *b"2").symlink("link", "README");
    corpus.file("gr\u{fc}n", *b"3").file(format!("{}.txt", "l".repeat(100)), *b"4");
    let (_dir, iso) = written(&volume(&corpus.build()));
    let Some(rock_ridge) = readers::isoinfo(&iso, Some("-R")) else { return };
    let long = "l".repeat(100);
    let mut expected = vec![
        "/README".to_owned(),
        "/boot".to_owned(),
        "/boot/nix".to_owned(),
        "/boot/nix/store".to_owned(),
        "/boot/nix/store/abc-linux-6.12".to_owned(),
        "/boot/nix/store/abc-linux-6.12/bzImage".to_owned(),
        "/gr\u{fc}n".to_owned(),
        "/isolinux".to_owned(),
        "/isolinux/isolinux.cfg".to_owned(),
        "/link".to_owned(),
        format!("/{long}.txt"),
        "/readme".to_owned(),
    ];
    expected.sort_unstable();
    assert_eq!(rock_ridge, expected);
    insta::assert_snapshot!("plain", readers::isoinfo(&iso, None).unwrap().join("\n"));
    insta::assert_snapshot!("joliet", readers::isoinfo(&iso, Some("-J")).unwrap().join("\n"));
}

#[test]
fn the_volume_has_its_whole_name() {
    let (_dir, iso) = written(&volume(&corpus::plain()));
    let Some(blkid) = oracle::need("blkid") else { return };
    let said = oracle::expect(&blkid, crate::args!["-p", "-o", "export", &iso]);
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("TYPE=iso9660\n"), "{said}");
    assert!(said.contains("LABEL=nixos-26.05-x86_64\n"), "{said}");
    assert!(said.contains("UUID=2023-11-14-22-13-20-00\n"), "{said}");
}
