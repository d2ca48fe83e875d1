//! `calve check`.

use crate::run::calve;

#[test]
fn no_system() {
    let directory = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(calve(directory.path(), &["check"]), @r#"
    exit code: 2
    --- stderr
    error: no system is named, and ./result does not exist
      help: name a system, or build one: --flake REF#HOST
    "#);
    insta::assert_snapshot!(calve(directory.path(), &["check", "/etc"]), @r#"
    exit code: 2
    --- stderr
    error: /etc is no path of the store and no link to one
    "#);
    let system = "/nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-gone-26.05";
    insta::assert_snapshot!(calve(directory.path(), &["check", system, "--store", "."]), @r#"
    exit code: 2
    --- stderr
    error: cannot look at ./nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-gone-26.05
      ╰─▶ No such file or directory (os error 2)
    "#);
}
