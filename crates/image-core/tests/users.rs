//! Accounts, judged by the programs that keep them: pwck, grpck and openssl.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, missing_docs)]
#![allow(clippy::disallowed_methods, dead_code)]

mod contract;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use calve_image_core::epoch::Epoch;
use calve_image_core::ids::Ids;
use calve_image_core::inputs::users::sha512_crypt::{self, Salt};
use calve_image_core::inputs::users::{Accounts, Declared};
use calve_image_core::tree::{Kind, Source, TreeBuilder};
use contract::oracle::{expect, need, run};

const REAL: &str = include_str!("../testdata/real/minimal-uefi/users-groups.json");

/// The files of a system, by path.
fn files(json: &str) -> BTreeMap<String, Vec<u8>> {
    let declared = Declared::parse(json, "users-groups.json").unwrap();
    let accounts = Accounts::of(&declared, &Ids::from_parts(&[b"test"])).unwrap();
    let mut tree = TreeBuilder::new(Epoch::STORE);
    accounts.add(&mut tree, Epoch::STORE).unwrap();
    let tree = tree.build().unwrap();
    let files = tree.iter().filter_map(|node| {
        let Kind::File(Source::Bytes(bytes)) = node.kind() else { return None };
        Some((node.path().to_string(), bytes.to_vec()))
    });
    files.collect()
}

fn put(directory: &Path, files: &BTreeMap<String, Vec<u8>>) {
    for (path, bytes) in files {
        let path = directory.join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// What a program complains of, but for what is not the files' fault.
fn complaints(output: &std::process::Output) -> Vec<String> {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    // The directories, groups and users that are named are looked for on this machine.
    let known = ["does not exist", ": no group ", ": no user ", "delete member ", "no changes"];
    let about_files = |line: &str| line.is_empty() || known.iter().any(|text| line.contains(text));
    text.lines().filter(|line| !about_files(line)).map(str::to_owned).collect()
}

#[test]
fn pwck_and_grpck_find_nothing() {
    let (Some(pwck), Some(grpck)) = (need("pwck"), need("grpck")) else { return };
    let root = tempfile::tempdir().unwrap();
    let initial = REAL.replacen(r#""initialPassword":null"#, r#""initialPassword":"secret""#, 1);
    put(root.path(), &files(&initial));
    let file = |name: &str| root.path().join("etc").join(name);
    let found = run(&pwck, args!["-r", &file("passwd"), &file("shadow")]);
    assert_eq!(complaints(&found), [""; 0]);
    let found = run(&grpck, args!["-r", &file("group")]);
    assert_eq!(complaints(&found), [""; 0]);
    let column = |name: &str, index: usize| -> Vec<String> {
        let text = fs::read_to_string(file(name)).unwrap();
        text.lines().map(|line| line.split(':').nth(index).unwrap().to_owned()).collect()
    };
    let (names, gids) = (column("passwd", 0), column("group", 2));
    assert!(column("passwd", 3).iter().all(|gid| gids.contains(gid)));
    let members = column("group", 3).join(",");
    assert!(members.split(',').all(|name| name.is_empty() || names.iter().any(|n| n == name)));
    // They do look: a broken line is complained about.
    fs::write(file("shadow"), "nobody-else:!:1::::::\n").unwrap();
    assert!(!complaints(&run(&pwck, args!["-r", &file("passwd"), &file("shadow")])).is_empty());
}

#[test]
fn openssl_hashes_passwords_to_the_same() {
    let Some(openssl) = need("openssl") else { return };
    let long = "p".repeat(200);
    for (number, password) in
        ["secret", "a", "pässwörd ☃", "  blanks  ", &long, &long[..64], &long[..65], &long[..128]]
            .into_iter()
            .enumerate()
    {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(
            Ids::from_parts(&[&[u8::try_from(number).unwrap()]]).uuid("x").as_bytes(),
        );
        let ours = sha512_crypt::hash(password.as_bytes(), &Salt::of(bytes));
        let salt = ours.split('$').nth(2).unwrap();
        let theirs = expect(&openssl, args!["passwd", "-6", "-salt", salt, password]);
        assert_eq!(ours, String::from_utf8(theirs).unwrap().trim_end(), "{password}");
    }
}
