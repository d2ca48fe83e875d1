use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::survey::{Contents, Device, Disk, Host};

fn known(serial: Option<&str>) -> Known {
    Known {
        device: "/dev/sda".to_owned(),
        number: "8:0".to_owned(),
        size: 1 << 30,
        serial: serial.map(str::to_owned),
        wwn: None,
        sequence: Some("9".to_owned()),
        model: Some("Fast Disk".to_owned()),
        is_vouched: false,
    }
}

fn header() -> Header {
    Header {
        host: "root@web".to_owned(),
        toplevel: "/nix/store/abc-nixos-system-web".to_owned(),
        digest: digest([b"profile".as_slice(), b"steps"]),
        seed: [0xA5; 32],
        boot: "boot-1".to_owned(),
        disks: [("main".to_owned(), known(Some("S1")))].into(),
    }
}

fn holder() -> Holder {
    Holder { user: "anna".to_owned(), ..Holder::this("calve install web") }
}

/// A place for a journal.
fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("calve/install/web.journal");
    (directory, path)
}

#[test]
fn what_was_noted_is_there_again() {
    let (_directory, path) = place();
    let mut journal = Journal::begin(&path, &header(), &holder()).unwrap();
    journal.begin_step("wipe main").unwrap();
    journal.end_step("wipe main").unwrap();
    journal.begin_step("mount /").unwrap();
    journal.end_step("mount /").unwrap();
    journal.begin_step("mount /").unwrap();
    drop(journal);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let journal = Journal::open(&path, &holder()).unwrap();
    assert_eq!(journal.header(), &header());
    assert!(journal.is_done("wipe main") && journal.is_begun("mount /"));
    // What begins again is not done any more.
    assert!(!journal.is_done("mount /") && !journal.is_begun("copy") && !journal.is_rebooted());
    // A new installation knows nothing of it.
    drop(journal);
    let journal = Journal::begin(&path, &header(), &holder()).unwrap();
    assert!(!journal.is_begun("wipe main"));
}

#[test]
fn cut_anywhere_it_is_read_and_what_is_no_journal_is_not() {
    let (_directory, path) = place();
    let mut journal = Journal::begin(&path, &header(), &holder()).unwrap();
    journal.begin_step("a").unwrap();
    journal.end_step("a").unwrap();
    drop(journal);
    let whole = fs::read(&path).unwrap();
    let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for length in 0..=whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let journal = Journal::open(&path, &holder());
        if length < first {
            assert!(matches!(journal, Err(Error::Missing { .. })), "{length}: {journal:?}");
            continue;
        }
        let mut journal = journal.unwrap();
        assert_eq!(journal.is_done("a"), length == whole.len(), "{length}");
        journal.end_step("b").unwrap();
        drop(journal);
        assert!(Journal::open(&path, &holder()).unwrap().is_done("b"), "{length}");
    }
    let said = |text: &str| {
        fs::write(&path, text).unwrap();
        Journal::open(&path, &holder()).unwrap_err().to_string()
    };
    let text = String::from_utf8(whole).unwrap();
    let future = said(&text.replace("\"version\":1", "\"version\":2"));
    assert!(future.contains("expected a journal of version 1, found version 2"), "{future}");
    assert!(said(&text.replace("{\"begun\"", "{\"begun!\"")).contains("line 4: "));
    assert!(said("[Journal]\nStorage=none\n").contains("line 1: "));
    assert!(matches!(Journal::open(&path.join("x"), &holder()), Err(Error::Io { .. })));
    fs::remove_file(&path).unwrap();
    assert!(matches!(Journal::open(&path, &holder()), Err(Error::Missing { .. })));
}

#[test]
fn who_comes_second_is_told_who_has_it() {
    let (_directory, path) = place();
    let first = Journal::begin(&path, &header(), &holder()).unwrap();
    for second in [
        Journal::open(&path, &holder()),
        Journal::begin(&path, &header(), &holder()),
        Journal::take(&path, first.shared().as_bytes(), &holder()),
    ] {
        let said = second.unwrap_err().to_string();
        let expected = format!("is in use by anna on {}", first.holder().unwrap().host);
        assert!(said.contains(&expected) && said.contains("calve install web"), "{said}");
    }
    // Nothing of it is lost by that.
    drop(first);
    let other = Holder { user: "bert".to_owned(), ..holder() };
    let journal = Journal::open(&path, &other).unwrap();
    assert_eq!(journal.holder().unwrap().user, "bert");
}

#[test]
fn a_lost_one_is_taken_from_the_target() {
    let (_directory, path) = place();
    let mut journal = Journal::begin(&path, &header(), &holder()).unwrap();
    journal.begin_step("a").unwrap();
    let shared = journal.shared() + &Journal::step_line("a", true) + "{\"begun\":\"b";
    let token = journal.token().to_owned();
    assert!(token.len() == 32 && !shared.contains(&token));
    drop(journal);
    fs::remove_file(&path).unwrap();
    let taken = Journal::take(&path, shared.as_bytes(), &holder()).unwrap();
    assert!(taken.is_done("a") && !taken.is_begun("b"));
    assert_eq!(taken.header(), &header());
    assert!(taken.token().len() == 32 && taken.token() != token);
}

