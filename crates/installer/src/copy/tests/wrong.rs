//! Copies that cannot come to their end, and what is said of them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use super::super::*;
use super::lab::{Lab, PATHS, Watch, nix};

/// What a copy over SSH fails with, each way.
fn failures(lab: &Lab) -> [Error; 2] {
    let ssh = lab.connect();
    [lab.files(), lab.nix()]
        .map(|source| copy(&lab.order(source), To::Ssh(&ssh), &mut Watch::default()).unwrap_err())
}

#[test]
fn a_path_that_is_missing_in_the_source() {
    let Some(lab) = Lab::new() else { return };
    fs::remove_file(lab.old("z-first")).unwrap();
    let name = lab.old("z-first");
    let name = name.file_name().unwrap().to_str().unwrap();
    for error in failures(&lab) {
        assert!(matches!(&error, Error::Missing { path, .. } if path.ends_with(name)), "{error:?}");
    }
}

#[test]
fn a_path_that_is_corrupt_in_the_source() {
    let Some(lab) = Lab::new() else { return };
    let file = lab.old("zoo").join("bin/deep/tool");
    let mut bytes = fs::read(&file).unwrap();
    bytes[1 << 20] ^= 1;
    fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(&file, bytes).unwrap();
    for error in failures(&lab) {
        assert!(
            matches!(&error, Error::Corrupt { path, .. } if path.ends_with("-zoo")),
            "{error:?}"
        );
    }
    // It is not valid there, and what is sound comes.
    fs::write(&file, b"shorter").unwrap();
    let [error, _] = failures(&lab);
    assert!(matches!(&error, Error::Stream(_)), "{error:?}");
    let there = nix(lab.dir.path(), "nix-store", "mnt", &["--dump-db"]);
    assert!(!String::from_utf8(there.stdout).unwrap().contains("-zoo\n"));
}

/// A file system of some MiB, until it is dropped.
struct Small(PathBuf);

impl Small {
    fn mount(at: &str) -> Option<Self> {
        let mut mount = Command::new("mount");
        let is_mounted = mount.args(["-t", "tmpfs", "-o", "size=12M", "calve-test", at]).status();
        if !is_mounted.is_ok_and(|status| status.success()) {
            // CI without mounts is allowed: the guests of qemu-tests fill a disk too.
            eprintln!("SKIPPED: nothing can be mounted here");
            return None;
        }
        Some(Self(at.into()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_target_without_room() {
    let Some(lab) = Lab::new() else { return };
    let Some(_small) = Small::mount(&lab.root) else { return };
    for error in failures(&lab) {
        assert!(matches!(error, Error::Full { .. }), "{error:?}");
    }
}

#[test]
fn a_target_without_nix() {
    let Some(lab) = Lab::new() else { return };
    let ssh = lab.connect();
    let order = Order { under: &["env", "PATH=/nowhere"], ..lab.order(lab.files()) };
    let error = copy(&order, To::Ssh(&ssh), &mut Watch::default()).unwrap_err();
    assert_eq!(error.to_string(), "127.0.0.1 has no nix-store");
}

/// A cache on the loopback; its thread ends with the test's process.
fn cache(directory: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let directory = directory.to_owned();
    thread::spawn(move || {
        listener.incoming().flatten().for_each(|stream| serve(stream, &directory));
    });
    url
}

/// Answers one request.
fn serve(mut stream: TcpStream, directory: &Path) {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    let _ = lines.find(String::is_empty);
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (status, body) = match fs::read(directory.join(path.trim_start_matches('/'))) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let size = body.len();
    let _ =
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n");
    if method == "GET" {
        let _ = stream.write_all(&body);
    }
}

#[test]
fn a_cache_that_nobody_vouches_for_is_refused_until_its_key_is_named() {
    let Some(lab) = Lab::new() else { return };
    let dir = lab.dir.path();
    let files = dir.join("cache");
    let keygen = ["--generate-binary-cache-key", "lab-1", "secret", "public"];
    assert!(Command::new("nix-store").args(keygen).current_dir(dir).status().unwrap().success());
    let toplevel = lab.toplevel.to_string();
    let fill = |settings: &str| {
        let to = format!("file://{}?compression=none{settings}", files.display());
        let features = ["--extra-experimental-features", "nix-command"];
        let words = [&features[..], &["copy", "--to", &to, &toplevel]].concat();
        let filled = nix(dir, "nix", "old", &words);
        assert!(filled.status.success(), "{}", String::from_utf8_lossy(&filled.stderr));
    };
    fill("");
    let url = cache(&files);
    let ssh = lab.connect();
    let order = lab.order(Source::Store { url: &url });
    let error = copy(&order, To::Ssh(&ssh), &mut Watch::default()).unwrap_err();
    assert!(matches!(&error, Error::Unsigned { .. }), "{error:?}");

    fs::remove_dir_all(&files).unwrap();
    fill(&format!("&secret-key={}", dir.join("secret").display()));
    let keys = [fs::read_to_string(dir.join("public")).unwrap().trim().to_owned()];
    let order = Order { keys: &keys, ..order };
    let copied = copy(&order, To::Ssh(&ssh), &mut Watch::default()).unwrap();
    assert_eq!(copied.paths, PATHS);
    let verified = nix(dir, "nix-store", "mnt", &["--verify", "--check-contents"]);
    assert!(verified.status.success());
    assert_eq!(lab.sshd.logins(), 1);
}
