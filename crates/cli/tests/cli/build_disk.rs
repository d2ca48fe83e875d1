//! `calve build disk`.

use std::fs;
use std::io::Read;

use crate::fake::{Fake, with_system};
use crate::run::{calve, command, output};

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

/// The names in the directory that begin with a dot: what a failed build might leave.
fn left_behind(fake: &Fake) -> Vec<String> {
    let names = fs::read_dir(fake.dir()).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter_map(|name| name.into_string().ok()).filter(|name| name.starts_with('.')).collect()
}

#[test]
fn a_disk() {
    let fake = Fake::new();
    let arguments = with_system(&["build", "disk"], &[]);
    insta::assert_snapshot!(calve(fake.dir(), &arguments), @r#"
    exit code: 0
    --- stdout
    nixos-system-fake-26.05.raw
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    layout    ESP 512 MiB vfat, nixos 261 MiB ext4 of 775 MiB
    written   nixos-system-fake-26.05.raw: 775 MiB, 271 KiB of it data
    "#);
    insta::assert_snapshot!(calve(fake.dir(), &["show", "nixos-system-fake-26.05.raw"]), @r#"
    exit code: 0
    --- stdout
    image nixos-system-fake-26.05.raw, raw
    disk of 775 MiB, GPT, 512-byte sectors, id c1f1bb94-54fd-8008-a01b-f61ac420fde0

    ┌──────────────────────────────────────────────────────────────┬───────────────────────────────┐
    │ ESP                                                          │ nixos                         │
    │ vfat 512 MiB                                                 │ ext4 261 MiB                  │
    └──────────────────────────────────────────────────────────────┴───────────────────────────────┘
      #  name   type             start     size  format  label  id
      1  ESP    esp              1 MiB  512 MiB  vfat    ESP    AE48-C4AF
      2  nixos  root (x86_64)  513 MiB  261 MiB  ext4    nixos  d6432a41-939d-8ccf-8b69-a2e40d8589af
    "#);
    assert_eq!(left_behind(&fake), Vec::<String>::new());
}

#[test]
fn a_dry_run() {
    let fake = Fake::new();
    let arguments = with_system(&["build", "disk"], &["--dry-run", "--size", "8G", "-p", "server"]);
    insta::assert_snapshot!(calve(fake.dir(), &arguments), @r#"
    exit code: 0
    --- stdout
    disk of 8 GiB, GPT, 512-byte sectors, id ab4167aa-4b4e-8d8d-9124-76de062fc976

    ┌────────────┬─────────────────────────────────────────────────────────────────────────────────┐
    │ ESP        │ nixos                                                                           │
    │ vfat 1 GiB │ ext4 6.9 GiB                                                                    │
    └────────────┴─────────────────────────────────────────────────────────────────────────────────┘
      #  name   type  start     size  format  label  id
      1  ESP    esp   1 MiB    1 GiB  vfat    ESP    7AC1-BFEB
      2  nixos  root  1 GiB  6.9 GiB  ext4    nixos  fe6c9719-95cf-8d53-bc9f-49bd926a9465
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    layout    ESP 1 GiB vfat, nixos 6.9 GiB ext4 of 8 GiB
    "#);
    assert!(!fake.dir().join("nixos-system-fake-26.05.raw").exists());
    let pieces = with_system(&["build", "disk"], &["--dry-run", "--pieces", "-q"]);
    let pieces = String::from_utf8(output(fake.dir(), &pieces).stdout).unwrap();
    assert!(pieces.contains(" bytes gpt/protective mbr "), "{pieces}");
}

#[test]
fn the_report() {
    let fake = Fake::new();
    let arguments = with_system(&["build", "disk"], &["-o", "web.qcow2", "--json", "-q"]);
    let said = output(fake.dir(), &arguments);
    let report: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    let size = fs::metadata(fake.dir().join("web.qcow2")).unwrap().len();
    assert_eq!(
        (&report["image"]["size"], &report["image"]["format"]),
        (&size.into(), &"qcow2".into())
    );
    assert_eq!(report["disk"]["partitions"][1]["fileSystem"]["label"], "nixos");
}

#[test]
fn a_stream_is_the_same_image_and_words_keep_out_of_it() {
    let fake = Fake::new();
    let build = ["build", "disk", "-p", "small.toml"];
    let file = output(fake.dir(), &with_system(&build, &["-o", "web.raw"]));
    assert_eq!(file.stdout, b"web.raw\n");
    let stream = output(fake.dir(), &with_system(&build, &["-o", "-", "--json", "-q"]));
    assert!(stream.stdout == fs::read(fake.dir().join("web.raw")).unwrap());
    let report: serde_json::Value = serde_json::from_slice(&stream.stderr).unwrap();
    assert_eq!(report["image"]["size"], stream.stdout.len());
}

#[test]
fn a_file_is_replaced_only_by_force() {
    let fake = Fake::new();
    fs::write(fake.dir().join("web.raw"), "precious").unwrap();
    let arguments = with_system(&["build", "disk"], &["-o", "web.raw"]);
    insta::assert_snapshot!(calve(fake.dir(), &arguments), @r#"
    exit code: 2
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    error: web.raw exists already
      help: --force replaces it
    "#);
    assert_eq!(fs::read(fake.dir().join("web.raw")).unwrap(), b"precious");
    let forced = with_system(&["build", "disk"], &["-o", "web.raw", "--force"]);
    assert!(output(fake.dir(), &forced).status.success());
    assert!(fs::metadata(fake.dir().join("web.raw")).unwrap().len() > 1 << 20);
    assert_eq!(left_behind(&fake), Vec::<String>::new());
}

#[test]
fn what_would_not_boot_is_not_built() {
    let fake = Fake::new();
    fake.grub();
    let arguments = with_system(&["build", "disk"], &["-o", "web.raw"]);
    assert_eq!(output(fake.dir(), &arguments).status.code(), Some(3));
    assert!(!fake.dir().join("web.raw").exists());
}

#[test]
fn no_room() {
    let fake = Fake::new();
    let arguments = with_system(&["build", "disk"], &["--size", "700M"]);
    insta::assert_snapshot!(calve(fake.dir(), &arguments), @r#"
    exit code: 2
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    error: partition "nixos" needs 260 MiB (4.5 MiB of contents, 256 MiB of reserve) but the layout leaves 186 MiB
      help: raise --size or the partition's size, or drop an overlay
    "#);
}

#[test]
fn the_seed_and_the_time_change_the_image_and_nothing_else_does() {
    let fake = Fake::new();
    let digest = |rest: &[&str], epoch: &str| {
        let all: Vec<&str> =
            ["-p", "small.toml", "--json", "--digest", "-q", "--force", "-o", "web.raw"]
                .iter()
                .chain(rest)
                .copied()
                .collect();
        let mut command = command(fake.dir(), &with_system(&["build", "disk"], &all));
        let said = command.env("SOURCE_DATE_EPOCH", epoch).output().unwrap();
        let report: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
        report["image"]["sha256"].as_str().unwrap().to_owned()
    };
    let first = digest(&[], "");
    assert_eq!(first, digest(&[], "1"));
    assert_ne!(first, digest(&["--seed", "two"], ""));
    assert_ne!(first, digest(&[], "1700000000"));
}

#[test]
fn a_time_that_is_none() {
    let fake = Fake::new();
    let mut command = command(fake.dir(), &with_system(&["build", "disk"], &[]));
    let said = command.env("SOURCE_DATE_EPOCH", "today").output().unwrap();
    assert_eq!(said.status.code(), Some(2));
    let words = String::from_utf8(said.stderr).unwrap();
    assert!(words.contains("SOURCE_DATE_EPOCH is \"today\""), "{words}");
}

#[test]
fn overlays() {
    let fake = Fake::new();
    fs::create_dir_all(fake.dir().join("files/root")).unwrap();
    fs::write(fake.dir().join("files/root/hello"), "hello").unwrap();
    let pieces = |rest: &[&str]| {
        let all = with_system(&["build", "disk", "--dry-run", "--pieces", "-q"], rest);
        calve(fake.dir(), &all)
    };
    assert!(pieces(&["--overlay", "files"]).contains(" root/hello\n"));
    insta::assert_snapshot!(pieces(&["--overlay", "nothing"]), @r#"
    exit code: 1
    --- stderr
    error: cannot open directory nothing
      ╰─▶ No such file or directory (os error 2)
    "#);
}

#[test]
fn names_that_the_system_looks_for() {
    let fake = Fake::new();
    fake.fstab(
        "/dev/disk/by-partlabel/disk-main-root / ext4 x-initrd.mount 0 1\n\
         /dev/disk/by-uuid/12CE-A600 /boot vfat umask=0077 0 2\n",
    );
    let arguments = with_system(&["build", "disk"], &["--dry-run", "-q"]);
    insta::assert_snapshot!(calve(fake.dir(), &arguments), @r#"
    exit code: 0
    --- stdout
    disk of 775 MiB, GPT, 512-byte sectors, id c1f1bb94-54fd-8008-a01b-f61ac420fde0

    ┌──────────────────────────────────────────────────────────────┬───────────────────────────────┐
    │ ESP                                                          │ disk-main-root                │
    │ vfat 512 MiB                                                 │ ext4 261 MiB                  │
    └──────────────────────────────────────────────────────────────┴───────────────────────────────┘
      #  name            type    start     size  format  label  id
      1  ESP             esp     1 MiB  512 MiB  vfat           12CE-A600
      2  disk-main-root  root  513 MiB  261 MiB  ext4           14dc1186-61a5-8d38-af80-6121f0eac131
    "#);
}

/// A signal while somebody reads slowly: the rest is not waited for, and nothing stays.
#[test]
fn a_signal_ends_a_stream() {
    let fake = Fake::new();
    let arguments = with_system(&["build", "disk"], &["-o", "-", "-q"]);
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("calve"));
    command.current_dir(fake.dir()).args(arguments).stdout(std::process::Stdio::piped());
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut reader = child.stdout.take().unwrap();
    reader.read_exact(&mut [0; 512]).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    // The write that was under way must come to its end.
    drop(reader);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "error: interrupted\n");
    assert_eq!(left_behind(&fake), Vec::<String>::new());
}

/// A signal in the middle of a file: neither the file nor its unfinished form is left.
#[test]
fn a_signal_ends_a_file() {
    let fake = Fake::new();
    fs::create_dir(fake.dir().join("files")).unwrap();
    let large = vec![1; 512 << 20];
    fs::write(fake.dir().join("files/large"), large).unwrap();
    let rest = ["-o", "web.raw", "-q", "--overlay", "files"];
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("calve"));
    command.current_dir(fake.dir()).args(with_system(&["build", "disk"], &rest));
    let child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    while left_behind(&fake).is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "error: interrupted\n");
    assert_eq!(output.status.code(), Some(130));
    assert!(left_behind(&fake).is_empty() && !fake.dir().join("web.raw").exists());
}
