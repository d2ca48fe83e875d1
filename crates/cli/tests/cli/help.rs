//! What `--help` says, and how wide.

use crate::run::{calve, output};

const COMMANDS: [&[&str]; 16] = [
    &[],
    &["build", "disk"],
    &["build", "iso"],
    &["build", "lxc"],
    &["build", "wsl"],
    &["check"],
    &["show"],
    &["boot"],
    &["install"],
    &["cache"],
    &["cache", "show"],
    &["cache", "trim"],
    &["cache", "clear"],
    &["luks", "check"],
    &["first-boot", "host-key"],
    &["schema"],
];

#[test]
fn help_fits_100_columns() {
    let directory = tempfile::tempdir().unwrap();
    for command in COMMANDS {
        for help in ["-h", "--help"] {
            let arguments: Vec<&str> = command.iter().copied().chain([help]).collect();
            let output = output(directory.path(), &arguments);
            assert!(output.status.success(), "{arguments:?}");
            let text = String::from_utf8(output.stdout).unwrap();
            let too_wide = text.lines().find(|line| line.chars().count() > 100);
            assert_eq!(too_wide, None, "{arguments:?}");
        }
    }
}

#[test]
fn the_first_screen() {
    let directory = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(calve(directory.path(), &["-h"]), @r#"
    exit code: 0
    --- stdout
    Turn a built NixOS system into something that boots

    Usage: calve [OPTIONS] <COMMAND>

    Commands:
      build       Make an image of a system
      check       Tell whether a system would start: from a disk or an ISO, in a container, in WSL
      show        Show a profile, a system or an image
      boot        Start an image in QEMU
      write       Put an image on a stick or a disk
      survey      Tell what a machine is: firmware, memory, disks and what is on them
      install     Install a system on a machine, over SSH or on the machine itself
      unlock      Unlock the encrypted disks of a host that starts, over SSH
      cache       Show or trim what is kept of earlier builds
      luks        Look into the encrypted volumes of an image
      first-boot  Ask, on a machine's own console, for what its image must not hold
      schema      Print the JSON schema of profiles

    Options:
      -h, --help     Print help (see more with '--help')
      -V, --version  Print version

    Words:
      -q, --quiet       Print nothing but results and errors
      -v, --verbose...  Tell what is done, step by step; twice for all there is to tell

    Exit codes:
      0    done
      1    something went wrong: a file, a tool or the machine
      2    the arguments or the profile are wrong
      3    refused: the system would not boot, the device must not be written, or the host is another
      4    `calve boot`, `calve unlock`, `calve install`: the machine did not say what was expected
      5    nobody gave what was asked for: a key, a passphrase, the name of a disk
      6    `calve luks check`, `calve unlock`: the passphrase was wrong
      130  interrupted
    "#);
}

#[test]
fn wrong_arguments() {
    let directory = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(calve(directory.path(), &["build", "disk", "--frmat", "raw"]), @r#"
    exit code: 2
    --- stderr
    error: unexpected argument '--frmat' found

      tip: a similar argument exists: '--format'

    Usage: calve build disk --format <FORMAT> [SYSTEM]

    For more information, try '--help'.
    "#);
    insta::assert_snapshot!(calve(directory.path(), &["build", "disk", "--size", "8x"]), @r#"
    exit code: 2
    --- stderr
    error: invalid value '8x' for '--size <SIZE>': expected a size such as 512M, 1.5G or 40000 (units: K, M, G, T, powers of 1024), found "8x"

    For more information, try '--help'.
    "#);
    insta::assert_snapshot!(calve(directory.path(), &["build", "disk", "--flake", "."]), @r#"
    exit code: 2
    --- stderr
    error: invalid value '.' for '--flake <REF#HOST>': expected REF#HOST, such as .#web or github:me/config#web: HOST is missing

    For more information, try '--help'.
    "#);
}

#[test]
fn the_page_on_the_command_line_has_the_same_exit_codes() {
    let page = include_str!("../../../../docs/cli.md");
    let directory = tempfile::tempdir().unwrap();
    let help = String::from_utf8(output(directory.path(), &["-h"]).stdout).unwrap();
    let (_, codes) = help.split_once("Exit codes:\n").unwrap();
    for line in codes.lines().filter(|line| !line.is_empty()) {
        let (code, meaning) = line.trim().split_once(' ').unwrap();
        let row = format!("| {code} | {}", meaning.trim());
        assert!(page.contains(&row), "{row}");
    }
}
