use super::*;
use crate::epoch::Epoch;

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

fn directory(mode: u16) -> Entry {
    Entry::directory(Meta::root(Mode::new(mode), Epoch::STORE))
}

fn file(text: &str) -> Entry {
    Entry::file(Meta::root(Mode::F644, Epoch::STORE), Source::bytes(text.as_bytes()))
}

#[test]
fn entries_come_in_component_order_with_parents_made() {
    let mut builder = TreeBuilder::new(Epoch::new(7));
    let layer = builder.layer("test");
    for name in ["/etc-x", "/etc/x", "/etc/x y", "/a/b/c"] {
        builder.add(layer, path(name), file("hi"));
    }
    let tree = builder.build().unwrap();
    assert_eq!(
        tree.listing(),
        "/ d 0755 0:0 7\n/a d 0755 0:0 7\n/a/b d 0755 0:0 7\n/a/b/c f 0644 0:0 1 2\n/etc d 0755 0:0 7\n\
         /etc/x f 0644 0:0 1 2\n/etc/x\\x20y f 0644 0:0 1 2\n/etc-x f 0644 0:0 1 2\n"
    );
    let names: Vec<_> = tree.root().children().map(Node::name).collect();
    assert_eq!(names, [b"a".as_slice(), b"etc", b"etc-x"]);
    assert_eq!(tree.find(&path("/a/b/c")).unwrap().path(), path("/a/b/c"));
    assert_eq!(tree.find(&path("/a")).unwrap().subtree().count(), 3);
    assert!(tree.find(&path("/a/c")).is_none());
}

#[test]
fn the_first_layer_owns_a_directory_and_later_ones_only_add() {
    let mut builder = TreeBuilder::new(Epoch::STORE);
    let (store, overlay) = (builder.layer("store"), builder.layer("overlay"));
    builder.add(overlay, path("/nix/store"), directory(0o700));
    builder.add(overlay, path("/nix/store/x"), file(""));
    builder.add(store, path("/nix/store"), directory(0o1775));
    let tree = builder.build().unwrap();
    assert_eq!(tree.find(&path("/nix/store")).unwrap().meta().mode.bits(), 0o1775);
    assert!(tree.find(&path("/nix/store/x")).is_some());
}

#[test]
fn a_clash_names_both_layers() {
    let mut builder = TreeBuilder::new(Epoch::STORE);
    let (one, two) = (builder.layer("generated files"), builder.layer("overlay ./assets"));
    builder.add(one, path("/etc/NIXOS"), file(""));
    builder.add(two, path("/etc/NIXOS"), file("mine"));
    let said = builder.build().unwrap_err().to_string();
    assert!(said.contains("generated files") && said.contains("overlay ./assets"), "{said}");

    let mut builder = TreeBuilder::new(Epoch::STORE);
    let (one, two) = (builder.layer("store"), builder.layer("overlay"));
    builder.add(one, path("/etc"), file(""));
    builder.add(two, path("/etc/deep/x"), file("mine"));
    let said = builder.build().unwrap_err().to_string();
    assert!(
        said.contains("/etc/deep/x") && said.contains("store") && said.contains("overlay"),
        "{said}"
    );
}

#[test]
fn volumes_take_the_longest_mount_point() {
    let mut builder = TreeBuilder::new(Epoch::STORE);
    let layer = builder.layer("test");
    builder.add(layer, path("/boot/loader"), file("l"));
    builder.add(layer, path("/nix/store"), directory(0o1775));
    builder.add(layer, path("/nix/store/x"), file("x"));
    let mounts = [path("/"), path("/boot"), path("/nix"), path("/var/log")];
    let volumes = builder.build().unwrap().split(&mounts, Epoch::new(9)).unwrap();
    assert_eq!(
        volumes.iter().map(Tree::listing).collect::<Vec<_>>(),
        [
            "/ d 0755 0:0 1\n/boot d 0755 0:0 1\n/nix d 0755 0:0 1\n/var d 0755 0:0 9\n/var/log d 0755 0:0 9\n",
            "/ d 0755 0:0 1\n/loader f 0644 0:0 1 1\n",
            "/ d 0755 0:0 1\n/store d 1775 0:0 1\n/store/x f 0644 0:0 1 1\n",
            "/ d 0755 0:0 9\n",
        ]
    );
}

#[test]
fn a_host_directory_is_scanned_in_our_order_and_guarded() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("b")).unwrap();
    std::fs::write(dir.path().join("b/z"), "zz").unwrap();
    std::fs::write(dir.path().join("b-a"), "").unwrap();
    std::os::unix::fs::symlink("b/z", dir.path().join("a")).unwrap();
    let host = HostDir::open(dir.path()).unwrap();
    let mut seen = Vec::new();
    let mut sources = Vec::new();
    scan::scan::<scan::ScanError>(&host, b"", &mut |found| {
        seen.push(String::from_utf8_lossy(found.path).into_owned());
        if let Kind::File(Source::Host(file)) = found.kind {
            sources.push(file);
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, ["", "a", "b", "b/z", "b-a"]);

    let z = &sources[0];
    let open = z.open().unwrap();
    std::fs::write(dir.path().join("b/z"), "changed").unwrap();
    assert!(z.check(&open).unwrap_err().to_string().contains("b/z changed"));
    assert!(z.open().is_err());
    // A directory on the way that became a link is not followed.
    std::fs::rename(dir.path().join("b"), dir.path().join("c")).unwrap();
    std::os::unix::fs::symlink("c", dir.path().join("b")).unwrap();
    assert!(z.open().unwrap_err().to_string().contains("cannot open"));
}
