//! Copies that come to their end, at once or in pieces.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::super::*;
use super::lab::{Lab, PATHS, Watch, cut, nix};
use crate::target::{self, Local};

/// What a copy says, from its beginning to its end.
fn check_progress(heard: &[Progress]) {
    let last = heard.last().unwrap();
    assert_eq!((last.stage, last.paths, last.bytes), (Stage::Ends, last.of_paths, last.of_bytes));
    let sending = heard.iter().filter(|progress| progress.stage == Stage::Sending);
    let bytes: Vec<u64> = sending.map(|progress| progress.bytes).collect();
    assert!(bytes.is_sorted() && bytes.last().unwrap() <= &last.of_bytes, "{bytes:?}");
}

#[test]
fn every_way_brings_all_of_it_once_over_one_connection() {
    let Some(lab) = Lab::new() else { return };
    for source in [lab.files(), lab.nix()] {
        let logins = lab.sshd.logins();
        let ssh = lab.connect();
        let mut watch = Watch::default();
        // A lock before the program is more words than one to Nix, too.
        let lock = lab.dir.path().join("lock").display().to_string();
        let under = ["flock", "-s", &lock];
        let order = Order { under: &under, ..lab.order(source) };
        let copied = copy(&order, To::Ssh(&ssh), &mut watch).unwrap();
        assert_eq!((copied.paths, copied.there), (PATHS, 0), "{}", source.word());
        lab.is_whole();
        check_progress(&watch.heard);
        let again = copy(&order, To::Ssh(&ssh), &mut Watch::default()).unwrap();
        assert_eq!(again, Copied { there: PATHS, ..Copied::default() });
        assert_eq!(lab.sshd.logins(), logins + 1);
        fs::remove_dir_all(lab.dir.path().join("mnt")).unwrap();
        fs::create_dir(lab.dir.path().join("mnt")).unwrap();
    }
}

#[test]
fn a_machine_copies_to_its_own_disk_without_a_network() {
    let Some(lab) = Lab::new() else { return };
    for source in [lab.files(), lab.nix()] {
        let copied = copy(&lab.order(source), To::Here(&Local::new()), &mut Watch::default());
        assert_eq!(copied.unwrap().paths, PATHS);
        lab.is_whole();
        fs::remove_dir_all(lab.dir.path().join("mnt")).unwrap();
        fs::create_dir(lab.dir.path().join("mnt")).unwrap();
    }
    assert_eq!(lab.sshd.logins(), 0);
}

#[test]
fn what_was_cut_off_goes_on_where_it_was() {
    let Some(lab) = Lab::new() else { return };
    for source in [lab.files(), lab.nix()] {
        // The caller ends it, then the network does; then it gets through.
        let ssh = lab.connect();
        let mut watch = Watch { until: Some(1), ..Watch::default() };
        let error = copy(&lab.order(source), To::Ssh(&ssh), &mut watch).unwrap_err();
        assert!(matches!(error, Error::Interrupted), "{error}");
        let mut watch = Watch { at: Some((1, Box::new(|| cut(&ssh)))), ..Watch::default() };
        let error = copy(&lab.order(source), To::Ssh(&ssh), &mut watch).unwrap_err();
        assert!(matches!(error, Error::Target(target::Error::Lost { .. })), "{error}");
        let ssh = lab.connect();
        let copied = copy(&lab.order(source), To::Ssh(&ssh), &mut Watch::default()).unwrap();
        assert!(copied.there > 0 && copied.paths + copied.there == PATHS, "{copied:?}");
        lab.is_whole();
        fs::remove_dir_all(lab.dir.path().join("mnt")).unwrap();
        fs::create_dir(lab.dir.path().join("mnt")).unwrap();
    }
}

#[test]
fn a_target_gets_what_its_caches_have() {
    let Some(lab) = Lab::new() else { return };
    let ssh = lab.connect();
    let order = Order { substitutes: true, ..lab.order(lab.files()) };
    let copied = copy(&order, To::Ssh(&ssh), &mut Watch::default()).unwrap();
    assert_eq!(copied, Copied { there: PATHS, ..Copied::default() });
    lab.is_whole();
}

#[test]
fn a_builder_is_not_mistaken_for_the_target() {
    let Some(lab) = Lab::new() else { return };
    let mut address = lab.sshd.address(true);
    address.options.push(format!("-oPort={}", lab.sshd.port));
    let ssh = Ssh::connect(&address, &mut |_| {}).unwrap();
    let old = lab.dir.path().join("old").display().to_string().replace('/', "%2F");
    let url = format!("ssh://127.0.0.1?remote-store=local%3Froot%3D{old}");
    let order = lab.order(Source::Store { url: &url });
    let copied = copy(&order, To::Ssh(&ssh), &mut Watch::default()).unwrap();
    assert_eq!(copied.paths, PATHS);
    lab.is_whole();
    // One for the target, one for the builder.
    assert_eq!(lab.sshd.logins(), 2);
}

#[test]
fn what_a_power_cut_tore_is_sent_again() {
    let Some(lab) = Lab::new() else { return };
    let ssh = lab.connect();
    copy(&lab.order(lab.files()), To::Ssh(&ssh), &mut Watch::default()).unwrap();
    let torn = lab.file(Path::new(&lab.root), "z-first");
    fs::set_permissions(&torn, PermissionsExt::from_mode(0o644)).unwrap();
    File::create(&torn).unwrap();
    let order = Order { doubts: true, ..lab.order(lab.files()) };
    let copied = copy(&order, To::Ssh(&ssh), &mut Watch::default()).unwrap();
    // And the two that refer to it.
    assert_eq!((copied.paths, copied.there), (3, 2));
    lab.is_whole();
    let copied = copy(&order, To::Ssh(&ssh), &mut Watch::default()).unwrap();
    assert_eq!((copied.paths, copied.there), (0, 5));
}

#[test]
fn a_root_keeps_the_closure() {
    let Some(lab) = Lab::new() else { return };
    let link = lab.dir.path().join("state/calve/web.system");
    let store = format!("local?root={}", lab.dir.path().join("old").display());
    let mut command = std::process::Command::new("nix-store");
    command.args(["--store", &store]).env("NIX_CONF_DIR", lab.dir.path());
    assert!(root::add(&mut command, &link, &lab.toplevel).unwrap());
    assert!(fs::read_link(&link).unwrap().ends_with(lab.toplevel.base_name()));
    let roots = nix(lab.dir.path(), "nix-store", "old", &["--gc", "--print-roots"]);
    let roots = String::from_utf8(roots.stdout).unwrap();
    assert!(roots.contains(&lab.toplevel.to_string()), "{roots}");
}
