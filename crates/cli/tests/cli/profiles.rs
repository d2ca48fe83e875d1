//! What is said about profiles, good ones and bad ones.

use std::fs;

use crate::run::calve;

/// What `calve show` says of a profile's text.
fn show(name: &str, text: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(name), text).unwrap();
    calve(directory.path(), &["show", &format!("./{name}")])
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_one() {
    insta::assert_snapshot!(show("web.toml", r#"
[[partitions]]
name = "ESP"
type = "esp"
siez = "512M"
content.vfat = { label = "ESP", mount = "/boot" }
"#), @r#"
    exit code: 2
    --- stderr
    error: profile ./web.toml, line 5: unknown key "siez"
       ╭─[./web.toml:5:1]
     4 │ type = "esp"
     5 │ siez = "512M"
       · ──┬─
       ·   ╰── did you mean size?
     6 │ content.vfat = { label = "ESP", mount = "/boot" }
       ╰────
      help: keys that are valid here: name, type, size, content
    "#);
}

#[test]
fn an_unknown_key_inside_a_file_system() {
    insta::assert_snapshot!(show("web.toml", r#"
[[partitions]]
name = "ESP"
type = "esp"
content.vfat = { lable = "ESP", mount = "/boot" }
"#), @r#"
    exit code: 2
    --- stderr
    error: profile ./web.toml, line 5: unknown key "lable"
       ╭─[./web.toml:5:18]
     4 │ type = "esp"
     5 │ content.vfat = { lable = "ESP", mount = "/boot" }
       ·                  ──┬──
       ·                    ╰── did you mean label?
       ╰────
      help: keys that are valid here: label, mount, reserve
    "#);
}

#[test]
fn an_unknown_key_in_json() {
    insta::assert_snapshot!(show("web.json", r#"{
  "disk": { "secter-size": 512 },
  "partitions": []
}
"#), @r#"
    exit code: 2
    --- stderr
    error: profile ./web.json, line 2: unknown key "secter-size"
       ╭─[./web.json:2:14]
     1 │ {
     2 │   "disk": { "secter-size": 512 },
       ·              ─────┬─────
       ·                   ╰── did you mean sector-size?
     3 │   "partitions": []
       ╰────
      help: keys that are valid here: table, sector-size, size
    "#);
}

#[test]
fn a_word_that_is_none() {
    insta::assert_snapshot!(show("web.toml", r#"
[[partitions]]
name = "data"
type = "root"
content.bcachefs = { mount = "/" }
"#), @r#"
    exit code: 2
    --- stderr
    error: profile ./web.toml, line 5: unknown word "bcachefs"
       ╭─[./web.toml:5:9]
     4 │ type = "root"
     5 │ content.bcachefs = { mount = "/" }
       ·         ────┬───
       ·             ╰── unknown word
       ╰────
      help: words that are valid here: vfat, ext4, xfs, btrfs, swap, random-swap, luks
    "#);
}

#[test]
fn a_size_that_is_none() {
    insta::assert_snapshot!(show("web.toml", r#"
[[partitions]]
name = "data"
type = "root"
size = "half"
content.ext4 = { mount = "/" }
"#), @r#"
    exit code: 2
    --- stderr
    error: profile ./web.toml: expected auto, rest or a size such as 512M, found "half"
       ╭─[./web.toml:5:8]
     4 │ type = "root"
     5 │ size = "half"
       ·        ───┬──
       ·           ╰── here
     6 │ content.ext4 = { mount = "/" }
       ╰────
    "#);
}

#[test]
fn a_key_that_is_missing() {
    insta::assert_snapshot!(show("web.toml", r#"
[[partitions]]
type = "root"
content.ext4 = { mount = "/" }
"#), @r#"
    exit code: 2
    --- stderr
    error: profile ./web.toml: missing field `name`
       ╭─[./web.toml:2:1]
     1 │ 
     2 │ [[partitions]]
       · ───────┬──────
       ·        ╰── here
     3 │ type = "root"
       ╰────
    "#);
}

#[test]
fn text_that_is_no_toml() {
    insta::assert_snapshot!(show("web.toml", "[[partitions]\n"), @r#"
    exit code: 2
    --- stderr
    error: profile ./web.toml: unclosed array table, expected `]`
       ╭─[./web.toml:1:14]
     1 │ [[partitions]
       ·              ▲
       ·              ╰── here
       ╰────
    "#);
}

#[test]
fn names_that_are_nearly_right() {
    let directory = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(calve(directory.path(), &["show", "sevrer"]), @r#"
    exit code: 2
    --- stderr
    error: sevrer does not exist
      help: did you mean the profile server?
    "#);
    insta::assert_snapshot!(calve(directory.path(), &["check", "-p", "minimall"]), @r#"
    exit code: 2
    --- stderr
    error: no profile "minimall": neither a file nor a known name
      help: did you mean minimal?
            profiles that come with calve: minimal, server, server-encrypted, impermanent
    "#);
}

#[test]
fn the_example_in_the_documentation() {
    let page = include_str!("../../../../docs/cli.md");
    let (_, example) = page.split_once("```toml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let said = show("web.toml", example);
    assert!(said.starts_with("exit code: 0\n"), "{said}");
}
