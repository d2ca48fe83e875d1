//! A machine with a NixOS installer that never was: its survey, and programs that only note what they are asked.
//!
//! What `calve` takes for ssh is a script that runs commands here, below a directory (`install/ssh`).

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fake::Fake;
use crate::run::command;

/// Programs that would change a machine.
const PROGRAMS: [&str; 30] = [
    "blkid",
    "chown",
    "chroot",
    "cryptsetup",
    "findmnt",
    "mkfs.btrfs",
    "mkfs.ext4",
    "mkfs.vfat",
    "mkfs.xfs",
    "mkswap",
    "mount",
    "mountpoint",
    "nix",
    "nix-store",
    "nixos-enter",
    "nixos-generate-config",
    "nixos-install",
    "partprobe",
    "reboot",
    "sfdisk",
    "ssh-keygen",
    "swapoff",
    "swapon",
    "sync",
    "systemctl",
    "tar",
    "udevadm",
    "umount",
    "unshare",
    "wipefs",
];

/// Programs of this machine that scripts need.
const TOOLS: [&str; 20] = [
    "cat", "chmod", "cp", "cut", "dirname", "flock", "grep", "head", "ln", "mkdir", "mktemp", "mv",
    "readlink", "rm", "sed", "sh", "sleep", "test", "touch", "true",
];

/// How the system of this machine is named.
const SYSTEM: [&str; 5] = ["result", "--store", "store", "--registration", "fake.registration"];

/// The disk: where the machine has it.
const BLOCK: &str = "sys/devices/pci0000:00/0000:00:04.0/virtio1/block/vda";

/// A machine, and what it is to be: a system in a store.
pub(crate) struct Installer {
    pub(crate) fake: Fake,
    root: PathBuf,
}

