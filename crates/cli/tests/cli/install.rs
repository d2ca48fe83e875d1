//! `calve install`, on a machine that never was: everything that can fail is found before its disk is touched.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::process::{Pid, Signal, kill_process};

use crate::fake::{CRYPTTAB, ENCRYPTED_FSTAB, TOPLEVEL};
use crate::installer::Installer;
use crate::keygen::need;
use crate::pty::Session;
use crate::run::shown;

/// Arguments up to file systems that are mounted.
const MOUNTED: [&str; 5] = ["--disk", "vda", "--stop-after", "mount", "--yes-wipe=vda"];

fn run(installer: &Installer, arguments: &[&str]) -> String {
    let output = installer.command(arguments).output().unwrap();
    shown(installer.fake.dir(), &output)
}

/// Fails, says so, and has asked nothing of the machine that changes it.
fn refused(installer: &Installer, arguments: &[&str], code: i32, says: &[&str]) {
    let said = run(installer, arguments);
    assert!(said.starts_with(&format!("exit code: {code}\n")), "{said}");
    for text in says {
        assert!(said.contains(text), "{text}: {said}");
    }
    assert_eq!(installer.log(), Vec::<String>::new(), "{said}");
}

#[test]
fn a_dry_run_asks_nothing_of_the_disk() {
    let installer = Installer::new();
    let said = run(&installer, &["--disk", "main=/dev/disk/by-id/virtio-S1", "--dry-run"]);
    assert!(said.starts_with("exit code: 0\n"), "{said}");
    for text in [
        "main is /dev/vda (/dev/disk/by-id/virtio-S1)",
        "label-id: ",
        "mkfs.ext4 -q",
        "# restart: reboot",
    ] {
        assert!(said.contains(text), "{text}: {said}");
    }
    let commands = run(&installer, &["--disk", "vda", "--dry-run", "--json"]);
    for text in [r#""dryRun": true"#, r#""line": "sfdisk "#, r#""outcome": null"#] {
        assert!(commands.contains(text), "{text}: {commands}");
    }
    assert_eq!(installer.log(), Vec::<String>::new());
    assert!(!installer.fake.dir().join("state").exists());
}

#[test]
fn up_to_the_mounts_and_on_after_a_failure() {
    let installer = Installer::new();
    installer.fails("mkfs.ext4");
    let said = run(&installer, &MOUNTED);
    assert!(said.starts_with("exit code: 1\n"), "{said}");
    for text in [
        "error: step \"format nixos\": mkfs.ext4",
        "failed with exit code 4",
        "mkfs.ext4: the disk hums",
        "the disk is wiped, and not usable yet",
        "install root@web result --store store --registration fake.registration -p small.toml --disk \
         vda --stop-after mount --yes-wipe=vda --resume",
    ] {
        assert!(said.contains(text), "{text}: {said}");
    }
    let before = installer.log();
    installer.fails("nothing");
    let said = run(&installer, &[&MOUNTED[..], &["--resume"]].concat());
    assert!(said.starts_with("exit code: 0\n"), "{said}");
    assert!(said.contains("had       partition main"), "{said}");
    let log = installer.log();
    let after: Vec<&str> =
        log[before.len()..].iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(after, ["mkfs.ext4", "mount", "mount"], "{log:#?}");
    // The partitions are those that were made.
    let id = |line: &str| line.rsplit('/').next().map(str::to_owned);
    let (failed, done) = (id(before.last().unwrap()), id(&log[before.len()]));
    assert_eq!(failed, done);
}

#[test]
fn ctrl_c_ends_the_step_and_it_goes_on_from_there() {
    let installer = Installer::new();
    installer.lasts("mkfs.ext4");
    let mut command = installer.session(&MOUNTED);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let started = Instant::now();
    while !installer.log().iter().any(|line| line.starts_with("mkfs.ext4")) {
        assert!(started.elapsed() < Duration::from_secs(60), "{:#?}", installer.log());
        thread::sleep(Duration::from_millis(50));
    }
    let before = installer.log();
    let interrupted = Instant::now();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(interrupted.elapsed() < Duration::from_secs(20));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    for text in ["format nixos", "the disk is wiped, and not usable yet", "--resume"] {
        assert!(said.contains(text), "{text}: {said}");
    }

    installer.lasts("nothing");
    let said = run(&installer, &[&MOUNTED[..], &["--resume"]].concat());
    assert!(said.starts_with("exit code: 0\n"), "{said}");
    let log = installer.log();
    let after: Vec<&str> =
        log[before.len()..].iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(after, ["mkfs.ext4", "mount", "mount"], "{log:#?}");
}

