//! Keys of the real `ssh-keygen`, in the shapes that people paste them in.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;

use super::store::Stored;
use super::*;

/// Every sort of key that the program makes, with its arguments.
const SORTS: [(&[&str], Algorithm); 5] = [
    (&["-t", "ed25519"], Algorithm::Ed25519),
    (&["-t", "rsa", "-b", "2048"], Algorithm::Rsa),
    (&["-t", "ecdsa", "-b", "256"], Algorithm::EcdsaP256),
    (&["-t", "ecdsa", "-b", "384"], Algorithm::EcdsaP384),
    (&["-t", "ecdsa", "-b", "521"], Algorithm::EcdsaP521),
];

/// Somebody else's key generator, in a directory of its own.
struct Keygen {
    directory: tempfile::TempDir,
}

impl Keygen {
    /// Nothing where it is not installed, which CI must not be.
    fn new() -> Option<Self> {
        if Command::new("ssh-keygen").arg("-?").output().is_ok() {
            return Some(Self { directory: tempfile::tempdir().unwrap() });
        }
        let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(!ci, "CI must not skip: ssh-keygen is not installed");
        eprintln!("SKIPPED: ssh-keygen is not installed");
        None
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("ssh-keygen");
        let output = command.current_dir(self.directory.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?} {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes a key and returns both halves.
    fn key(&self, name: &str, arguments: &[&str]) -> (String, PublicKey) {
        self.run(&[&["-q", "-f", name, "-N", "", "-C", "root@host"], arguments].concat());
        let public = fs::read(self.path(&format!("{name}.pub"))).unwrap();
        let private = fs::read_to_string(self.path(name)).unwrap();
        (private, PublicKey::read(&public).unwrap())
    }
}

/// The lines of a key's file between its first and its last.
fn body(key: &str) -> String {
    let lines: Vec<&str> = key.trim_end().lines().collect();
    lines[1..lines.len() - 1].join("\n")
}

#[test]
fn every_sort_of_key_is_read_as_ssh_keygen_reads_it() {
    let Some(keygen) = Keygen::new() else { return };
    for (arguments, algorithm) in SORTS {
        let name = algorithm.word();
        let (private, public) = keygen.key(name, arguments);
        let found = find(private.as_bytes(), Some(&public)).unwrap();
        assert_eq!(found.public().algorithm(), algorithm);
        assert_eq!(found.text().as_slice(), private.as_bytes());
        let line = fs::read_to_string(keygen.path(&format!("{name}.pub"))).unwrap();
        assert_eq!(format!("{}\n", found.public().line()), line);
        let listed = keygen.run(&["-l", "-f", name]);
        assert!(listed.contains(&format!(" {} ", found.public())), "{listed}");
        // Without the public half the comment, and so the whole file, is the private one's.
        assert_eq!(find(private.as_bytes(), None).unwrap().public().line(), public.line());
    }
}

#[test]
fn a_key_is_found_in_whatever_surrounds_it() {
    let Some(keygen) = Keygen::new() else { return };
    for (arguments, algorithm) in SORTS {
        let (key, public) = keygen.key(algorithm.word(), arguments);
        let (other, _) = keygen.key(&format!("{}-other", algorithm.word()), arguments);
        let each =
            |prefix: &str| key.lines().map(|line| format!("{prefix}{line}\n")).collect::<String>();
        let json = key.replace('\n', "\\n").replace('/', "\\/");
        let noises = [
            key.clone(),
            key.trim_end().to_owned(),
            key.replace('\n', "\r"),
            key.replace('\n', "\r\n"),
            key.replace('\n', "\r\n\r\n"),
            key.replace('\n', " "),
            key.replace('\n', " \t \n"),
            each("    "),
            each("\t"),
            each("> "),
            each("> > "),
            each("+"),
            each("# "),
            each("// "),
            each("| ").replace('\n', " |\n"),
            each("<alice> "),
            format!("\u{1b}[200~{key}\u{1b}[201~"),
            key.replace('\n', "\u{1b}[0m\u{1b}[K\n"),
            format!("{{\"key\": \"{json}\", \"x\": 1}}"),
            format!("echo '{}' > key", key.replace('\n', "\nquote> ")),
            format!("root@laptop:~# cat key\n{key}root@laptop:~# "),
            format!("\u{feff}Hello,\n\nhere it is:\n\n{key}\n-- \nBob"),
            format!("{other}{key}"),
            format!("{}\n{key}", other.split_at(120).0),
            format!("{BEGIN}\n{key}", BEGIN = block::BEGIN),
        ];
        for noise in noises {
            let found = find(noise.as_bytes(), Some(&public));
            assert!(
                found.is_ok_and(|found| found.text().as_slice() == key.as_bytes()),
                "{noise:?}"
            );
            assert!(block::is_over(noise.as_bytes()), "{noise:?}");
        }
    }
}

#[test]
fn what_is_not_the_key_says_why() {
    let Some(keygen) = Keygen::new() else { return };
    let (key, public) = keygen.key("mine", SORTS[0].0);
    let (other, others) = keygen.key("other", SORTS[0].0);
    let (third, thirds) = keygen.key("third", SORTS[1].0);
    keygen.key("encrypted", SORTS[0].0);
    keygen.run(&["-q", "-p", "-f", "encrypted", "-N", "a passphrase"]);
    let encrypted = fs::read_to_string(keygen.path("encrypted")).unwrap();
    keygen.key("pem", &["-t", "rsa", "-b", "2048", "-m", "PEM"]);
    let pem = fs::read_to_string(keygen.path("pem")).unwrap();
    let foreign = key.replacen(&body(&key)[10..13], "b{b", 1);
    let bytes = base64::decode(body(&key).replace('\n', "").as_bytes()).unwrap();
    let strange = String::from_utf8_lossy(&base64::encode(&replaced(&bytes))).into_owned();
    let strange = format!("{}\n{strange}\n{}\n", block::BEGIN, block::END);
    let cases = [
        (
            "",
            "there is no OpenSSH private key in it: expected a line -----BEGIN OPENSSH".to_owned(),
        ),
        ("hello\n", "there is no OpenSSH private key".to_owned()),
        (&public.line(), "it is a public key: expected an OpenSSH private key".to_owned()),
        (&pem, "it is a block of type \"RSA PRIVATE KEY\"".to_owned()),
        ("PuTTY-User-Key-File-3: ssh-ed25519", "it is a key of PuTTY".to_owned()),
        (key.split_at(60).1, "it is the end of a key".to_owned()),
        (key.split_at(200).0, "the key is cut short".to_owned()),
        (&encrypted, "the key has a passphrase: host keys have none".to_owned()),
        (&foreign, "line 1 after its first is not base64".to_owned()),
        (&strange, "the key is of type \"ssh-foo1234\": expected ssh-ed25519, ".to_owned()),
        (&other, format!("it is another key: expected {public}, found {others}")),
        (&format!("{other}{third}"), format!("found {others} and {thirds}")),
    ];
    for (text, expected) in cases {
        let error = find(text.as_bytes(), Some(&public)).unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(said.contains(&expected), "{said}: expected {expected}");
        let is_secret = |line: &str| line.len() > 60 && !line.contains(' ');
        assert!(!text.lines().any(|line| is_secret(line) && said.contains(line)), "{said}");
    }
}

/// The bytes of a key as one of a sort that nobody knows.
fn replaced(key: &[u8]) -> Vec<u8> {
    let (old, new) = (b"ssh-ed25519", b"ssh-foo1234");
    let mut key = key.to_vec();
    while let Some(at) = key.windows(old.len()).position(|window| window == old) {
        key[at..at + new.len()].copy_from_slice(new);
    }
    key
}

/// What a slow serial line does to a paste: no damage goes unnoticed where it can be told.
#[test]
fn a_damaged_key_is_refused() {
    let Some(keygen) = Keygen::new() else { return };
    // A damaged comment is still a comment, so there is none.
    keygen.run(&["-q", "-f", "key", "-N", "", "-C", "", "-t", "ed25519"]);
    let key = fs::read(keygen.path("key")).unwrap();
    let public = PublicKey::read(&fs::read(keygen.path("key.pub")).unwrap()).unwrap();
    for at in 0..key.len() - 1 {
        let is_line_end = key[at] == b'\n';
        let mut lost = key.clone();
        lost.remove(at);
        assert_eq!(find(&lost, Some(&public)).is_ok(), is_line_end, "without byte {at}");
        let mut flipped = key.clone();
        flipped[at] = if key[at] == b'x' { b'y' } else { b'x' };
        assert!(find(&flipped, Some(&public)).is_err(), "with another byte {at}");
        assert!(find(&flipped, None).is_err(), "with another byte {at}, whatever is expected");
    }
}

#[test]
fn public_files() {
    let read = |text: &str| PublicKey::read(text.as_bytes());
    let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    let plain = read(line).unwrap();
    assert!(plain.is_same(&read(&format!("# mine\n\n  {line} root@host\r\n")).unwrap()));
    assert_eq!(plain.line(), line);
    // What `ssh-keyscan github.com` gives is public, and so is its fingerprint.
    assert_eq!(plain.to_string(), "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
    assert_eq!(plain.algorithm().file_name(), "ssh_host_ed25519_key");
    for (text, expected) in [
        ("", "it holds 0 keys: expected 1".to_owned()),
        (&format!("{line}\n{line}\n"), "it holds 2 keys: expected 1".to_owned()),
        (block::BEGIN, "it holds a private key: expected the public half".to_owned()),
        (
            "ssh-dss AAAA",
            "it holds a key of type \"ssh-dss\": expected ssh-ed25519, ssh-rsa".to_owned(),
        ),
        ("ssh-ed25519", "its ssh-ed25519 key is broken".to_owned()),
        (&line[..60], "its ssh-ed25519 key is broken".to_owned()),
        (&line.replace("ssh-ed25519", "ssh-rsa"), "its ssh-rsa key is broken".to_owned()),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(&expected), "{error}: expected {expected}");
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn a_key_is_stored_for_its_owner_alone() {
    let Some(keygen) = Keygen::new() else { return };
    let (text, public) = keygen.key("key", SORTS[0].0);
    let key = find(text.as_bytes(), Some(&public)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("persist/etc/ssh/host_key");
    let store = Store::new(&path).unwrap();
    assert_eq!(store.look(&public).unwrap(), Stored::Nothing);
    store.prepare().unwrap();
    let ssh = path.parent().unwrap();
    assert_eq!((names(ssh).len(), mode(ssh)), (0, 0o755));
    store.write(&key).unwrap();
    assert_eq!(names(ssh), ["host_key", "host_key.pub"]);
    assert_eq!((mode(&path), mode(&ssh.join("host_key.pub"))), (0o600, 0o644));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(
        fs::read(ssh.join("host_key.pub")).unwrap(),
        fs::read(keygen.path("key.pub")).unwrap()
    );
    assert_eq!(store.look(&public).unwrap(), Stored::Expected);
    // What OpenSSH itself cannot read is no key, whatever we find in it.
    for (shape, is_expected) in [
        (format!("{text}hello\n"), true),
        (text.replacen("AAAA", "AA \r\n \tAA", 1), true),
        (format!(" {text}"), false),
        (text.trim_end().to_owned(), false),
        (text.replace('\n', "\r\n"), false),
        (text.replace('\n', "\n> "), false),
        (text.replace('\n', "\\n"), false),
    ] {
        fs::write(&path, &shape).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let mut theirs = Command::new("ssh-keygen");
        let theirs = theirs.arg("-y").arg("-f").arg(&path).output().unwrap();
        assert_eq!(theirs.status.success(), is_expected, "{shape:?}");
        let ours = if is_expected { Stored::Expected } else { Stored::Other(Error::Surrounded) };
        assert_eq!(store.look(&public).unwrap(), ours, "{shape:?}");
    }
    fs::write(&path, &text).unwrap();
    // sshd refuses a key that others may read.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::remove_file(ssh.join("host_key.pub")).unwrap();
    store.complete(&public).unwrap();
    assert_eq!((mode(&path), names(ssh).len()), (0o600, 2));
}

#[test]
fn another_key_makes_room_and_is_kept() {
    let Some(keygen) = Keygen::new() else { return };
    let (text, public) = keygen.key("key", SORTS[0].0);
    let (other, _) = keygen.key("other", SORTS[0].0);
    let key = find(text.as_bytes(), Some(&public)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("host_key");
    let store = Store::new(&path).unwrap();
    for before in [other.as_str(), "rubbish", ""] {
        fs::write(&path, before).unwrap();
        assert!(matches!(store.look(&public).unwrap(), Stored::Other(_)), "{before}");
        store.write(&key).unwrap();
        assert_eq!(fs::read_to_string(store.old()).unwrap(), before);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(names(directory.path()), ["host_key", "host_key.old", "host_key.pub"]);
    }
}

#[test]
fn places_that_take_no_key() {
    let directory = tempfile::tempdir().unwrap();
    let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    let public = PublicKey::read(line.as_bytes()).unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    symlink("nowhere", directory.path().join("link")).unwrap();
    let at = |name: &str| Store::new(directory.path().join(name)).unwrap();
    let error = at("link").look(&public).unwrap_err().to_string();
    assert!(error.ends_with("link is a symbolic link: expected the name of a file"), "{error}");
    let error = at("").look(&public).unwrap_err().to_string();
    assert!(error.ends_with("is a directory or device: expected the name of a file"), "{error}");
    let error = at("file/ssh/key").prepare().unwrap_err().to_string();
    assert!(error.starts_with("cannot make directory ") && error.ends_with("/file"), "{error}");
    assert!(matches!(Store::new("/").unwrap_err(), store::Error::NotAFile { .. }));
    assert_eq!(names(directory.path()), ["file", "link"]);
}

/// A key that is made here is one to `ssh-keygen`, whatever it is called.
#[test]
fn keys_made_here() {
    let Some(keygen) = Keygen::new() else { return };
    for comment in
        ["", "a", "ab", "initrd of a system with a name that is longer than a line of base64"]
    {
        let key = PrivateKey::generate(&[7; 32], 0x0102_0304, comment);
        let text = key.text();
        assert!(find(&text, Some(key.public())).unwrap().public().line() == key.public().line());
        let file = keygen.path("made");
        fs::write(&file, &text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(keygen.run(&["-y", "-f", "made"]).trim_end(), key.public().line());
        assert!(keygen.run(&["-l", "-f", "made"]).contains(&key.public().to_string()));
        assert!(!format!("{key:?}").contains("BwcHBw"), "it prints its fingerprint only");
    }
    let other = PrivateKey::generate(&[8; 32], 0x0102_0304, "");
    assert!(!other.public().is_same(PrivateKey::generate(&[7; 32], 0, "").public()));
}

proptest! {
    #[test]
    fn no_text_is_too_odd(text: Vec<u8>) {
        prop_assert!(find(&text, None).is_err());
        let _ = PublicKey::read(&text);
    }

    #[test]
    fn no_block_is_too_odd(bytes: Vec<u8>, section: Vec<u8>, word in "[a-z0-9-]{0,20}") {
        let string = |bytes: &[u8]| {
            let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
            [length.as_slice(), bytes].concat()
        };
        let section = [[0; 8].as_slice(), &string(word.as_bytes()), &section].concat();
        let key = [b"openssh-key-v1\0".as_slice(), &string(b"none"), &string(b"none"), &string(b""),
            &[0, 0, 0, 1], &string(&bytes), &string(&section)].concat();
        for bytes in [bytes, key] {
            let data = String::from_utf8(base64::encode(&bytes).to_vec()).unwrap();
            let text = format!("{}\n{data}\n{}\n", block::BEGIN, block::END);
            prop_assert!(find(text.as_bytes(), None).is_err());
        }
    }
}
