//! `calve build disk` with encrypted volumes: keys, what is said of them, and what never is.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use rustix::process::Signal;

use crate::fake::{CRYPTTAB, ENCRYPTED_FSTAB, Fake, with_system};
use crate::pty::{Session, is_echoing};
use crate::run::{calve, command, output, shown};

/// A passphrase that would be noticed anywhere.
const SECRET: &str = "correct horse battery staple";

fn fake() -> Fake {
    let fake = Fake::new();
    fake.encrypted(CRYPTTAB, ENCRYPTED_FSTAB);
    fs::write(fake.dir().join("key"), SECRET).unwrap();
    fake
}

fn build<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    with_system(&["build", "disk", "-p", "encrypted.toml"], rest)
}

/// Somebody else's program; without it a test proves nothing here, which CI does not take.
fn need(tool: &str) -> Option<PathBuf> {
    let found = ["/usr/sbin", "/usr/bin"].map(|directory| Path::new(directory).join(tool));
    let found = found.into_iter().find(|file| file.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{tool} is not installed");
        eprintln!("SKIPPED: {tool} is not installed");
    }
    found
}

fn ran(tool: &Path, arguments: &[&OsStr]) -> bool {
    Process::new(tool).args(arguments).output().unwrap().status.success()
}

/// Copies the encrypted partition out of a disk.
fn volume(fake: &Fake, disk: &str) -> PathBuf {
    let disk = fs::File::open(fake.dir().join(disk)).unwrap();
    let mut bytes = vec![0; 48 << 20];
    disk.read_exact_at(&mut bytes, 49 << 20).unwrap();
    let to = fake.dir().join("volume");
    fs::write(&to, bytes).unwrap();
    to
}

fn opens(volume: &Path, key: &[u8]) -> Option<bool> {
    let cryptsetup = need("cryptsetup")?;
    let file = volume.with_file_name("try");
    fs::write(&file, key).unwrap();
    let test = ["open", "--test-passphrase", "--key-file"].map(OsStr::new);
    Some(ran(&cryptsetup, &[&test[..], &[file.as_os_str(), volume.as_os_str()]].concat()))
}