#[test]
fn what_a_disk_is_called_moves_no_cursor() {
    let installer = Installer::new();
    installer.disk_says("serial", "S1\u{1b}[2K\u{1b}]0;mine\u{7}");
    let said = run(&installer, &["--disk", "vda", "--dry-run"]);
    assert!(said.contains("S1\u{fffd}[2K\u{fffd}]0;mine"), "{said}");
    assert!(!said.contains(['\u{1b}', '\u{7}']), "{said}");
}

#[test]
fn another_profile_does_not_go_on_and_a_lost_journal_is_on_the_machine() {
    let installer = Installer::new();
    let arguments = ["--disk", "vda", "--stop-after", "partition", "--yes-wipe", "vda"];
    let begun = run(&installer, &arguments);
    assert!(begun.starts_with("exit code: 0\n"), "{begun}");
    let log = installer.log();
    let resumed = [&arguments[..], &["--resume"]].concat();
    let said = run(&installer, &[&resumed[..], &["-p", "minimal"]].concat());
    assert!(said.starts_with("exit code: 3\n"), "{said}");
    assert!(said.contains("what is to be made (its digest)"), "{said}");
    fs::remove_dir_all(installer.fake.dir().join("state")).unwrap();
    let said = run(&installer, &resumed);
    assert!(said.starts_with("exit code: 0\n"), "{said}");
    assert!(
        said.contains("taken from the machine") && said.contains("had       wipe main"),
        "{said}"
    );
    assert_eq!(installer.log(), log, "nothing is done twice");
}

#[test]
fn somebody_else_is_there() {
    let installer = Installer::new();
    let directory = installer.path("run/calve");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("holder"), "1\n2\nanna on laptop\n").unwrap();
    let lock = fs::File::create(directory.join("lock")).unwrap();
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).unwrap();
    let arguments = ["--disk", "vda", "--yes-wipe", "vda"];
    refused(&installer, &arguments, 3, &["root@web is in use by anna on laptop"]);
}

#[test]
fn a_system_that_only_another_store_has() {
    let (Some(()), Some(())) = (need("nix"), need("nix-store")) else { return };
    let installer = Installer::new();
    let directory = installer.fake.dir();
    fs::rename(directory.join("store"), directory.join("builder")).unwrap();
    // One path has no files, as nobody looks at them.
    let registration = fs::read_to_string(directory.join("fake.registration")).unwrap();
    let unseen = "7a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-unseen";
    let registration = registration.replacen("\n6\n", &format!("\n7\n/nix/store/{unseen}\n"), 1);
    let registration = format!("{registration}/nix/store/{unseen}\n{:064x}\n1048576\n\n0\n", 7);
    let url = format!("local?root={}", directory.join("builder").display());
    let mut load = assert_cmd::Command::new("nix-store");
    load.args(["--store", &url, "--load-db"]).write_stdin(registration).assert().success();

    let toplevel = format!("/nix/store/{TOPLEVEL}");
    let arguments = ["-p", "minimal", "--disk", "vda", "--dry-run", "--from", &url];
    let output = installer.command_for(&[&toplevel], &arguments).output().unwrap();
    let said = shown(directory, &output);
    assert!(said.starts_with("exit code: 0\n"), "{said}");
    for text in ["closure   8 store paths", "from local?root=DIR/builder", "mkfs.ext4 -q"] {
        assert!(said.contains(text), "{text}: {said}");
    }
    // A store that does not have it, and what pre-flight fetched is gone.
    let nowhere = format!("local?root={}", directory.join("nowhere").display());
    let arguments = ["-p", "minimal", "--disk", "vda", "--dry-run", "--from", &nowhere];
    let output = installer.command_for(&[&toplevel], &arguments).output().unwrap();
    let said = shown(directory, &output);
    assert!(said.starts_with("exit code: 1\n"), "{said}");
    assert!(
        said.contains("is not on this machine, so local?root=DIR/nowhere has to have it"),
        "{said}"
    );
    let left = fs::read_dir(directory).unwrap().flatten();
    let left = left.filter(|entry| entry.file_name().to_str().unwrap().starts_with("calve-"));
    assert_eq!(left.count(), 0);
    assert_eq!(installer.log(), Vec::<String>::new());
}

