//! The distribution of a sample does what WSL asks of one before it ever ran, and comes up with the
//! init that it names.
//!
//! WSL is not to be had here: its first steps are taken in a chroot, and `systemd-nspawn` stands for
//! its virtual machine.
#![allow(missing_docs)]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use calve_qemu_tests::container::{self, Container, Rootfs, Runtime};
use calve_qemu_tests::{Error, Images, Sample};

/// The sample's default user.
const USER: &str = "nixos";

#[test]
fn a_distribution_answers_before_its_first_start() -> Result<(), Error> {
    let Some(images) = container::images("wsl-chroot", Sample::Wsl)? else { return Ok(()) };
    let archive = images.archive("wsl", "sample.wsl", &["--compress", "gzip:fast"])?;
    let rootfs = Rootfs::of_distribution(&images, &archive)?;
    let root = rootfs.path();

    // What WSL reads itself.
    assert_eq!(fs::read_link(root.join("bin/wslpath"))?, Path::new("/init"));
    assert_eq!(in_section(&images, root, "etc/wsl.conf", "user", "default")?, USER);
    assert!(
        !in_section(&images, root, "etc/wsl-distribution.conf", "oobe", "defaultName")?.is_empty()
    );
    let home = fs::metadata(root.join("home").join(USER))?;
    assert_eq!((home.uid(), home.gid(), home.mode() & 0o777), (1000, 100, 0o700));
    for absent in ["etc/resolv.conf", "etc/machine-id", "init"] {
        assert!(root.join(absent).symlink_metadata().is_err(), "{absent}");
    }

    // The shadow suite judges the users; -q, as homes that services make later are not there yet.
    images.expect(Command::new("pwck").args(["-r", "-q", "-R"]).arg(root))?;
    images.expect(Command::new("grpck").args(["-r", "-R"]).arg(root))?;

    // What WSL calls: a shell, `mount`, the users by number and by name, `login`.
    assert_eq!(chroot(&images, root, &["/bin/sh", "-c", "echo $((6 * 7))"])?, "42");
    assert_eq!(chroot(&images, root, &["/bin/bash", "-c", "echo ~root"])?, "/root");
    let mounted =
        "/bin/mount -t tmpfs none /tmp && echo kept >/tmp/x && read line </tmp/x && echo $line";
    assert_eq!(chroot(&images, root, &["/bin/sh", "-c", mounted])?, "kept");
    let said = login(&images, root)?;
    assert!(said.contains("I am 1000:100 in /home/nixos"), "{said}");
    Ok(())
}

#[test]
fn a_distribution_comes_up_twice() -> Result<(), Error> {
    let Some(images) = container::images("wsl-nspawn", Sample::Wsl)? else { return Ok(()) };
    let archive = images.archive("wsl", "sample.wsl", &["--compress", "gzip:fast"])?;
    let rootfs = Rootfs::of_distribution(&images, &archive)?;
    rootfs.please_nspawn()?;
    let users = fs::read_to_string(rootfs.path().join("etc/passwd"))?;

    let first = Container::boot(Runtime::Nspawn, &rootfs)?;
    first.all_units_up()?;
    let identity = first.run(&format!("id {USER}"))?;
    assert!(identity.starts_with("uid=1000(nixos) gid=100(users)"), "{identity}");
    assert!(identity.contains("(wheel)"), "{identity}");
    first.run(
        "grep -q ' /nix/store .*ro,' /proc/self/mounts && nix-store --verify --check-contents",
    )?;
    first.run(&format!("su {USER} -c 'touch ~/kept'"))?;
    first.shut_down()?;

    let second = Container::boot(Runtime::Nspawn, &rootfs)?;
    second.all_units_up()?;
    second.run(&format!("test $(stat -c %U /home/{USER}/kept) = {USER}"))?;
    second.shut_down()?;
    assert_eq!(fs::read_to_string(rootfs.path().join("etc/passwd"))?, users);
    Ok(())
}

/// The value of a key of a file in the image, whose links lead through the image.
fn in_section(
    images: &Images,
    root: &Path,
    file: &str,
    section: &str,
    key: &str,
) -> Result<String, Error> {
    let text = chroot(
        images,
        root,
        &["/bin/sh", "-c", &format!("while read -r l; do echo \"$l\"; done </{file}")],
    )?;
    let lines =
        text.lines().map(str::trim).skip_while(|line| *line != format!("[{section}]")).skip(1);
    let mut section = lines.take_while(|line| !line.starts_with('['));
    let value = section.find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    });
    Ok(value.unwrap_or_default())
}

/// Runs a program of the image, which has nothing but the image.
fn chroot(images: &Images, root: &Path, words: &[&str]) -> Result<String, Error> {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--root"]).arg(root).args(words).env_clear();
    Ok(images.expect(&mut command)?.trim_end().to_owned())
}

/// Logs the default user in on a terminal, as WSL does: without asking.
fn login(images: &Images, root: &Path) -> Result<String, Error> {
    let busybox = busybox(images)?;
    let login = format!("chroot {} /bin/login -f {USER}", root.display());
    let mut command = Command::new("timeout");
    command.args(["60", "script", "--quiet", "--command", &login, "/dev/null"]);
    let mut terminal = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut keys = terminal.stdin.take().expect("a pipe was asked for");
    let mut screen = terminal.stdout.take().expect("a pipe was asked for");
    // What is typed before the prompt is there is lost.
    let mut said = Vec::new();
    let mut letter = [0];
    while !said.ends_with(b"$ ") && screen.read(&mut letter)? == 1 {
        said.extend(letter);
    }
    writeln!(keys, "echo I am $({busybox} id -u):$({busybox} id -g) in $PWD; exit")?;
    screen.read_to_end(&mut said)?;
    drop(keys);
    terminal.wait()?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// The one program of the sample that tells who it runs as, and needs no other.
fn busybox(images: &Images) -> Result<String, Error> {
    let paths = images.store_paths()?;
    let path = paths.iter().find(|path| path.contains("-busybox-static-"));
    Ok(format!("{}/bin/busybox", path.expect("the sample has busybox")))
}
