//! `calve cache`.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use calve_image_core::cache::{Cache, Key};
use calve_image_core::units::{Bytes, GIB};

use crate::run::{calve, command, output, shown};

/// Fills a cache with three entries, used one day after the other, the last one 10 minutes ago.
fn filled(directory: &Path) {
    let (cache, now) = (Cache::open(directory, GIB).unwrap(), SystemTime::now());
    for number in 0..3u8 {
        let draft = cache.draft(1).unwrap();
        draft.add(0, &vec![number; 3 << 20], Bytes::ZERO, 0).unwrap();
        draft.commit(Key([number; 32])).unwrap();
        let path = directory.join("uses").join(format!("{number:02x}").repeat(32));
        let age = Duration::from_secs(600 + 86_400 * u64::from(2 - number));
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(now - age).unwrap();
    }
}

#[test]
fn shown_trimmed_and_cleared() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    filled(&cache);
    let calve = |arguments: &[&str]| {
        let mut command = command(directory.path(), &[&["cache"], arguments].concat());
        shown(directory.path(), &command.env("CALVE_CACHE", &cache).output().unwrap())
    };
    insta::assert_snapshot!(calve(&["show"]), @r#"
    exit code: 0
    --- stdout
    cache DIR/cache
      entries     3
      size        9 MiB of 10 GiB
      last use    10 minutes ago
      oldest use  2 days ago
    "#);
    insta::assert_snapshot!(calve(&["trim"]), @r#"
    exit code: 0
    --- stdout
    removed   nothing
    left      3 entries, 9 MiB
    "#);
    insta::assert_snapshot!(calve(&["trim", "--to", "7M"]), @r#"
    exit code: 0
    --- stdout
    removed   1 entry, 3 MiB
    left      2 entries, 6 MiB
    "#);
    insta::assert_snapshot!(calve(&["show", "--cache-size", "1G"]), @r#"
    exit code: 0
    --- stdout
    cache DIR/cache
      entries     2
      size        6 MiB of 1 GiB
      last use    10 minutes ago
      oldest use  1 day ago
    "#);
    let build = Cache::open(&cache, GIB).unwrap();
    build.get(Key([2; 32])).unwrap().unwrap();
    insta::assert_snapshot!(calve(&["clear"]), @r#"
    exit code: 0
    --- stdout
    removed   1 entry, 3 MiB
    left      1 entry, 3 MiB: running builds use it
    "#);
    drop(build);
    insta::assert_snapshot!(calve(&["clear"]), @r#"
    exit code: 0
    --- stdout
    removed   1 entry, 3 MiB
    left      nothing
    "#);
    insta::assert_snapshot!(calve(&["show"]), @r#"
    exit code: 0
    --- stdout
    cache DIR/cache
      entries  0
      size     0 B of 10 GiB
    "#);
}

#[test]
fn as_json() {
    let directory = tempfile::tempdir().unwrap();
    filled(&directory.path().join("calve"));
    let mut command = command(directory.path(), &["cache", "show", "--json"]);
    let said = command.env("XDG_CACHE_HOME", directory.path()).output().unwrap().stdout;
    let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
    assert_eq!(said["cache"], directory.path().join("calve").to_str().unwrap());
    assert_eq!((&said["bound"], &said["entries"]), (&(10u64 << 30).into(), &3.into()));
    assert!(said["size"].as_u64().unwrap() > 9 << 20);
    let time = |key: &str| said[key].as_u64().unwrap();
    assert_eq!(time("lastUse") - time("oldestUse"), 2 * 86_400);
}

#[test]
fn what_is_no_cache() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("diary"), "").unwrap();
    insta::assert_snapshot!(calve(directory.path(), &["cache", "clear", "--cache", "."]), @r#"
    exit code: 2
    --- stderr
    error: . holds other files: expected a cache, an empty directory or none
      help: name another directory: --cache DIR
    "#);
    insta::assert_snapshot!(calve(directory.path(), &["cache", "trim", "--cache", "diary"]), @r#"
    exit code: 1
    --- stderr
    error: cannot open directory diary
      ╰─▶ Not a directory (os error 20)
      help: --cache DIR names another directory for it
    "#);
    let mut homeless = command(directory.path(), &["cache", "show"]);
    let said = homeless.env_remove("XDG_CACHE_HOME").output().unwrap();
    insta::assert_snapshot!(shown(directory.path(), &said), @r#"
    exit code: 2
    --- stderr
    error: neither XDG_CACHE_HOME nor HOME says where a cache would be
      help: name a directory: --cache DIR
    "#);
    assert!(directory.path().join("diary").exists());
}

#[test]
fn a_cache_that_is_not_there_is_empty_and_is_not_made() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [["show", "--json"], ["trim", "--to=1G"]] {
        let arguments = [&["cache"], &arguments[..], &["--cache", "not/there"]].concat();
        assert!(output(directory.path(), &arguments).status.success(), "{arguments:?}");
    }
    assert!(!directory.path().join("not").exists());
}
