//! `calve boot`, as far as it goes without QEMU.

use std::fs;

use crate::run::calve;

#[test]
fn nothing_to_wait_for() {
    let directory = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(calve(directory.path(), &["boot", "disk.raw"]), @r#"
    exit code: 2
    --- stderr
    error: nothing to wait for, and no terminal to use the console on
      help: say what the console shows when the system is up: --expect login:
    "#);
}

#[test]
fn no_image() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["boot", "disk.raw", "--expect", "login:"];
    insta::assert_snapshot!(calve(directory.path(), &arguments), @r#"
    exit code: 1
    --- stderr
    error: disk image disk.raw cannot be read
      ╰─▶ No such file or directory (os error 2)
    "#);
}

#[test]
fn firmware_that_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("disk.raw"), [0; 1024]).unwrap();
    let arguments = ["boot", "disk.raw", "--expect", "login:", "--firmware", "./OVMF.fd"];
    insta::assert_snapshot!(calve(directory.path(), &arguments), @r#"
    exit code: 1
    --- stderr
    error: firmware ./OVMF.fd cannot be read
      ╰─▶ No such file or directory (os error 2)
      help: or name it: --firmware FILE
    "#);
}

#[test]
fn texts_or_a_console() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["boot", "disk.raw", "--expect", "login:", "--interactive"];
    insta::assert_snapshot!(calve(directory.path(), &arguments), @r#"
    exit code: 2
    --- stderr
    error: the argument '--expect <TEXT>' cannot be used with '--interactive'

    Usage: calve boot --expect <TEXT> <IMAGE>

    For more information, try '--help'.
    "#);
}
