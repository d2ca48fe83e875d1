//! Waits on a made-up console.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{PipeReader, PipeWriter, pipe};

use super::*;

const SOON: Duration = Duration::from_millis(100);
const LATE: Duration = Duration::from_secs(10);

/// A console whose guest we play: what we write appears on it, what it sends we read.
fn console() -> (Console, PipeWriter, PipeReader, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let (output, guest_writes) = pipe().unwrap();
    let (guest_reads, input) = pipe().unwrap();
    (Console::new(output, input, dir.path()).unwrap(), guest_writes, guest_reads, dir)
}

#[test]
fn a_text_is_found_across_reads_and_colours() {
    let (mut console, mut guest, _input, dir) = console();
    let writer = std::thread::spawn(move || {
        for piece in ["boot\r\nlo", "g\x1b[1", "mi\x1b[0mn", ": "] {
            guest.write_all(piece.as_bytes()).unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    assert_eq!(console.expect("login:", LATE).unwrap(), "boot\nlogin:");
    writer.join().unwrap();
    console.join();
    let log = std::fs::read_to_string(dir.path().join(LOG)).unwrap();
    assert_eq!(log, "boot\nlogin: ");
    let raw = std::fs::read(dir.path().join(RAW_LOG)).unwrap();
    assert_eq!(raw, b"boot\r\nlog\x1b[1mi\x1b[0mn: ");
}

#[test]
fn each_wait_sees_only_what_is_new() {
    let (mut console, mut guest, _input, _dir) = console();
    guest.write_all(b"one two one").unwrap();
    console.expect("one", LATE).unwrap();
    assert_eq!(console.expect("one", LATE).unwrap(), " two one");
    let error = console.expect("one", SOON).unwrap_err();
    assert_eq!(error.to_string(), "\"one\" did not appear within 0 s");
}

#[test]
fn order_and_repeats_count() {
    let (mut console, mut guest, _input, _dir) = console();
    guest.write_all(b"b a b").unwrap();
    console.expect_ordered(&["a", "b"], Order::Sequence, LATE).unwrap();
    guest.write_all(b" b a").unwrap();
    console.expect_all(&["a", "b"], LATE).unwrap();
    guest.write_all(b"b a ").unwrap();
    let error = console.expect_ordered(&["a", "b"], Order::Sequence, SOON).unwrap_err();
    assert!(matches!(error, Error::Deadline { missing, .. } if missing == ["b"]));
    let error = console.expect_all(&["b", "a", "a"], SOON).unwrap_err();
    assert!(matches!(error, Error::Deadline { missing, .. } if missing == ["a"]));
    guest.write_all(b"a").unwrap();
    console.expect_all(&["b", "a", "a"], LATE).unwrap();
}

#[test]
fn fatal_lines_end_a_wait_when_complete() {
    let (mut console, mut guest, _input, _dir) = console();
    guest.write_all(b"[ 1.0] Kernel panic - not syncing: no").unwrap();
    assert!(matches!(console.expect("login:", SOON), Err(Error::Deadline { .. })));
    guest.write_all(b" init found\nlater").unwrap();
    let error = console.expect("login:", LATE).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the kernel panicked: \"[ 1.0] Kernel panic - not syncing: no init found\""
    );
    // Who expects the panic gets it, and who does not watch for it waits on.
    console.expect("Kernel panic", LATE).unwrap();
    console.watch_for(&[]);
    guest.write_all(b"\nUEFI Interactive Shell v2.2\nlogin:").unwrap();
    console.expect("login:", LATE).unwrap();
}

#[test]
fn the_end_of_output_ends_a_wait() {
    let (mut console, mut guest, _input, _dir) = console();
    guest.write_all(b"going down\n").unwrap();
    drop(guest);
    let error = console.expect_all(&["down", "up"], LATE).unwrap_err();
    assert_eq!(error.to_string(), "the console closed before \"up\" appeared");
    assert_eq!(console.tail(5), ["going down"]);
}

#[test]
fn lines_reach_the_guest() {
    let (mut console, _guest, mut input, _dir) = console();
    console.send_line("uname -a").unwrap();
    drop(console);
    let mut sent = String::new();
    input.read_to_string(&mut sent).unwrap();
    assert_eq!(sent, "uname -a\r");
}

#[test]
fn a_guest_that_talks_without_end_is_kept_within_bounds() {
    let (mut console, mut guest, _input, _dir) = console();
    let writer = std::thread::spawn(move || {
        let line = [b'x'; 1 << 20];
        for _ in 0..20 {
            guest.write_all(&line).unwrap();
        }
        guest.write_all(b"end").unwrap();
    });
    console.expect("end", LATE).unwrap();
    writer.join().unwrap();
    assert!(console.shared.lock().text.len() <= KEPT);
    assert!(matches!(console.expect("more", LATE), Err(Error::Closed { .. })));
}