#[test]
fn a_disk_that_cryptsetup_opens_and_e2fsck_finds_clean() {
    let fake = fake();
    let arguments = build(&["-o", "web.raw", "--luks-key", "crypt=file:key"]);
    insta::assert_snapshot!(calve(fake.dir(), &arguments), @r#"
    exit code: 0
    --- stdout
    web.raw
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    warning: it boots, but
      ESP
        the system wants  512 MiB, so that three generations fit
        the layout gives  48 MiB
        to mend it        make the ESP at least 512 MiB, or leave its size to calve
    deriving  1 key of crypt: pbkdf2-sha256, 1000 iterations
    layout    ESP 48 MiB vfat, cryptroot 48 MiB luks/ext4 of 98 MiB
    written   web.raw: 98 MiB, 6.1 MiB of it data
    note      copies of this image share their volume keys; on each machine but one, once it runs:
              cryptsetup reencrypt /dev/disk/by-partlabel/cryptroot
    "#);
    let mode = fs::metadata(fake.dir().join("web.raw")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let volume = volume(&fake, "web.raw");
    let (Some(cryptsetup), Some(e2fsck)) = (need("cryptsetup"), need("e2fsck")) else { return };
    assert_eq!(opens(&volume, SECRET.as_bytes()), Some(true));
    assert_eq!(opens(&volume, b"correct horse"), Some(false));
    let (header, key) = (fake.dir().join("header"), fake.dir().join("key"));
    let decrypt = ["reencrypt", "--decrypt", "--force-offline-reencrypt", "--batch-mode"];
    let mut arguments: Vec<&OsStr> = decrypt.iter().map(OsStr::new).collect();
    arguments.extend(["--header".as_ref(), header.as_os_str(), "--key-file".as_ref()]);
    arguments.extend([key.as_os_str(), volume.as_os_str()]);
    assert!(ran(&cryptsetup, &arguments));
    // What was encrypted has moved to the front.
    fs::File::options().write(true).open(&volume).unwrap().set_len(32 << 20).unwrap();
    assert!(ran(&e2fsck, &["-fn".as_ref(), volume.as_os_str()]));
}

#[test]
fn a_dry_run_shows_what_is_in_what_and_needs_no_key() {
    let fake = fake();
    insta::assert_snapshot!(calve(fake.dir(), &build(&["--dry-run"])), @r#"
    exit code: 0
    --- stdout
    disk of 98 MiB, GPT, 512-byte sectors, id eb1a12ee-8726-8cc1-b747-9ce5a1d9d767

    ┌────────┬──────────────────────────────────────┬─────────────────────────────────────┬────────┐
    │ unused │ ESP                                  │ cryptroot                           │ unused │
    │ 1 MiB  │ vfat 48 MiB                          │ luks/ext4 48 MiB                    │ 1 MiB  │
    └────────┴──────────────────────────────────────┴─────────────────────────────────────┴────────┘
      #  name       type   start    size  format  label  id
      1  ESP        esp    1 MiB  48 MiB  vfat    ESP    259C-E5CF
      2  cryptroot  root  49 MiB  48 MiB  luks           d86d3601-cd38-81a1-852d-fe29af7fb2e4
         └ crypt                  32 MiB  ext4           bfac6e6b-327d-85c4-8d2d-87e0e596b091

    crypt: LUKS2, aes-xts-plain64, 512-bit key, 512-byte sectors; 1 key, pbkdf2-sha256, 1000 iterations; unused space is holes
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    warning: it boots, but
      ESP
        the system wants  512 MiB, so that three generations fit
        the layout gives  48 MiB
        to mend it        make the ESP at least 512 MiB, or leave its size to calve
    layout    ESP 48 MiB vfat, cryptroot 48 MiB luks/ext4 of 98 MiB
    "#);
    // Nothing is asked, and nothing is read.
    let arguments = build(&["--dry-run", "-q", "--luks-key", "prompt", "--luks-key=file:absent"]);
    assert!(output(fake.dir(), &arguments).status.success());
}

#[test]
fn a_check_names_the_keys_and_what_does_not_fit() {
    let fake = fake();
    let check = |profile| {
        let arguments = with_system(&["check", "-p", profile], &[]);
        String::from_utf8(output(fake.dir(), &arguments).stderr).unwrap()
    };
    let said = check("encrypted.toml");
    assert!(said.contains("needs     --luks-key crypt=SOURCE, whenever"), "{said}");
    let said = check("server-encrypted");
    assert!(said.contains("needs     --luks-key crypt=SOURCE, whenever"), "{said}");
    assert!(check("server").contains("no encrypted volume of that name"));
    assert!(
        check("impermanent").contains("volume \"cryptnix\" (ext4)"),
        "{}",
        check("impermanent")
    );
}

#[test]
fn the_report_tells_how_and_no_key() {
    let fake = fake();
    let rest = ["-o", "web.qcow2", "--json", "-q", "--luks-key", "env:KEY", "--luks-recovery-key"];
    let said = command(fake.dir(), &build(&rest)).env("KEY", SECRET).output().unwrap();
    let text = String::from_utf8(said.stdout).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let partition = &report["disk"]["partitions"][1];
    assert!(partition["fileSystem"].is_null());
    insta::assert_snapshot!(serde_json::to_string_pretty(&partition["luks"]).unwrap(), @r#"
    {
      "name": "crypt",
      "label": null,
      "uuid": "d86d3601-cd38-81a1-852d-fe29af7fb2e4",
      "cipher": "aes-xts-plain64",
      "keyBits": 512,
      "sectorSize": 512,
      "kdf": {
        "type": "pbkdf2",
        "iterations": 1000
      },
      "keyslots": 2,
      "noise": false,
      "size": 33554432,
      "fileSystem": {
        "type": "ext4",
        "label": null,
        "uuid": "bfac6e6b-327d-85c4-8d2d-87e0e596b091"
      }
    }
    "#);
    let words = String::from_utf8(said.stderr).unwrap();
    let recovery = recovery(&words);
    assert!(!text.contains(&recovery) && !text.contains(SECRET) && !words.contains(SECRET));
    let raw = fs::read(fake.dir().join("web.qcow2")).unwrap();
    assert!(!raw.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()));
}

/// The recovery key among the words: eight groups of eight letters.
fn recovery(words: &str) -> String {
    let is_key = |line: &&str| line.len() == 71 && line.matches('-').count() == 7;
    words.lines().map(str::trim).find(is_key).unwrap_or_else(|| panic!("{words}")).to_owned()
}

#[test]
fn a_recovery_key_is_shown_once_and_opens() {
    let fake = fake();
    let rest = ["-o", "web.raw", "-q", "--luks-key=crypt=file:key", "--luks-recovery-key=crypt"];
    let words = String::from_utf8(output(fake.dir(), &build(&rest)).stderr).unwrap();
    let key = recovery(&words);
    assert_eq!(words.matches(&key).count(), 1);
    assert!(!words.contains('\x1b'), "no drawing where there is no terminal: {words}");
    let volume = volume(&fake, "web.raw");
    if let Some(opens_with_it) = opens(&volume, key.as_bytes()) {
        assert!(opens_with_it && opens(&volume, SECRET.as_bytes()) == Some(true));
    }
    let forced: Vec<&str> = build(&rest).into_iter().chain(["--force"]).collect();
    let again = String::from_utf8(output(fake.dir(), &forced).stderr).unwrap();
    assert_ne!(recovery(&again), key);
}

#[test]
fn keys_that_are_missing_or_for_nothing() {
    let fake = fake();
    insta::assert_snapshot!(calve(fake.dir(), &build(&["-o", "web.raw", "-q"])), @r#"
    exit code: 2
    --- stderr
    error: no key for the encrypted volume "crypt"
      help: --luks-key crypt=prompt asks for a passphrase, --luks-key crypt=file:PATH takes a key file; --luks-recovery-key makes a key
    "#);
    let other = build(&["-o", "web.raw", "-q", "--luks-key", "cryptroot=file:key"]);
    insta::assert_snapshot!(calve(fake.dir(), &other), @r#"
    exit code: 2
    --- stderr
    error: a key for "cryptroot", which is no encrypted volume of the disk
      help: encrypted volumes of this disk: crypt
    "#);
    let plain = Fake::new();
    let arguments = with_system(&["build", "disk"], &["-q", "--luks-key", "prompt"]);
    insta::assert_snapshot!(calve(plain.dir(), &arguments), @r#"
    exit code: 2
    --- stderr
    error: a key, and nothing that it opens
      help: the disk has no encrypted volume; choose a profile with one
    "#);
    // Somebody forgot "prompt": what was typed may be the passphrase.
    for typed in ["hunter2", "crypt=hunter2"] {
        let run = calve(fake.dir(), &build(&["-o", "web.raw", "-q", "--luks-key", typed]));
        assert!(
            !run.contains("hunter2") && run.contains("--luks-key: expected file:PATH"),
            "{run}"
        );
    }
    let absent = build(&["-o", "web.raw", "-q", "--luks-key", "file:absent"]);
    insta::assert_snapshot!(calve(fake.dir(), &absent), @r#"
    exit code: 1
    --- stderr
    error: the key file:absent cannot be read
      ╰─▶ No such file or directory (os error 2)
    "#);
    let nobody = build(&["-o", "web.raw", "-q", "--luks-key", "prompt"]);
    insta::assert_snapshot!(calve(fake.dir(), &nobody), @r#"
    exit code: 5
    --- stderr
    error: nobody gave the key
      ╰─▶ stdin is no terminal to ask on
      help: without a terminal: file:PATH, env:VAR, fd:N or command:CMD
    "#);
    let names = fs::read_dir(fake.dir()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().contains("web.raw")));
}

#[test]
fn a_key_file_that_nobody_could_type() {
    let fake = fake();
    fs::write(fake.dir().join("key"), format!("{SECRET}\n")).unwrap();
    let said = output(fake.dir(), &build(&["-o", "web.raw", "--luks-key", "file:key"]));
    let words = String::from_utf8(said.stderr).unwrap();
    assert!(words.contains("warning: the key of crypt from file:key"), "{words}");
    assert!(!words.contains(SECRET));
}

#[test]
fn the_key_is_in_no_childs_environment() {
    let fake = fake();
    let bin = fake.dir().join("bin");
    fs::create_dir(&bin).unwrap();
    let nix = "#!/bin/sh\necho \"${KEY-unset} ${OTHER-unset}\" > \"$SAID\"\nexit 1\n";
    fs::write(bin.join("nix"), nix).unwrap();
    fs::set_permissions(bin.join("nix"), fs::Permissions::from_mode(0o755)).unwrap();
    let said = fake.dir().join("said");
    let arguments = ["build", "disk", "./result", "--store", "store", "--luks-key", "env:KEY"];
    let mut command = command(fake.dir(), &arguments);
    command.env("PATH", &bin).env("KEY", SECRET).env("OTHER", "kept").env("SAID", &said);
    command.output().unwrap();
    assert_eq!(fs::read_to_string(said).unwrap(), "unset kept\n");
}

fn session(fake: &Fake, rest: &[&str]) -> Session {
    let mut command = Process::new(assert_cmd::cargo::cargo_bin!("calve"));
    command.current_dir(fake.dir()).args(build(rest)).env_clear().env("TERM", "dumb");
    Session::start(command, vec![SECRET.to_owned()])
}

#[test]
fn a_passphrase_is_typed_twice() {
    let fake = fake();
    let mut session = session(&fake, &["-o", "web.raw", "--json", "--luks-key", "prompt"]);
    session.wait_for("new passphrase for crypt: ");
    assert!(!is_echoing(&session.slave));
    session.enter("something else\n");
    session.wait_for("the same again: ");
    session.enter("another thing\n");
    session.wait_for("they differ; new passphrase for crypt: ");
    session.enter(&format!("{SECRET}\n"));
    session.wait_for("the same again: ");
    session.enter(&format!("{SECRET}\n"));
    let end = session.end_with_data();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    if let Some(opens) = opens(&volume(&fake, "web.raw"), SECRET.as_bytes()) {
        assert!(opens);
    }
}

#[test]
fn a_signal_at_the_prompt_leaves_nothing_behind() {
    let fake = fake();
    let mut session = session(&fake, &["-o", "web.raw", "--luks-key", "prompt"]);
    session.wait_for("new passphrase for crypt: ");
    session.signal(Signal::INT);
    let end = session.end();
    assert_eq!((end.code, end.stderr.lines().last()), (Some(130), Some("error: interrupted")));
    let names = fs::read_dir(fake.dir()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().contains("web.raw")));
}

#[test]
fn nobody_answers() {
    let fake = fake();
    let mut session = session(&fake, &["-o", "web.raw", "-q", "--luks-key", "prompt"]);
    session.wait_for("new passphrase for crypt: ");
    session.enter("\x04");
    let end = session.end();
    assert_eq!(end.code, Some(5), "{}", end.stderr);
    assert!(end.stderr.starts_with("error: nobody gave the key"), "{}", end.stderr);
}

#[test]
fn what_the_profile_must_not_say() {
    let fake = fake();
    let profile = fs::read_to_string(fake.dir().join("encrypted.toml")).unwrap();
    let said = |from: &str, to: &str| {
        assert!(profile.contains(from));
        fs::write(fake.dir().join("encrypted.toml"), profile.replace(from, to)).unwrap();
        let arguments = build(&["--dry-run", "-q"]);
        shown(fake.dir(), &output(fake.dir(), &arguments))
    };
    let root = "content.ext4 = { mount = \"/\", reserve = \"1M\" }";
    insta::assert_snapshot!(said(root, "content.random-swap = {}"), @r#"
    exit code: 2
    --- stderr
    error: the LUKS volume in partition "cryptroot" holds random-swap: expected ext4, vfat or swap
    "#);
    insta::assert_snapshot!(said("iterations = 1000", "iterations = 10"), @r#"
    exit code: 2
    --- stderr
    error: partition "cryptroot" cannot be a LUKS volume
      ╰─▶ iterations of PBKDF2: expected 1000 to 2147483647, found 10
      help: mend content.luks in the profile, or its keys
    "#);
    insta::assert_snapshot!(said("content.vfat = { mount = \"/boot\" }",
        "content.luks = { content.vfat = { mount = \"/boot\" } }"), @r#"
    exit code: 2
    --- stderr
    error: partition "ESP" is for the boot loader and holds a LUKS volume: expected a plain vfat file system, since firmware opens no encrypted one
    "#);
    insta::assert_snapshot!(said(root, ""), @r#"
    exit code: 2
    --- stderr
    error: profile encrypted.toml: missing field `content`
        ╭─[encrypted.toml:13:1]
     12 │ 
     13 │ [partitions.content.luks]
        · ────────────┬────────────
        ·             ╰── here
     14 │ kdf.pbkdf2 = { iterations = 1000 }
        ╰────
    "#);
}

#[test]
fn a_root_in_memory_and_what_lasts_on_one_volume() {
    let fake = Fake::new();
    let fstab = "tmpfs / tmpfs x-initrd.mount,mode=0755 0 0\n\
        /dev/mapper/crypt /persist ext4 x-initrd.mount 0 2\n\
        /persist/nix /nix none x-initrd.mount,bind 0 0\n\
        /persist/etc/ssh /etc/ssh none bind 0 0\n\
        /dev/disk/by-label/ESP /boot vfat defaults 0 2\n";
    fake.encrypted(CRYPTTAB, fstab);
    let profile = fs::read_to_string(fake.dir().join("encrypted.toml")).unwrap();
    let profile = profile.replace("mount = \"/\",", "mount = \"/persist\",");
    fs::write(fake.dir().join("encrypted.toml"), profile).unwrap();
    fs::create_dir_all(fake.dir().join("files/etc/ssh")).unwrap();
    fs::write(fake.dir().join("files/etc/ssh/host_key"), "not a key").unwrap();
    fs::write(fake.dir().join("key"), SECRET).unwrap();
    let rest = ["-o", "web.raw", "-q", "--overlay", "files", "--luks-key", "file:key"];
    let said = output(fake.dir(), &build(&rest));
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let tools = ["cryptsetup", "debugfs"].map(need);
    let [Some(cryptsetup), Some(debugfs)] = tools else { return };
    let volume = volume(&fake, "web.raw");
    let (header, key) = (fake.dir().join("header"), fake.dir().join("key"));
    let decrypt = ["reencrypt", "--decrypt", "--force-offline-reencrypt", "--batch-mode"];
    let mut arguments: Vec<&OsStr> = decrypt.iter().map(OsStr::new).collect();
    arguments.extend(["--header".as_ref(), header.as_os_str(), "--key-file".as_ref()]);
    arguments.extend([key.as_os_str(), volume.as_os_str()]);
    assert!(ran(&cryptsetup, &arguments));
    let listed = |directory: &str| {
        let request = format!("ls -p {directory}");
        let output = Process::new(&debugfs).args(["-R", &request]).arg(&volume).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(listed("/etc/ssh").contains("/host_key/"), "{}", listed("/"));
    assert!(
        listed("/nix").contains("/store/") && listed("/nix/store").contains("nixos-system-fake")
    );
    let homeless = ["--dry-run", "-q", "--overlay", "files:/elsewhere"];
    assert_eq!(output(fake.dir(), &build(&homeless)).status.code(), Some(2));
}