impl Installer {
    /// A PC with UEFI and one blank disk, /dev/vda, of 8 GiB.
    pub(crate) fn new() -> Self {
        let fake = Fake::new();
        let root = fake.dir().join("machine");
        let installer = Self { fake, root };
        for directory in ["bin", "mnt", "run", "dev/disk/by-id", "snapshot"] {
            fs::create_dir_all(installer.path(directory)).unwrap();
        }
        for (name, script) in
            [("ssh", include_str!("install/ssh")), ("record", include_str!("install/record"))]
        {
            let directory = if name == "ssh" { "ssh" } else { "bin" };
            fs::create_dir_all(installer.path(directory)).unwrap();
            let path = installer.path(directory).join(name);
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        for program in PROGRAMS {
            symlink("record", installer.path("bin").join(program)).unwrap();
        }
        for tool in TOOLS {
            let found = ["/usr/bin", "/bin"].map(|directory| Path::new(directory).join(tool));
            let found = found.into_iter().find(|file| file.exists()).unwrap();
            symlink(found, installer.path("bin").join(tool)).unwrap();
        }
        installer.describe();
        installer
    }

    /// What the machine says of itself.
    fn describe(&self) {
        let programs = PROGRAMS.iter().chain(&TOOLS);
        let programs: String = programs.map(|name| format!("{name} /bin/{name}\n")).collect();
        for (path, text) in [
            ("proc/meminfo", "MemTotal:        2014512 kB\n"),
            ("proc/self/mountinfo", "22 1 0:19 / / rw - tmpfs tmpfs rw,mode=755\n"),
            ("proc/swaps", "Filename Type Size Used Priority\n"),
            (
                "etc/os-release",
                "ID=nixos\nPRETTY_NAME=\"NixOS 26.05 (Yarara)\"\nVARIANT_ID=installer\n",
            ),
            ("sys/firmware/efi/fw_platform_size", "64\n"),
            ("calve/hostname", "nixos\n"),
            ("calve/machine", "x86_64\n"),
            ("calve/user", "0\n"),
            ("calve/programs", &programs),
        ] {
            self.says(path, text);
        }
        for (name, text) in [
            ("dev", "254:0"),
            ("size", "16777216"),
            ("ro", "0"),
            ("removable", "0"),
            ("diskseq", "9"),
            ("serial", "S1"),
            ("queue/logical_block_size", "512"),
        ] {
            self.says(&format!("{BLOCK}/{name}"), &format!("{text}\n"));
        }
        for directory in ["sys/dev/block", "sys/block", "sys/class/block", "dev/disk/by-id"] {
            fs::create_dir_all(self.path("snapshot").join(directory)).unwrap();
        }
        for (link, up, to) in [
            ("sys/dev/block/254:0", "../../..", BLOCK),
            ("sys/block/vda", "../..", BLOCK),
            ("sys/class/block/vda", "../../..", BLOCK),
            ("dev/disk/by-id/virtio-S1", "../..", "vda"),
        ] {
            symlink(format!("{up}/{to}"), self.path("snapshot").join(link)).unwrap();
        }
        // What the guard looks at.
        symlink("snapshot/sys", self.path("sys")).unwrap();
        fs::write(self.path("dev/vda"), "").unwrap();
        symlink("../../vda", self.path("dev/disk/by-id/virtio-S1")).unwrap();
    }

    /// Where something of the machine lies.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Lets a file of the machine say something.
    pub(crate) fn says(&self, path: &str, text: &str) {
        let path = self.path("snapshot").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Lets its disk say something.
    pub(crate) fn disk_says(&self, attribute: &str, text: &str) {
        self.says(&format!("{BLOCK}/{attribute}"), &format!("{text}\n"));
    }

    /// Lets a program fail from now on, and none where there is none.
    pub(crate) fn fails(&self, program: &str) {
        fs::write(self.path("fails"), format!("{program}\n")).unwrap();
    }

    /// Lets a program take long from now on, and none where there is none.
    pub(crate) fn lasts(&self, program: &str) {
        fs::write(self.path("lasts"), format!("{program}\n")).unwrap();
    }

    /// What its programs were asked, but for harmless ones.
    pub(crate) fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("log")).unwrap_or_default();
        let text = text.replace(self.root.to_str().unwrap(), "");
        let harmless = |line: &&str| ["sync", "udevadm"].iter().any(|name| line.starts_with(name));
        text.lines().filter(|line| !harmless(line)).map(str::to_owned).collect()
    }

    /// `calve install web` with these arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> assert_cmd::Command {
        self.command_for(&SYSTEM, arguments)
    }

    /// The same for another system.
    pub(crate) fn command_for(&self, system: &[&str], arguments: &[&str]) -> assert_cmd::Command {
        let mut command = command(self.fake.dir(), &Self::arguments(system, arguments));
        self.prepare(&mut |name, value| {
            command.env(name, value);
        });
        command
    }

    /// The same for a terminal.
    pub(crate) fn session(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("calve"));
        command.args(Self::arguments(&SYSTEM, arguments)).current_dir(self.fake.dir()).env_clear();
        command.env("TMPDIR", self.fake.dir());
        self.prepare(&mut |name, value| {
            command.env(name, value);
        });
        command
    }

    fn arguments<'a>(system: &[&'a str], arguments: &[&'a str]) -> Vec<&'a str> {
        let fixed = ["install", "root@web"].into_iter().chain(system.iter().copied());
        let profile = if arguments.contains(&"-p") { &[][..] } else { &["-p", "small.toml"] };
        fixed.chain(profile.iter().copied()).chain(arguments.iter().copied()).collect()
    }

    fn prepare(&self, set: &mut dyn FnMut(&str, &str)) {
        let mut tar = Command::new("tar");
        tar.arg("-cf").arg(self.path("survey.tar")).arg("-C").arg(self.path("snapshot")).arg(".");
        assert!(tar.status().unwrap().success());
        let path = format!("{}:/usr/bin:/bin", self.path("ssh").display());
        set("PATH", &path);
        set("FAKE_ROOT", self.root.to_str().unwrap());
        set("XDG_STATE_HOME", self.fake.dir().join("state").to_str().unwrap());
    }
}
