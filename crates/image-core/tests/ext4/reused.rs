//! A disk that held an older image of the same ids, and crashed: what its journal still says must
//! never be replayed, not at the first mount and not when the new system crashes in its turn.
//!
//! A journal holds transactions one after the other, each with the next number. A new system starts
//! at number 1 again, with the same UUID and so with the same checksums: behind its last transaction
//! the older one's would fit perfectly, if the writer left them there.

use calve_image_core::region::{self, Device, Keys, Options, Region};

use super::*;

/// Works on a mounted image, then crashes: gives the image as it was on the disk at that moment.
fn crash(image: &Path, work: impl Fn(&Path)) -> (tempfile::TempDir, std::path::PathBuf) {
    let (dir, crashed) = temporary("crashed.ext4");
    let mounted = Mounted::new(image, "loop");
    work(mounted.path());
    std::fs::copy(image, &crashed).unwrap();
    drop(mounted);
    (dir, crashed)
}

/// Makes a file in a transaction of its own.
fn step(root: &Path, number: u32) {
    std::fs::write(root.join(format!("step {number}")), b"stepped").unwrap();
    rustix::fs::syncfs(std::fs::File::open(root).unwrap()).unwrap();
}

fn needs_recovery(image: &Path) -> bool {
    let Some(dumpe2fs) = oracle::need("dumpe2fs") else { return true };
    let said = oracle::expect(&dumpe2fs, args!["-h", image]);
    String::from_utf8_lossy(&said).contains("needs_recovery")
}

fn names(root: &Path) -> Vec<String> {
    let names = std::fs::read_dir(root).unwrap();
    let mut names: Vec<_> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_journal_of_an_older_image_is_never_replayed() {
    if !oracle::may_mount() {
        return;
    }
    let mut tree = corpus::Corpus::default();
    tree.file("data", corpus::noise(1, 300_000));
    let tree = tree.build();
    let plan = plan(&tree, MIB * 64);

    let (_dir, first) = temporary("first.ext4");
    image::write_sparse(&plan, &first);
    let (_dir, disk) = crash(&first, |root| (0..30).for_each(|number| step(root, number)));
    assert!(needs_recovery(&disk), "the older image has nothing to replay");

    let file = std::fs::File::options().read(true).write(true).open(&disk).unwrap();
    let region = Region::Random(&Device::new(&file));
    region::write(&plan, region, &Keys::none(), &Options::default()).unwrap();
    assert_clean(&disk);

    // The same work at first, so that the older transactions would go on where it ends.
    let (_dir, crashed) = crash(&disk, |root| {
        walk::assert_same_data(&tree, root);
        (0..5).for_each(|number| step(root, number));
    });
    assert!(needs_recovery(&crashed), "the new image has nothing to replay");
    let recovered = Mounted::new(&crashed, "loop");
    walk::assert_same_data(&tree, recovered.path());
    let expected = ["data", "lost+found", "step 0", "step 1", "step 2", "step 3", "step 4"];
    assert_eq!(names(recovered.path()), expected);
    drop(recovered);
    assert_clean(&crashed);
}
