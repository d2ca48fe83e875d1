//! Threads and processes at once, and processes killed at any moment.
//!
//! Other processes are this very program, told by a variable what to do.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use calve_image_core::cache;
use calve_image_core::units::Bytes;

use crate::sample::{check, key, make, names, open};

const DIRECTORY: &str = "CALVE_TEST_CACHE";
const KEYS: u32 = 40;
/// How long a busy machine may take until something happens that must.
const PATIENCE: Duration = Duration::from_secs(120);

/// A build: takes what is there, makes what is not, and reads all of it in the end.
fn build(dir: &Path, rounds: u32, first: u32) {
    for round in 0..rounds {
        let cache = open(dir);
        let taken: Vec<_> = (0..KEYS / 2)
            .map(|number| {
                // Everybody has another order, and leaves out others.
                let number = (number * 7 + first + round * 11) % KEYS;
                let found = cache.get(key(number)).unwrap();
                (number, found.unwrap_or_else(|| make(&cache, number).unwrap()))
            })
            .collect();
        for (number, entry) in &taken {
            check(entry, *number);
        }
    }
}

/// Says that whatever happened to the directory, it is whole, and empty once it is cleared.
fn assert_whole(dir: &Path) {
    let cache = open(dir);
    let listed = names(dir, "entries").len() as u64;
    let found = (0..KEYS).filter(|number| match cache.get(key(*number)).unwrap() {
        Some(entry) => {
            check(&entry, *number);
            true
        }
        None => false,
    });
    // Everything under a final name was whole: nothing was removed as damaged.
    assert_eq!(found.count() as u64, listed);
    drop(cache);
    let trimmed = cache::trim(dir, Bytes::ZERO).unwrap();
    assert_eq!(trimmed.removed.entries, listed);
    for below in ["entries", "uses", "leases", "drafts"] {
        assert_eq!(names(dir, below), [""; 0], "{below}");
    }
}

/// Starts this program anew to do what a test named `child_…` does.
fn child(name: &str, dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("together::{name}"), "--ignored", "--nocapture"])
        .env(DIRECTORY, dir)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn directory() -> PathBuf {
    std::env::var_os(DIRECTORY).unwrap().into()
}

#[test]
#[ignore = "another process of the tests below"]
fn child_builds() {
    let started = Instant::now();
    while !directory().with_extension("stop").exists() && started.elapsed() < PATIENCE {
        build(&directory(), 4, std::process::id() % KEYS);
    }
}

#[test]
#[ignore = "another process of the tests below"]
fn child_builds_until_killed() {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        build(&directory(), 1, std::process::id() % KEYS);
        cache::trim(&directory(), Bytes::new(5000)).unwrap();
    }
}

#[test]
fn threads_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let dir = dir.path();
            scope.spawn(move || build(dir, 6, thread * 10));
        }
        for _ in 0..60 {
            cache::trim(dir.path(), Bytes::new(3000)).unwrap();
            cache::usage(dir.path()).unwrap();
        }
    });
    assert_whole(dir.path());
}

#[test]
fn one_handle_serves_many_threads() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let cache = &cache;
            scope.spawn(move || {
                for number in (0..KEYS).map(|number| (number + thread) % KEYS) {
                    let found = cache.get(key(number)).unwrap();
                    check(&found.unwrap_or_else(|| make(cache, number).unwrap()), number);
                }
            });
        }
    });
    // All of it is on the lease, whoever came first to record it.
    assert_eq!(cache::trim(dir.path(), Bytes::ZERO).unwrap().left.entries, u64::from(KEYS));
    drop(cache);
    assert_whole(dir.path());
}

#[test]
fn processes_share_a_directory_that_is_trimmed_all_the_time() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, started) = (dir.path().join("cache"), Instant::now());
    let mut children: Vec<Child> = (0..3).map(|_| child("child_builds", &cache)).collect();
    let mut removed = 0;
    // Until they were in each other's way often enough, or one of them gave up.
    let mut work = || children.iter_mut().all(|child| child.try_wait().unwrap().is_none());
    while removed < 300 && started.elapsed() < PATIENCE && work() {
        removed += cache::trim(&cache, Bytes::ZERO).unwrap().removed.entries;
        std::thread::sleep(Duration::from_micros(500));
    }
    std::fs::write(cache.with_extension("stop"), "").unwrap();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert!(removed >= 300, "{removed}");
    assert_whole(&cache);
}

#[test]
fn whoever_is_killed_leaves_a_whole_cache() {
    let dir = tempfile::tempdir().unwrap();
    let mut left = 0;
    for round in 0..40u64 {
        let mut children = [
            child("child_builds_until_killed", dir.path()),
            child("child_builds_until_killed", dir.path()),
        ];
        // Not before it works there, and then at any moment.
        let started = Instant::now();
        while !names_if_there(dir.path(), "leases").iter().any(|name| !name.is_empty()) {
            assert!(started.elapsed() < PATIENCE, "no child came to work");
            std::thread::sleep(Duration::from_micros(200));
        }
        std::thread::sleep(Duration::from_micros(round * 7919 % 30_000));
        for child in &mut children {
            child.kill().unwrap();
            // Not ended by an error of its own before that.
            assert_eq!(child.wait().unwrap().signal(), Some(9));
        }
        left += names(dir.path(), "drafts").len() + names(dir.path(), "leases").len();
        if round % 4 == 0 {
            assert_whole(dir.path());
        }
        build(dir.path(), 1, 0);
    }
    // Otherwise they were never killed at work.
    assert!(left > 10, "{left}");
    assert_whole(dir.path());
}

fn names_if_there(dir: &Path, below: &str) -> Vec<String> {
    if dir.join(below).exists() { names(dir, below) } else { Vec::new() }
}