#[test]
fn no_disk_a_partition_and_what_is_none() {
    let installer = Installer::new();
    let listed = ["the disks of root@web:", "/dev/vda", "/dev/disk/by-id/virtio-S1"];
    refused(&installer, &[], 2, &listed);
    refused(&installer, &["--disk", "sdb"], 2, &["sdb is no disk of root@web"]);
    refused(&installer, &["--disk", "data=vda"], 2, &["one disk so far"]);
}

#[test]
fn the_disk_has_to_be_named() {
    let installer = Installer::new();
    refused(&installer, &["--disk", "vda"], 3, &["there is no terminal", "--yes-wipe vda"]);
    let wrong = ["--disk", "vda", "--yes-wipe", "vdb"];
    refused(&installer, &wrong, 2, &["--yes-wipe names vdb, but vda is vda"]);
    for (typed, code) in [("vdb\n", 5), ("y\n", 5), ("\n", 5)] {
        let mut session = Session::start(installer.session(&["--disk", "vda"]), Vec::new());
        session.wait_for("Everything on vda of root@web will be lost. Type its name to go on: ");
        session.enter(typed);
        let end = session.end();
        assert_eq!(end.code, Some(code), "{}", end.stderr);
        assert!(end.stderr.contains("nothing was written"), "{}", end.stderr);
    }
    let mut session = Session::start(installer.session(&["--disk", "vda"]), Vec::new());
    session.wait_for("Type its name to go on: ");
    session.signal(Signal::INT);
    assert_eq!(session.end().code, Some(130));
    assert_eq!(installer.log(), Vec::<String>::new());
    let arguments = ["--disk", "vda", "--stop-after", "partition"];
    let mut session = Session::start(installer.session(&arguments), Vec::new());
    session.wait_for("Type its name to go on: ");
    session.enter("vda\n");
    let end = session.end();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert!(installer.log().iter().any(|line| line.starts_with("sfdisk ")));
}

#[test]
fn what_the_machine_forbids() {
    let arguments = ["--disk", "vda", "--yes-wipe", "vda"];
    let not_like_this = "nothing can be installed on root@web like this";
    let installer = Installer::new();
    let mounted = "22 1 0:19 / / rw - tmpfs tmpfs rw\n30 22 254:0 / /data rw - ext4 /dev/vda rw\n";
    installer.says("proc/self/mountinfo", mounted);
    refused(&installer, &arguments, 3, &[not_like_this, "vda is mounted at /data", "umount /data"]);

    let installer = Installer::new();
    installer.says("calve/machine", "aarch64\n");
    installer.says("calve/programs", "mount /bin/mount\n");
    let says = ["the machine's processor is aarch64", "the machine has no sfdisk"];
    refused(&installer, &arguments, 3, &says);

    let installer = Installer::new();
    installer.disk_says("size", "131072");
    let says = ["needs 32 MiB but the layout leaves 14 MiB", "vda has 64 MiB"];
    refused(&installer, &arguments, 3, &says);

    let installer = Installer::new();
    installer.disk_says("ro", "1");
    refused(&installer, &arguments, 3, &["vda is write-protected"]);
}

#[test]
fn a_secret_that_nobody_brings() {
    let installer = Installer::new();
    installer.fake.encrypted(CRYPTTAB, ENCRYPTED_FSTAB);
    let disk = ["--disk", "vda", "--yes-wipe", "vda"];
    let arguments = [&["-p", "encrypted.toml"][..], &disk].concat();
    refused(&installer, &arguments, 2, &["no key for the encrypted volume \"crypt\""]);
    let missing = [&arguments[..], &["--luks-key", "file:nowhere"]].concat();
    refused(&installer, &missing, 1, &["the key file:nowhere cannot be read"]);
}

