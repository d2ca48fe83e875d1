//! Dialogues as hosts of each kind hold them.

use super::*;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ask(words: &str) -> Said {
    Said::Ask { id: "1".to_owned(), words: words.to_owned() }
}

fn question(volume: &str, words: &str, wrong: u32) -> Act {
    Act::Answer(Question { volume: volume.to_owned(), words: words.to_owned(), wrong })
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn what_a_question_is_about() {
    for (words, name) in [
        ("Please enter passphrase for disk root:", "root"),
        ("Please enter passphrase for disk Samsung SSD (root) on /:", "Samsung SSD (root) on /"),
        ("Please enter passphrase for disk root on /:", "root"),
        ("Please enter recovery key for disk root!", "root"),
        ("🔐 Please enter passphrase for disk root:", "root"),
        ("Passphrase for /dev/disk/by-partlabel/root:", "/dev/disk/by-partlabel/root"),
        ("/dev/vda2", "/dev/vda2"),
        ("", ""),
    ] {
        let name = if name.contains('(') { "root" } else { name };
        assert_eq!(about(words), name, "{words}");
    }
}

#[test]
fn volumes_are_known_by_device_by_name_or_not_at_all() {
    let mut dialogue = Dialogue::new(&names(&["root", "data"]));
    let device =
        Said::Volume { device: "/dev/disk/by-uuid/1-2".to_owned(), name: "root".to_owned() };
    dialogue.hear(device, seconds(0));
    assert_eq!(dialogue.volume("/dev/disk/by-uuid/1-2"), "root");
    assert_eq!(dialogue.volume("/dev/disk/by-partlabel/data"), "data");
    assert_eq!(dialogue.volume("Please enter passphrase for disk Big data (data):"), "data");
    assert_eq!(dialogue.volume("/dev/vda2"), "vda2");
    assert_eq!(dialogue.volume("Enter key for rpool/nix:"), "nix");
    assert_eq!(Dialogue::new(&names(&["root"])).volume("Passphrase for /dev/vda2:"), "root");
}

#[test]
fn one_volume_of_a_ticket() {
    let mut dialogue = Dialogue::new(&names(&["root"]));
    assert_eq!(dialogue.hear(Said::Tick, seconds(1)), Act::Listen);
    let words = "Please enter passphrase for disk root:";
    assert_eq!(dialogue.hear(ask(words), seconds(2)), question("root", words, 0));
    assert!(!dialogue.is_answered());
    assert_eq!(dialogue.hear(Said::Taken, seconds(3)), Act::Listen);
    assert!(dialogue.is_answered());
    assert_eq!(dialogue.hear(Said::Tick, seconds(3)), Act::Listen);
    // Asked again: it was wrong.
    assert_eq!(dialogue.hear(ask(words), seconds(5)), question("root", words, 1));
    dialogue.hear(Said::Taken, seconds(6));
    assert_eq!(dialogue.hear(ask(words), seconds(7)), question("root", words, 2));
    dialogue.hear(Said::Taken, seconds(8));
    assert_eq!(
        dialogue.hear(Said::Open("root".to_owned()), seconds(9)),
        Act::Opened("root".to_owned())
    );
    assert_eq!(dialogue.hear(Said::Open("root".to_owned()), seconds(9)), Act::Listen);
    assert_eq!(dialogue.hear(Said::Tick, seconds(9)), Act::Done);
    assert_eq!(dialogue.opened(), ["root"]);
}

#[test]
fn two_volumes_and_one_passphrase() {
    let mut dialogue = Dialogue::new(&names(&["root", "data"]));
    assert_eq!(
        dialogue.hear(ask("for disk root:"), seconds(1)),
        question("root", "for disk root:", 0)
    );
    dialogue.hear(Said::Taken, seconds(1));
    dialogue.hear(Said::Open("root".to_owned()), seconds(2));
    // It waits for the other, which tries the same passphrase by itself.
    assert_eq!(dialogue.hear(Said::Tick, seconds(10)), Act::Listen);
    dialogue.hear(Said::Open("data".to_owned()), seconds(11));
    assert_eq!(dialogue.hear(Said::Tick, seconds(11)), Act::Done);
}

#[test]
fn two_volumes_and_two_passphrases() {
    let mut dialogue = Dialogue::new(&names(&["root", "data"]));
    dialogue.hear(ask("for disk root:"), seconds(1));
    dialogue.hear(Said::Taken, seconds(1));
    // Nothing was given for this one yet, so nothing was wrong.
    assert_eq!(
        dialogue.hear(ask("for disk data:"), seconds(3)),
        question("data", "for disk data:", 0)
    );
    dialogue.hear(Said::Taken, seconds(4));
    assert_eq!(dialogue.hear(Said::Tick, seconds(4)), Act::Listen);
}

#[test]
fn nobody_knows_how_many_there_are() {
    let mut dialogue = Dialogue::new(&[]);
    dialogue.hear(Said::Open("swap".to_owned()), seconds(0));
    dialogue.hear(ask("/dev/vda2"), seconds(1));
    dialogue.hear(Said::Taken, seconds(1));
    assert_eq!(dialogue.hear(Said::Tick, seconds(29)), Act::Listen);
    assert_eq!(dialogue.hear(Said::Tick, seconds(31)), Act::Done);
    dialogue.hear(Said::Open("root".to_owned()), seconds(2));
    assert_eq!(dialogue.hear(Said::Tick, seconds(5)), Act::Listen);
    assert_eq!(dialogue.hear(Said::Tick, seconds(6)), Act::Done);
    assert_eq!(dialogue.opened(), ["root"]);
}

#[test]
fn everything_is_open_already() {
    let mut dialogue = Dialogue::new(&names(&["root"]));
    dialogue.hear(Said::Open("root".to_owned()), seconds(0));
    assert_eq!(dialogue.hear(Said::Tick, seconds(0)), Act::Done);
    assert!(dialogue.opened().is_empty());
}

#[test]
fn programs_that_are_no_shells_ask_again_when_it_was_wrong() {
    let mut dialogue = Dialogue::new(&[]);
    let prompt = || Said::Prompt("Passphrase for /dev/vda2:".to_owned());
    let words = "Passphrase for /dev/vda2:";
    assert_eq!(dialogue.hear(prompt(), seconds(1)), question("vda2", words, 0));
    dialogue.answered(seconds(2));
    // It may ask while the answer is being tried.
    assert_eq!(dialogue.hear(prompt(), seconds(3)), Act::Listen);
    assert!(dialogue.is_answered());
    assert_eq!(dialogue.due(seconds(10)), None);
    assert_eq!(dialogue.due(seconds(11)), Some(question("vda2", words, 1)));
    assert_eq!(dialogue.due(seconds(30)), None);
    dialogue.answered(seconds(12));
    assert!(!dialogue.is_silent(seconds(30)));
    assert!(dialogue.is_silent(seconds(42)));
}

#[test]
fn an_answer_that_nobody_took() {
    let mut dialogue = Dialogue::new(&[]);
    dialogue.hear(ask("/dev/vda2"), seconds(1));
    assert_eq!(dialogue.hear(Said::Stuck, seconds(3)), Act::Stuck("vda2".to_owned()));
    assert!(!dialogue.is_answered());
    // It was not wrong, as nobody tried it.
    assert_eq!(dialogue.hear(ask("/dev/vda2"), seconds(4)), question("vda2", "/dev/vda2", 0));
}
