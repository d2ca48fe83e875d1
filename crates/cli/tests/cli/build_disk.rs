//! `calve build disk`.

use std::fs;

use crate::fake::Fake;
use crate::fake::with_system;
use crate::run::calve;

#[test]
fn a_format_that_contradicts_the_name() {
    let fake = Fake::new();
    let arguments = with_system(&["build", "disk"], &["-o", "web.qcow2", "--format", "raw"]);
    insta::assert_snapshot!(calve(fake.dir(), &arguments), @r#"
    exit code: 2
    --- stderr
    error: --format raw contradicts the ending of the output, .qcow2
    "#);
}

#[test]
fn a_registration_of_another_system() {
    let fake = Fake::new();
    let registration = fs::read_to_string(fake.dir().join("fake.registration")).unwrap();
    let other = registration.replace("nixos-system-fake", "nixos-system-other");
    fs::write(fake.dir().join("fake.registration"), other).unwrap();
    insta::assert_snapshot!(calve(fake.dir(), &with_system(&["build", "disk"], &[])), @r#"
    exit code: 1
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    error: /nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05 is not registered: its NAR hash, size and references are unknown
      help: the closure was read from the registration fake.registration; is it that of this system?
    "#);
}

#[test]
fn a_registration_that_is_none() {
    let fake = Fake::new();
    fs::write(fake.dir().join("fake.registration"), "/nix/store/short\n").unwrap();
    insta::assert_snapshot!(calve(fake.dir(), &with_system(&["build", "disk"], &[])), @r#"
    exit code: 1
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    error: fake.registration is no registration
      ├─▶ line 1: a store path is malformed
      ╰─▶ expected 32 characters of Nix base 32 and a dash at the start of a store path's name, found "short"
      help: expected what `nix-store --dump-db` prints, or the registration of a closureInfo
    "#);
}

#[test]
fn no_source_for_the_closure() {
    let fake = Fake::new();
    let arguments = ["build", "disk", "./result", "--store", "store"];
    insta::assert_snapshot!(calve(fake.dir(), &arguments), @r#"
    exit code: 1
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    error: nothing tells the closure of /nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05: no --registration, nix is not in the search path, no database
      ├─▶ cannot read store/nix/var/nix/db/schema
      ╰─▶ No such file or directory (os error 2)
      help: name the store that holds the system with --store DIR
            or, where Nix is: nix-store --dump-db $(nix-store -qR /nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05) > FILE, and here --registration FILE
    "#);
}
