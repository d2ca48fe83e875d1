//! The comparisons for disk images: what the price of reading and writing once is (tar), what
//! nixpkgs and bare mke2fs take, and how the peers do.

mod reflink;

use std::path::{Path, PathBuf};

use super::measure::Contender;
use super::table::{self, Comparison};
use super::{Error, How, build_calve, peers, report, stage};
use crate::{fixture, program, repo};

/// `tar` of the closure's store paths.
const TAR: &str = r#"tar cf "$OUT" -C / --files-from=<(sed s,^/,, "$CLOSURE/store-paths")"#;
/// calve, from a registration file, so that neither side asks Nix.
const CALVE: &str = r#""$CALVE" build disk "$CLOSURE/system" --registration "$CLOSURE/registration" -p minimal -o "$OUT""#;
/// As nixpkgs' make-disk-image does: stage, make the file system, copy it into the disk.
const NIXPKGS: &str = r#"mkdir -p "$DIR/root/nix/store"
xargs -a "$CLOSURE/store-paths" cp -a -t "$DIR/root/nix/store"
mke2fs -q -F -t ext4 -L nixos -d "$DIR/root" "$DIR/root.ext4" 3G
truncate -s 4G "$OUT"
dd if="$DIR/root.ext4" of="$OUT" bs=1M seek=512 conv=notrunc,sparse status=none"#;
const MKE2FS: &str =
    r#"mke2fs -q -F -t ext4 -E lazy_itable_init=0,lazy_journal_init=0 -d "$TREE" "$OUT" 3G"#;
const EXT4: &str = r#""$EXT4" "$TREE" "$OUT" 3G"#;

/// Measures everything and writes the report.
pub(super) fn run(how: &How) -> Result<String, Error> {
    fixture::build(&["big"])?;
    let calve = build_calve()?;
    let mut example = program::command("cargo");
    example.args(["build", "--release", "--quiet", "--package=calve-image-core", "--example=ext4"]);
    program::run(&mut example)?;
    let places = Places::find(calve)?;
    let rounds = how.rounds.unwrap_or(5);
    let mut report = format!("## Disk images\n\n{}\n\n", report::circumstances("big")?);
    for (title, make) in COMPARISONS {
        if how.wants(title) {
            let comparison = make(&places, title)?;
            report.push_str(&table::run(&comparison, rounds, &places.bench.join("run"))?);
            report.push('\n');
        }
    }
    if how.wants(reflink::TITLE) {
        report.push_str(&reflink::run(&places, rounds)?);
    }
    Ok(report)
}

