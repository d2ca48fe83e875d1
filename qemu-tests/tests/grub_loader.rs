//! The loader alone: GRUB as calve links it starts from an ISO that xorriso made, as a CD and as a disk,
//! finds the ISO by its marker and reads the menu there.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use calve_image_core::boot::grub::{self, Grub, Platform};
use calve_image_core::boot::systemd_boot::Machine as Kind;
use calve_image_core::inputs::closure::{Closure, PathInfo};
use calve_image_core::inputs::nar_hash::NarHash;
use calve_image_core::inputs::store::HostStore;
use calve_image_core::inputs::store_path::StorePath;
use calve_machine::{Architecture, Boot, Bus, Disk, Firmware, Machine, Search};

/// Where Debian has GRUB's files.
const INSTALLED: &str = "/usr/lib/grub";
const PATH: &str = "p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-grub-2.06";
const EFI: Platform = Platform::Efi(Kind::X86_64);
const PREFIX: &str = "/boot/grub";
const MARKER: &str = "/EFI/marker";
const PATIENCE: Duration = Duration::from_secs(180);

/// Speaks on the serial line, shows that modules and files of the ISO are there, and goes off.
const MENU: &str = r#"
if [ "$grub_platform" = pc ]; then
  serial --unit=0 --speed=115200
  terminal_output serial
fi
if [ "$prefix" = "($root)/boot/grub" ]; then
  echo "platform=$grub_platform, on the iso"
else
  echo "root=$root prefix=$prefix"
fi
cat /only-on-the-iso
halt
"#;

/// What is missing here, if anything.
fn missing() -> Option<String> {
    for tool in ["qemu-system-x86_64", "xorriso", "mformat", "mcopy", "mmd"] {
        if Command::new(tool).arg("--version").output().is_err() {
            return Some(format!("{tool} not found"));
        }
    }
    let folders = [Platform::Bios, EFI].map(|platform| Path::new(INSTALLED).join(platform.name()));
    let folder = folders.iter().find(|folder| !folder.is_dir());
    folder.map(|folder| format!("{} not found", folder.display()))
}

fn run(tool: &str, args: &[&str]) {
    let output = Command::new(tool).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {args:?} failed: {said}");
}

/// A closure of nothing but the installed GRUB.
fn closure(root: &Path) -> (HostStore, Closure) {
    for platform in [Platform::Bios, EFI] {
        let to = root.join("nix/store").join(PATH).join("lib/grub").join(platform.name());
        fs::create_dir_all(&to).unwrap();
        for entry in fs::read_dir(Path::new(INSTALLED).join(platform.name())).unwrap() {
            let file = entry.unwrap().path();
            if file.is_file() {
                fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
            }
        }
    }
    let path = StorePath::from_base_name(PATH).unwrap();
    let info = PathInfo {
        path: path.clone(),
        nar_hash: NarHash::from_bytes([0; 32]),
        nar_size: 1,
        references: Vec::new(),
        deriver: None,
        signatures: Vec::new(),
        ca: None,
        ultimate: false,
    };
    (HostStore::at(root), Closure::of([info], &[path]).unwrap())
}

/// An ISO of our images and [`MENU`], laid out by xorriso.
fn iso(dir: &Path) -> PathBuf {
    let (store, closure) = closure(&dir.join("root"));
    let grub = Grub::find(&store, &closure).unwrap().unwrap();
    let early = grub::early_config(MARKER);
    let bios = grub::bios_image(&store, &grub, PREFIX, &early).unwrap();
    let efi = grub::efi_image(&store, &grub, EFI, PREFIX, &early).unwrap();

    let files = dir.join("files");
    fs::create_dir_all(files.join("boot/grub")).unwrap();
    fs::create_dir_all(files.join("EFI")).unwrap();
    fs::write(files.join("boot/grub/eltorito.img"), bios.eltorito).unwrap();
    fs::write(files.join("boot/grub/grub.cfg"), MENU).unwrap();
    fs::write(files.join("EFI/marker"), "").unwrap();
    fs::write(files.join("only-on-the-iso"), "read from the iso\n").unwrap();
    fs::write(dir.join("mbr"), bios.hybrid_mbr).unwrap();
    fs::write(dir.join("bootx64.efi"), efi).unwrap();

    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let esp = text(&files.join("efi.img"));
    fs::write(&esp, vec![0; 8 << 20]).unwrap();
    run("mformat", &["-i", &esp, "::"]);
    run("mmd", &["-i", &esp, "::/EFI", "::/EFI/BOOT"]);
    run("mcopy", &["-i", &esp, &text(&dir.join("bootx64.efi")), "::/EFI/BOOT/BOOTX64.EFI"]);
    let (iso, mbr) = (dir.join("grub.iso"), text(&dir.join("mbr")));
    let bios = ["-b", "boot/grub/eltorito.img", "-no-emul-boot", "-boot-load-size", "4"];
    let efi = ["-eltorito-alt-boot", "-e", "efi.img", "-no-emul-boot", "-isohybrid-gpt-basdat"];
    let mut args = vec!["-as", "mkisofs", "-R", "-J", "-V", "LOADER", "-c", "boot.cat"];
    args.extend(bios);
    args.extend(["-boot-info-table", "--grub2-boot-info", "--grub2-mbr", &mbr]);
    args.extend(efi);
    let (out, files) = (text(&iso), text(&files));
    args.extend(["-o", &out, &files]);
    run("xorriso", &args);
    iso
}

#[test]
fn grub_starts_from_cds_and_disks() {
    let firmware = Firmware::find(&Search::new(Architecture::X86_64));
    let reason = missing().or(firmware.as_ref().err().map(ToString::to_string));
    if let Some(reason) = reason {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{reason}");
        // Past the test runner, which hides what passing tests print.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {reason}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let iso = iso(dir.path());
    let uefi = Boot::Uefi(firmware.unwrap());
    for (boot, bus, platform) in [
        (Boot::Bios, Bus::ScsiCd, "pc"),
        (Boot::Bios, Bus::VirtioBlk, "pc"),
        (uefi.clone(), Bus::ScsiCd, "efi"),
        (uefi, Bus::Usb, "efi"),
    ] {
        let disk = Disk { bus, ..Disk::open(&iso).unwrap() };
        let machine = Machine { cpus: 1, memory_mib: 512, disks: vec![disk], ..Machine::new(boot) };
        let mut running = machine.boot().unwrap();
        running.expect(&format!("platform={platform}, on the iso"), PATIENCE).unwrap();
        running.expect("read from the iso", PATIENCE).unwrap();
        running.wait_off(PATIENCE).unwrap();
    }
}
