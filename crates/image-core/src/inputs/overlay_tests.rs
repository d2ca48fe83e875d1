use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// A directory with every sort of mode; `loose` is what a umask of 002 would have left.
fn sample(loose: bool) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    for (path, mode) in [("root", 0o700), ("root/.ssh", 0o700), ("srv", 0o755), ("drop", 0o1777)] {
        std::fs::create_dir(at(path)).unwrap();
        let mode = if loose { mode | (mode & 0o050) >> 1 & 0o020 } else { mode };
        std::fs::set_permissions(at(path), PermissionsExt::from_mode(mode)).unwrap();
    }
    let more = if loose { 0o020 } else { 0 };
    for (path, mode) in [
        ("root/.ssh/id", 0o600),
        ("srv/tool", 0o755 | more),
        ("srv/page", 0o644 | more),
        ("srv/setuid", 0o4755),
    ] {
        std::fs::write(at(path), path).unwrap();
        std::fs::set_permissions(at(path), PermissionsExt::from_mode(mode)).unwrap();
    }
    symlink("page", at("srv/link")).unwrap();
    dir
}

fn listing(dir: &Path, target: &str, rules: &[&str], etc: EtcDir) -> Result<String, Error> {
    let overlay = Overlay { directory: dir.into(), target: TreePath::parse(target).unwrap() };
    let rules: Vec<Rule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    let mut tree = TreeBuilder::new(Epoch::STORE);
    let overlays = Overlays { overlays: &[overlay], rules: &rules, etc, epoch: Epoch::new(5) };
    overlays.add(&mut tree)?;
    Ok(tree.build().unwrap().listing())
}

#[test]
fn modes_are_kept_but_not_what_others_may_write() {
    let expected = "/ d 0755 0:0 1\n\
        /drop d 1777 0:0 5\n\
        /root d 0700 0:0 5\n\
        /root/.ssh d 0700 0:0 5\n\
        /root/.ssh/id f 0600 0:0 5 12\n\
        /srv d 0755 0:0 5\n\
        /srv/link l 0777 0:0 5 -> page\n\
        /srv/page f 0644 0:0 5 8\n\
        /srv/setuid f 0755 0:0 5 10\n\
        /srv/tool f 0755 0:0 5 8\n";
    for loose in [false, true] {
        let dir = sample(loose);
        assert_eq!(listing(dir.path(), "/", &[], EtcDir::Plain).unwrap(), expected);
    }
}

#[test]
fn rules_give_owners_and_modes() {
    let dir = sample(false);
    let rules = ["/home=7:8", "/home/srv=1000:100", "/home/srv/setuid=4755", "/home/root=0750"];
    let text = listing(dir.path(), "/home", &rules, EtcDir::Plain).unwrap();
    for line in [
        "/home d 0755 0:0 1\n",
        "/home/drop d 1777 7:8 5\n",
        "/home/root d 0750 7:8 5\n",
        "/home/srv d 0755 1000:100 5\n",
        "/home/srv/setuid f 4755 1000:100 5 10\n",
        "/home/srv/link l 0777 1000:100 5 -> page\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    let idle = listing(dir.path(), "/", &["/srv/pgae=0600"], EtcDir::Plain).unwrap_err();
    assert_eq!(
        idle.to_string(),
        "the rule for /srv/pgae meets nothing: no overlay holds that path"
    );
}

#[test]
fn files_for_a_hidden_etc_move_or_are_refused() {
    let dir = sample(false);
    let text = listing(dir.path(), "/etc/x", &[], EtcDir::MutableOverlay).unwrap();
    assert!(text.contains("/.rw-etc/upper/x/srv/page f 0644"), "{text}");
    assert!(!text.contains("/etc"), "{text}");
    let refused = listing(dir.path(), "/etc/x", &[], EtcDir::ImmutableOverlay).unwrap_err();
    assert!(refused.to_string().contains("would be hidden"), "{refused}");
}

#[test]
fn attributes_of_the_users_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    if rustix::fs::lsetxattr(&file, "user.note", b"hi", flags).is_err() {
        eprintln!("SKIPPED: no extended attributes in {}", dir.path().display());
        return;
    }
    let mut expected = "/file f 0644 0:0 5 0".to_owned();
    // Only root may give capabilities; CAP_NET_RAW+ep, revision 2.
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    if rustix::fs::lsetxattr(&file, "security.capability", &capability, flags).is_ok() {
        expected.push_str(" security.capability=0100000200200000000000000000000000000000");
        let _ = rustix::fs::lsetxattr(&file, "trusted.host", b"x", flags);
    }
    expected.push_str(" user.note=6869\n");
    let text = listing(dir.path(), "/", &[], EtcDir::Plain).unwrap();
    assert!(text.ends_with(&expected), "{text}");
}

#[test]
fn arguments_are_read_as_people_write_them() {
    let overlay = |text: &str| text.parse::<Overlay>();
    let root = TreePath::root();
    assert_eq!(overlay("a:b").unwrap(), Overlay { directory: "a:b".into(), target: root });
    let etc = TreePath::parse("/etc").unwrap();
    assert_eq!(overlay("./a:/etc/").unwrap(), Overlay { directory: "./a".into(), target: etc });
    assert!(overlay("").is_err() && overlay(":/x").is_err() && overlay("a:/../x").is_err());
    let says = |text: &str| text.parse::<Rule>().map(|rule| rule.says);
    assert_eq!(says("/a=1000:100"), Ok(Says::Owner(1000, 100)));
    assert_eq!(says("/a=b=0644"), Ok(Says::Mode(Mode::F644)));
    for wrong in ["/a", "/a=", "/a=rw", "/a=1000:", "/a=+1:1", "/a=10000", "/a=8", "/..=0644"] {
        assert!(says(wrong).is_err(), "{wrong}");
    }
}