#[test]
fn another_system_or_disk_is_refused() {
    let (_directory, path) = place();
    let mut journal = Journal::begin(&path, &header(), &holder()).unwrap();
    journal.resume(&header()).unwrap();
    let mut said = |change: &dyn Fn(&mut Header)| {
        let mut now = header();
        change(&mut now);
        journal.resume(&now).unwrap_err().to_string()
    };
    let system = said(&|now| now.toplevel = "/nix/store/xyz-other".to_owned());
    assert!(system.contains("abc-nixos-system-web, found /nix/store/xyz-other"), "{system}");
    assert!(said(&|now| now.digest = digest([b"p".as_slice()])).contains("digest"));
    assert!(said(&|now| now.disks.clear()).contains("the disks"));
    let change = |change: &dyn Fn(&mut Known)| {
        let mut disk = known(Some("S1"));
        change(&mut disk);
        disk
    };
    for disk in [
        change(&|disk| disk.serial = Some("S2".to_owned())),
        change(&|disk| disk.serial = None),
        change(&|disk| disk.size += 512),
        change(&|disk| disk.wwn = Some("0x5000".to_owned())),
    ] {
        let said = said(&|now| now.disks = [("main".to_owned(), disk.clone())].into());
        let expected =
            "is /dev/sda (1073741824 bytes, serial S1, number in line 9, number 8:0), found ";
        assert!(said.contains(expected), "{said}");
    }
    // The same disk under another name is the same disk.
    let mut moved = header();
    let disk =
        change(&|disk| (disk.device, disk.number) = ("/dev/sdb".to_owned(), "8:16".to_owned()));
    moved.disks = [("main".to_owned(), disk)].into();
    moved.boot = "boot-2".to_owned();
    journal.resume(&moved).unwrap();
    assert!(journal.is_rebooted());
    drop(journal);
    let journal = Journal::open(&path, &holder()).unwrap();
    assert!(journal.is_rebooted() && journal.header() == &moved);
}

#[test]
fn a_disk_that_says_nothing_is_the_same_until_the_restart() {
    let (_directory, path) = place();
    let nameless = |number: &str| Header {
        disks: [("main".to_owned(), Known { number: number.to_owned(), ..known(None) })].into(),
        ..header()
    };
    let mut journal = Journal::begin(&path, &nameless("8:0"), &holder()).unwrap();
    journal.resume(&nameless("8:0")).unwrap();
    assert!(matches!(journal.resume(&nameless("8:16")), Err(Error::Disk { .. })));
    let mut rebooted = Header { boot: "boot-2".to_owned(), ..nameless("8:0") };
    let unsure = journal.resume(&rebooted).unwrap_err();
    assert!(matches!(unsure, Error::Unsure { .. }) && !journal.is_rebooted(), "{unsure}");
    for disk in rebooted.disks.values_mut() {
        disk.is_vouched = true;
    }
    journal.resume(&rebooted).unwrap();
    // Who vouched once need not again, until the next restart.
    journal.resume(&Header { boot: "boot-2".to_owned(), ..nameless("8:0") }).unwrap();
    drop(journal);
    assert!(!fs::read_to_string(&path).unwrap().contains("vouched"));
}

#[test]
fn a_disk_is_found_again_by_what_it_says() {
    let root = tempfile::tempdir().unwrap();
    let sys = root.path().join("sys");
    for (name, number, serial) in [("sda", "8:0", "S2"), ("sdb", "8:16", "S1")] {
        let node = sys.join("block").join(name);
        fs::create_dir_all(node.join("queue")).unwrap();
        fs::create_dir_all(sys.join("dev/block")).unwrap();
        let files = [("dev", number), ("size", "2097152"), ("ro", "0"), ("serial", serial)];
        for (file, content) in files.into_iter().chain([("queue/logical_block_size", "512")]) {
            fs::write(node.join(file), content).unwrap();
        }
        std::os::unix::fs::symlink(&node, sys.join("dev/block").join(number)).unwrap();
    }
    let host = Host::below(root.path());
    let nothing = Contents { table: None, whole: None, partitions: vec![] };
    let disk = |device| Disk { device, id: None, contents: nothing.clone(), uses: vec![] };
    let mut disks: Vec<Disk> = Device::disks(&host).unwrap().into_iter().map(disk).collect();
    let found = known(Some("S1")).find(&disks).unwrap();
    assert_eq!(found.device.name, "sdb");
    let again = Known::of("/dev/sdb", &found.device);
    known(Some("S1")).must_be("main", &again, false).unwrap();
    assert!(known(None).find(&disks).is_none() && known(Some("S3")).find(&disks).is_none());
    // Two that say the same are none.
    let twin = disks[1].clone();
    disks.push(twin);
    assert!(known(Some("S1")).find(&disks).is_none());
}
