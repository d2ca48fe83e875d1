//! Secrets after an initrd, unpacked by GNU cpio and bsdtar, and compared with what NixOS' own script appends.

#![allow(clippy::unwrap_used, clippy::panic, clippy::as_conversions, clippy::disallowed_methods)]

mod contract;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use calve_image_core::boot::initrd_secrets::{Appendix, Part, Secret, Wanted, cpio};
use calve_image_core::boot::remote_unlock::{self, Asked};
use calve_image_core::inputs::initrd::{Initrd, Kind, Limits};
use calve_image_core::inputs::remote_unlock::Asks;
use calve_image_core::inputs::secret_appender::{Appended, Origin};
use calve_image_core::inputs::store::HostStore;
use calve_image_core::inputs::store_path::StoreFile;
use calve_image_core::inputs::system::System;
use calve_image_core::region::{Keys, Reader};
use calve_image_core::tree::{Source, TreePath};
use calve_image_core::units::{Bytes, MIB};
use contract::oracle;
use zeroize::Zeroizing;

/// DEST and content; lengths with every remainder.
const SECRETS: [(&str, &[u8]); 4] = [
    ("/etc/secrets/initrd/ssh_host_ed25519_key", b"a key of 23 bytes here\n"),
    ("/etc/ssh/key", b"1"),
    ("/etc/tauthkey", b"tskey-22-bytes-or-so.."),
    ("/var/lib/tailscale/tailscaled.state", b"{\"_machinekey\":\"x\"}\n"),
];

/// Appends the secrets to an initrd; returns the whole, and where the archive begins.
fn appended(initrd: &[u8]) -> (Vec<u8>, usize) {
    let mut keys = Keys::none();
    let mut parts = BTreeMap::new();
    for (dest, content) in SECRETS {
        let dest = TreePath::parse(dest).unwrap();
        let secret = Secret { dest: dest.clone(), len: Bytes::of(content) };
        keys.insert_secret(secret.id(), Zeroizing::new(content.to_vec()));
        parts.insert(dest, Part::Given(secret));
    }
    let none = |file: &StoreFile| -> Result<Source, cpio::Error> { panic!("{file}") };
    let plan = Appendix(parts).initrd(&Source::bytes(initrd.to_vec()), none).unwrap();
    let mut whole = vec![0; plan.size().to_len().unwrap()];
    Reader::new(&plan, &keys).unwrap().read(Bytes::ZERO, &mut whole).unwrap();
    (whole, initrd.len().next_multiple_of(4))
}

/// Runs a program on some input in a directory; returns what it prints.
fn filter(program: &Path, arguments: &[&str], input: &[u8], directory: &Path) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program:?} {arguments:?}: {said}");
    output.stdout
}

/// Files below a directory with their modes and contents.
fn files(directory: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let (path, metadata) = entry.map(|e| (e.path(), e.metadata().unwrap())).unwrap();
            let mode = metadata.permissions().mode() & 0o7777;
            let content = if metadata.is_dir() { Vec::new() } else { fs::read(&path).unwrap() };
            found.insert(path.strip_prefix(directory).unwrap().to_owned(), (mode, content));
            if metadata.is_dir() {
                left.push(path);
            }
        }
    }
    found
}

#[test]
fn others_unpack_the_archive() {
    let (whole, start) = appended(b"an initrd of 22 bytes.");
    let archive = &whole[start..];
    for (program, list, unpack) in [
        ("cpio", &["-t", "--quiet"][..], &["-id", "--quiet", "--no-absolute-filenames"][..]),
        ("bsdtar", &["-tf", "-"][..], &["-xpf", "-"][..]),
    ] {
        let Some(program) = oracle::need(program) else { continue };
        let directory = tempfile::tempdir().unwrap();
        let names = filter(&program, list, archive, directory.path());
        let names = String::from_utf8(names).unwrap();
        let names: Vec<&str> = names.lines().map(|name| name.trim_end_matches('/')).collect();
        assert!(names.is_sorted_by_key(|name| TreePath::parse(name).unwrap()), "{names:?}");
        filter(&program, unpack, archive, directory.path());
        let found = files(directory.path());
        assert_eq!(found.len(), names.len());
        for (path, (mode, _)) in &found {
            let is_file = directory.path().join(path).is_file();
            assert_eq!(*mode, if is_file { 0o400 } else { 0o700 }, "{path:?}");
        }
        for (dest, content) in SECRETS {
            let (_, unpacked) = &found[Path::new(&format!(".initrd-secrets{dest}"))];
            assert_eq!(unpacked, content, "{dest}");
        }
    }
}

/// Everything that an initrd unpacks to: names, and the contents of files.
fn unpacked(initrd: &[u8]) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
    let limits = Limits::default();
    let read = Initrd::list(initrd, &limits).unwrap();
    let names = read.entries().map(|(name, _)| name.to_vec()).collect();
    let contents = Initrd::extract(initrd, &names, &limits).unwrap();
    let entry = |(name, kind): (&[u8], &Kind)| match kind {
        Kind::File(_) => (name.to_vec(), Some(contents[name].clone())),
        Kind::Directory | Kind::Symlink(_) | Kind::Special => (name.to_vec(), None),
    };
    read.entries().map(entry).collect()
}

