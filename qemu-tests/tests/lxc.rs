//! The template of a sample runs as a container, in Proxmox' way and in systemd's, as the host's root
//! and as nobody; what is written stays, and Nix knows every path of its store.
#![allow(missing_docs)]

use calve_qemu_tests::container::{self, Container, Rootfs, Runtime, Users};
use calve_qemu_tests::{Error, Images, Sample};

#[test]
fn a_privileged_container_of_full_runs_twice() -> Result<(), Error> {
    let Some(images) = container::images("lxc-host", Sample::Full)? else { return Ok(()) };
    let template = images.archive("lxc", "template.tar.zst", &["--compress", "zstd:fast"])?;
    runs_twice(&images, &Rootfs::of_template(&images, &template, Users::Host)?, Runtime::Lxc)?;
    runs_twice(&images, &Rootfs::of_template(&images, &template, Users::Host)?, Runtime::Nspawn)
}

#[test]
fn an_unprivileged_container_of_full_runs_twice() -> Result<(), Error> {
    let Some(images) = container::images("lxc-shifted", Sample::Full)? else { return Ok(()) };
    let template = images.archive("lxc", "template.tar.zst", &["--compress", "zstd:fast"])?;
    runs_twice(&images, &Rootfs::of_template(&images, &template, Users::Shifted)?, Runtime::Lxc)?;
    runs_twice(&images, &Rootfs::of_template(&images, &template, Users::Shifted)?, Runtime::Nspawn)
}

#[test]
fn a_closure_for_containers_loads_its_own_registration() -> Result<(), Error> {
    let Some(images) = container::images("lxc-own", Sample::Container)? else { return Ok(()) };
    let template = images.archive("lxc", "template.tar", &["--compress", "none"])?;
    let rootfs = Rootfs::of_template(&images, &template, Users::Shifted)?;
    assert!(rootfs.path().join("nix-path-registration").exists());
    let container = Container::boot(Runtime::Lxc, &rootfs)?;
    container.all_units_up()?;
    container.run("test ! -e /nix-path-registration")?;
    nix_is_right(&images, &container)?;
    container.shut_down()
}

fn runs_twice(images: &Images, rootfs: &Rootfs, runtime: Runtime) -> Result<(), Error> {
    if runtime == Runtime::Nspawn {
        rootfs.please_nspawn()?;
    }
    let first = Container::boot(runtime, rootfs)?;
    first.all_units_up()?;
    first.run("echo kept >/root/kept")?;
    first.shut_down()?;

    let second = Container::boot(runtime, rootfs)?;
    second.all_units_up()?;
    assert_eq!(second.run("cat /root/kept")?, "kept");
    nix_is_right(images, &second)?;
    second.shut_down()
}

/// Lets Nix judge its store, its roots, and what it would delete.
fn nix_is_right(images: &Images, container: &Container) -> Result<(), Error> {
    container.run("nix-store --verify --check-contents")?;
    let known = container.run("nix path-info --all 2>/dev/null | sort")?;
    let known: Vec<&str> = known.lines().collect();
    assert!(known == images.store_paths()?, "Nix knows {} other paths", known.len());

    let roots = container.run("nix-store --gc --print-roots")?;
    let root = format!("/nix/var/nix/profiles/system-1-link -> {}", images.system().display());
    assert!(roots.lines().any(|line| line == root), "{roots}");
    let kept = "nix-store --query --requisites /nix/var/nix/profiles/system | sort";
    let kept = container.run(kept)?;
    assert!(kept.lines().eq(known), "the profile keeps other paths than Nix knows");

    let dead = container.run("echo dead >/tmp/dead && nix-store --add /tmp/dead")?;
    let said = container.run("nix-collect-garbage")?;
    let deleted = said.lines().filter(|line| line.starts_with("deleting '/nix/store/"));
    assert_eq!(deleted.collect::<Vec<_>>(), [format!("deleting '{dead}'")], "{said}");
    container.run(&format!("test ! -e {dead} && nix-store --verify --check-contents")).map(drop)
}