type Make = fn(&Places, &'static str) -> Result<Comparison, Error>;

/// In the order of the report; each is independent of the others.
const COMPARISONS: [(&str, Make); 5] = [
    ("A disk from a closure", whole_disk),
    ("ext4 from a staged tree", staged_tree),
    ("20,000 names in one directory", one_directory),
    ("300,000 small files", small_files),
    ("Memory does not follow file size", memory),
];

/// Where contenders find their work.
pub(super) struct Places {
    pub(super) bench: PathBuf,
    pub(super) env: Vec<(&'static str, PathBuf)>,
}

impl Places {
    fn find(calve: PathBuf) -> Result<Self, Error> {
        let release = repo::target().join("release");
        let bench = repo::target().join("bench");
        let closure = repo::target().join("fixture/big");
        let tree = stage::closure(&closure.join("store-paths"), &bench.join("staged"))?;
        let env = vec![
            ("CALVE", calve),
            ("EXT4", release.join("examples/ext4")),
            ("FSTOOL", peers::fstool()?),
            ("MKEXT4", peers::mkext4()?),
            ("CLOSURE", closure),
            ("TREE", tree),
        ];
        Ok(Self { bench, env })
    }

    pub(super) fn contender(&self, name: &'static str, script: impl Into<String>) -> Contender {
        Contender { name, script: script.into(), env: self.env.clone(), ..Contender::default() }
    }

    /// The same contenders on another tree.
    fn on(&self, tree: &Path, contenders: &[(&'static str, &str)]) -> Vec<Contender> {
        let env = |(name, value): &(&'static str, PathBuf)| match *name {
            "TREE" => (*name, tree.to_path_buf()),
            _ => (*name, value.clone()),
        };
        let env: Vec<_> = self.env.iter().map(env).collect();
        let contender = |(name, script): &(&'static str, &str)| Contender {
            name,
            script: (*script).to_owned(),
            env: env.clone(),
            ..Contender::default()
        };
        contenders.iter().map(contender).collect()
    }
}

fn whole_disk(places: &Places, title: &'static str) -> Result<Comparison, Error> {
    let contenders = vec![
        places.contender("tar", TAR),
        places.contender("calve, raw", CALVE),
        places.contender("calve, qcow2", format!("{CALVE} --format qcow2")),
        places.contender("nixpkgs' way", NIXPKGS),
    ];
    let text = "The sample closure `big` into a bootable GPT disk: ESP, kernels, ext4 root, Nix database. tar only \
                reads the same store paths and writes them once."
        .to_owned();
    Ok(Comparison { title, text, contenders })
}

fn staged_tree(places: &Places, title: &'static str) -> Result<Comparison, Error> {
    let contenders = vec![
        places.contender("calve's ext4", EXT4),
        places.contender("mke2fs -d", MKE2FS),
        places.contender("mkext4", r#""$MKEXT4" "$TREE" "$OUT" 3221225472"#),
        places.contender("fstool", r#""$FSTOOL" create -t ext4 "$TREE" -o "$OUT" --size 3GiB"#),
        places.contender(
            "genext2fs (ext2)",
            r#"genext2fs -B 4096 -b 786432 -N 90000 -d "$TREE" "$OUT""#,
        ),
        places.contender(
            "mkfs.btrfs --rootdir",
            r#"truncate -s 3G "$OUT"; mkfs.btrfs -q -f --rootdir "$TREE" "$OUT""#,
        ),
    ];
    let text = "One file system of 3 GiB from a directory that somebody staged already; staging is not counted.".to_owned();
    Ok(Comparison { title, text, contenders })
}

fn one_directory(places: &Places, title: &'static str) -> Result<Comparison, Error> {
    let tree = stage::one_directory(20_000, &places.bench.join("names"))?;
    let contenders = places.on(&tree, &[("calve's ext4", EXT4), ("mke2fs -d", MKE2FS)]);
    Ok(Comparison {
        title,
        text: "mke2fs looks through the whole directory for each name.".to_owned(),
        contenders,
    })
}

fn small_files(places: &Places, title: &'static str) -> Result<Comparison, Error> {
    let tree = stage::small_files(300_000, &places.bench.join("small"))?;
    let contenders =
        places.on(&tree, &[("tar", r#"tar cf "$OUT" -C "$TREE" ."#), ("calve's ext4", EXT4)]);
    Ok(Comparison {
        title,
        text: "Peak memory may be 64 MiB and 1 KiB an entry: 357 MiB here.".to_owned(),
        contenders,
    })
}

fn memory(places: &Places, title: &'static str) -> Result<Comparison, Error> {
    let staged = places.bench.join("staged");
    let tree = stage::ten_times(&staged, &places.bench.join("tenfold"))?;
    let stream = r#""$EXT4" "$TREE" - 24G >/dev/null; : >"$OUT""#;
    let mut contenders = places.on(&staged, &[("sizes as they are", stream)]);
    contenders.extend(places.on(&tree, &[("ten times larger", stream)]));
    let text = "calve's ext4 of the staged tree, and of the same names with files of ten times the size, streamed. \
                Wall time differs, peak memory must not."
        .to_owned();
    Ok(Comparison { title, text, contenders })
}