/// The script that nixpkgs makes, for these secrets in a directory.
fn script(sources: &Path) -> String {
    let mut script = "set -e\ntmp=$(mktemp -d ${TMPDIR:-/tmp}/initrd-secrets.XXXXXXXXXX)\n\
                      trap 'rm -fR \"$tmp\"' EXIT\n"
        .to_owned();
    for (dest, content) in SECRETS {
        let source = sources.join(dest.replace('/', "-"));
        fs::write(&source, content).unwrap();
        fs::set_permissions(&source, fs::Permissions::from_mode(0o600)).unwrap();
        script.push_str(&format!(
            "mkdir -p $(dirname \"$tmp/.initrd-secrets/{dest}\")\n\
             cp -a {} \"$tmp/.initrd-secrets/{dest}\"\n",
            source.display()
        ));
    }
    script
        + "(cd \"$tmp\" && find . -mindepth 1 | xargs touch -amt 197001010000 && find . -mindepth 1 -print0 | \
           sort -z | cpio --quiet -o -H newc -R +0:+0 --reproducible --null) | gzip -9n >> \"$1\"\n"
}

#[test]
fn it_unpacks_to_what_nixos_own_script_appends() {
    let tools = ["bash", "cpio", "gzip"].map(oracle::need);
    let [Some(bash), Some(cpio), Some(gzip)] = tools else { return };
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("init"), "#!/bin/sh\n").unwrap();
    let arguments = ["-o", "-H", "newc", "--quiet", "--reproducible"];
    let plain = filter(&cpio, &arguments, b"init\n", directory.path());
    let initrd = filter(&gzip, &["-9n"], &plain, directory.path());
    let theirs = directory.path().join("initrd");
    fs::write(&theirs, &initrd).unwrap();
    let script = script(directory.path());
    let run: [&OsStr; 4] = ["-c".as_ref(), script.as_ref(), "x".as_ref(), theirs.as_ref()];
    oracle::expect(&bash, &run);
    let (ours, _) = appended(&initrd);
    assert_eq!(unpacked(&ours), unpacked(&fs::read(theirs).unwrap()));
    assert_eq!(unpacked(&ours).len(), 1 + 12);
}

/// The sample systems' own scripts on copies of their own initrds, where `cargo xtask fixture` has built them.
#[test]
fn samples_unpack_to_what_their_own_scripts_append() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fixture");
    for variant in ["encrypted", "encrypted-systemd", "encrypted-two"] {
        let store = HostStore::host();
        let Ok(toplevel) = store.find(&fixtures.join(variant).join("system")) else {
            eprintln!("SKIPPED: {variant} is not built (cargo xtask fixture {variant})");
            continue;
        };
        let system = System::of(&store, &toplevel).unwrap();
        let spec = system.main.bootspec.as_ref().unwrap();
        let wanted = Wanted::read(&store, &system).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let script = store.read_text(spec.initrd_secrets.as_ref().unwrap(), MIB).unwrap();
        // The script reads the files of the machine that it runs on: here, those below a directory.
        let below = format!("cp -a {}/", directory.path().display());
        let program = directory.path().join("append");
        fs::write(&program, script.replace("cp -a /", &below)).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let (mut keys, mut parts) = (Keys::none(), BTreeMap::new());
        for Appended { dest, origin } in wanted.of(&system.main) {
            let Origin::File(source) = origin else { panic!("{origin:?}") };
            let content = format!("the secret {dest}").into_bytes();
            let file = directory.path().join(source.to_string().trim_start_matches('/'));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, &content).unwrap();
            let secret = Secret { dest: dest.clone(), len: Bytes::of(&content) };
            keys.insert_secret(secret.id(), Zeroizing::new(content));
            parts.insert(dest.clone(), Part::Given(secret));
        }
        let initrd = store.read(spec.initrd.as_ref().unwrap(), MIB * 512).unwrap();
        let theirs = directory.path().join("initrd");
        fs::write(&theirs, &initrd).unwrap();
        oracle::expect(&program, args![&theirs]);
        let none = |file: &StoreFile| -> Result<Source, cpio::Error> { panic!("{file}") };
        let plan = Appendix(parts).initrd(&Source::bytes(initrd), none).unwrap();
        let mut ours = vec![0; plan.size().to_len().unwrap()];
        Reader::new(&plan, &keys).unwrap().read(Bytes::ZERO, &mut ours).unwrap();
        let limits = Limits::default();
        let names = |bytes: &[u8]| {
            let read = Initrd::list(bytes, &limits).unwrap();
            read.entries().map(|(name, kind)| (name.to_vec(), kind.clone())).collect::<Vec<_>>()
        };
        let theirs = fs::read(theirs).unwrap();
        assert_eq!(names(&ours), names(&theirs), "{variant}");
        let secrets = names(&ours).into_iter().map(|(name, _)| name);
        let secrets = secrets.filter(|name| name.starts_with(b".initrd-secrets/")).collect();
        let contents = |bytes: &[u8]| Initrd::extract(bytes, &secrets, &limits).unwrap();
        assert_eq!(contents(&ours), contents(&theirs), "{variant}");
        assert_eq!(contents(&ours).len(), wanted.of(&system.main).len(), "{variant}");
    }
}

/// What a sample's initrd has for unlocking it from afar is what it was made with.
#[test]
fn samples_can_be_unlocked_from_afar() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fixture");
    for (variant, asks) in [
        ("encrypted", Asks::CryptsetupAskpass),
        ("encrypted-systemd", Asks::Systemd),
        ("encrypted-two", Asks::Systemd),
    ] {
        let store = HostStore::host();
        let Ok(toplevel) = store.find(&fixtures.join(variant).join("system")) else {
            eprintln!("SKIPPED: {variant} is not built (cargo xtask fixture {variant})");
            continue;
        };
        let system = System::of(&store, &toplevel).unwrap();
        let asked = Asked { ssh: true, tailscale: None };
        let door = remote_unlock::find(&store, &system, asked).unwrap().ssh.unwrap();
        assert_eq!((door.port, door.asks), (22, asks), "{variant}");
        assert!(door.dest.to_string().ends_with("/ssh_host_ed25519_key"), "{variant}");
        assert!(door.volumes.contains(&"cryptroot".to_owned()), "{variant}");
    }
}