/// What is typed is read by the machine's cryptsetup, and shown nowhere.
#[test]
fn passphrases_are_typed_once() {
    let installer = Installer::new();
    installer.fake.encrypted(CRYPTTAB, ENCRYPTED_FSTAB);
    let arguments = ["-p", "encrypted.toml", "--disk", "vda", "--yes-wipe", "vda"];
    let keys = ["--stop-after", "format", "--luks-key", "prompt", "--luks-recovery-key"];
    let arguments = [&arguments[..], &keys].concat();
    let secret = "correct horse battery staple".to_owned();
    let mut session = Session::start(installer.session(&arguments), vec![secret.clone()]);
    for asks in ["new passphrase for crypt: ", "the same again: "] {
        session.wait_for(asks);
        session.enter(&format!("{secret}\n"));
    }
    let end = session.end();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert!(end.stderr.contains("recovery  crypt: keep it"), "{}", end.stderr);
    let log = installer.log().join("\n");
    assert!(log.contains("cryptsetup luksFormat") && !log.contains(&secret), "{log}");
}

/// Nobody who is started sees a variable with a passphrase.
#[test]
fn a_passphrase_in_the_environment_stays_there() {
    let installer = Installer::new();
    installer.fake.encrypted(CRYPTTAB, ENCRYPTED_FSTAB);
    let arguments = ["-p", "encrypted.toml", "--disk", "vda", "--yes-wipe", "vda"];
    let keys = ["--stop-after", "format", "--luks-key", "env:SECRET"];
    let mut command = installer.command(&[&arguments[..], &keys].concat());
    let output = command.env("SECRET", "correct horse").output().unwrap();
    assert!(output.status.success(), "{}", shown(installer.fake.dir(), &output));
    let log = installer.log().join("\n");
    assert!(log.contains("cryptsetup luksFormat") && !log.contains("secret"), "{log}");
}

/// GNU tar reads what is sent.
#[test]
fn files_for_the_new_system_are_sent_as_a_tar_stream() {
    let installer = Installer::new();
    let extra = installer.fake.dir().join("extra/etc/app");
    fs::create_dir_all(&extra).unwrap();
    fs::write(extra.join("token"), "t").unwrap();
    fs::set_permissions(extra.join("token"), fs::Permissions::from_mode(0o600)).unwrap();
    let phases = "partition,format,mount,install";
    let arguments = ["--disk", "vda", "--yes-wipe", "vda", "--phases", phases];
    let files = ["--extra-files", "extra", "--chown", "/etc/app=1000:100", "--json"];
    let said = run(&installer, &[&arguments[..], &files].concat());
    assert!(said.starts_with("exit code: 0\n"), "{said}");
    assert!(said.contains(r#""name": "extra files 0","#), "{said}");
    let mut list = Command::new("tar");
    list.args(["--numeric-owner", "-tvf"]).arg(installer.path("sent.tar"));
    let list = list.output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(list.contains("-rw------- 0/0") && list.contains(" etc/app/token"), "{list}");
    let log = installer.log();
    let after = log.iter().skip_while(|line| !line.starts_with("tar "));
    let programs: Vec<&str> = after.filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(programs, ["tar", "chown", "nixos-install"], "{log:#?}");
}

#[test]
fn hardware_comes_before_the_system() {
    let installer = Installer::new();
    let arguments = ["--hardware-config", "hardware.nix", "--stop-after", "hardware"];
    let said = run(&installer, &arguments);
    assert!(said.contains("hardware  hardware.nix"), "{said}");
    let text = fs::read_to_string(installer.fake.dir().join("hardware.nix")).unwrap();
    assert_eq!(text, "{ hardware = true; }\n");
    refused(&installer, &arguments[2..], 2, &["no file to write it to"]);
}

#[test]
fn what_does_not_go_together() {
    let installer = Installer::new();
    for (arguments, says) in [
        (&["--phases", "format"][..], "whose partitions?"),
        (&["--phases", "paint"], "expected a phase"),
        (&["--health", "true", "--no-reboot"], "not asked for"),
        (&["--resume", "--disk", "vda"], "there is no journal of an installation"),
    ] {
        refused(&installer, arguments, 2, &[says]);
    }
}
