//! The same input gives the same bytes, whoever builds it and wherever; and nobody needs privileges.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::fake::Fake;

/// Runs `calve build disk` behind a shell line that ends in `"$@"`, and gives the digest.
fn digest(fake: &Fake, directory: &Path, line: &str) -> Result<String, String> {
    let (result, store) = (fake.dir().join("result"), fake.dir().join("store"));
    let (registration, small) =
        (fake.dir().join("fake.registration"), fake.dir().join("small.toml"));
    let output = Command::new("sh")
        .current_dir(directory)
        .args(["-c", line, "sh", assert_cmd::cargo::cargo_bin!("calve").to_str().unwrap()])
        .args(["build", "disk", "--json", "--digest", "-q", "--force", "-o", "image.raw"])
        .arg(result)
        .args(["--store".as_ref(), store.as_os_str()])
        .args(["--registration".as_ref(), registration.as_os_str()])
        .args(["-p".as_ref(), small.as_os_str()])
        .output()
        .unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    Ok(report["image"]["sha256"].as_str().unwrap().to_owned())
}

/// Sets the time of every file and directory of the store.
fn touch(fake: &Fake) {
    let store = fake.dir().join("store");
    let mut touch = Command::new("find");
    touch.arg(store).args(["-exec", "touch", "-h", "-d", "2001-02-03", "{}", "+"]);
    assert!(touch.status().unwrap().success());
}

#[test]
fn another_directory_umask_timezone_language_and_time() {
    let fake = Fake::new();
    let first = digest(&fake, fake.dir(), r#"exec "$@""#).unwrap();
    let other = Fake::new();
    let elsewhere = tempfile::tempdir().unwrap();
    touch(&other);
    let line = r#"umask 077; TZ=Asia/Tokyo LC_ALL=C HOME=/nowhere exec "$@""#;
    assert_eq!(digest(&other, elsewhere.path(), line).unwrap(), first);
}

/// No capability, no user of its own name, an empty /dev: no KVM, no loop devices.
#[test]
fn an_empty_user_namespace() {
    let fake = Fake::new();
    let first = digest(&fake, fake.dir(), r#"exec "$@""#).unwrap();
    let line = r#"exec unshare --map-root-user --mount sh -c 'mount -t tmpfs none /dev && exec unshare --user -- "$@"' sh "$@""#;
    fs::remove_file(fake.dir().join("image.raw")).unwrap();
    match digest(&fake, fake.dir(), line) {
        Ok(again) => assert_eq!(again, first),
        Err(words) if words.contains("unshare") && std::env::var_os("CI").is_none() => {
            eprintln!("SKIPPED: no user namespaces here: {words}");
        }
        Err(words) => panic!("{words}"),
    }
}

#[test]
fn another_user() {
    let fake = Fake::new();
    let first = digest(&fake, fake.dir(), r#"exec "$@""#).unwrap();
    // Root is the only one who can become somebody else; to anybody else this is the test above.
    if !rustix::process::geteuid().is_root() {
        return eprintln!("SKIPPED: only root can become another user");
    }
    let home = tempfile::tempdir().unwrap();
    for directory in [fake.dir(), home.path()] {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(directory, open).unwrap();
    }
    let line = r#"exec setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@""#;
    assert_eq!(digest(&fake, home.path(), line).unwrap(), first);
}
