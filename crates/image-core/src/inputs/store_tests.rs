//! Links that must stay within the store, arguments that name a path, and paths that are elsewhere.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::os::unix::fs::symlink;

use super::*;
use crate::units::KIB;

const A: &str = "p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-a";
const B: &str = "31nfjp6r58f3bm5ddfyc1f23kh7674vw-b";

fn file(text: &str) -> StoreFile {
    format!("/nix/store/{text}").parse().unwrap()
}

/// A chroot store with two paths full of links.
fn sample() -> (tempfile::TempDir, HostStore) {
    let root = tempfile::tempdir().unwrap();
    let store = root.path().join("nix/store");
    fs::create_dir_all(store.join(A).join("dir")).unwrap();
    fs::create_dir_all(store.join(B)).unwrap();
    fs::write(store.join(A).join("dir/text"), "hello").unwrap();
    symlink(format!("/nix/store/{A}/dir"), store.join(B).join("dir")).unwrap();
    symlink("dir/../dir/text", store.join(B).join("relative")).unwrap();
    symlink("loop", store.join(B).join("loop")).unwrap();
    symlink("/etc/passwd", store.join(B).join("out")).unwrap();
    symlink("../../../../etc/passwd", store.join(B).join("up")).unwrap();
    symlink("/nix/var/x", store.join(B).join("var")).unwrap();
    let host = HostStore::at(root.path());
    (root, host)
}

#[test]
fn links_stay_inside() {
    let (_root, store) = sample();
    for name in ["dir/text", "relative"] {
        let found = store.resolve(&file(&format!("{B}/{name}"))).unwrap();
        assert_eq!(found, file(&format!("{A}/dir/text")));
    }
    assert_eq!(store.read_text(&file(&format!("{B}/relative")), KIB).unwrap(), "hello");
    let found = store.resolve(&file(&format!("{B}/loop"))).unwrap_err();
    assert!(matches!(found, Error::Loop { .. }));
    for name in ["out", "var"] {
        let found = store.resolve(&file(&format!("{B}/{name}"))).unwrap_err();
        assert!(matches!(found, Error::Outside { .. }), "{found}");
    }
    assert!(store.resolve(&file(&format!("{B}/up"))).is_err());
    let found = store.resolve(&file(&format!("{B}/none"))).unwrap_err();
    assert!(found.is_not_found());
    assert!(store.kind(&file(&format!("{B}/none"))).unwrap().is_none());
    assert!(store.kind(&file(&format!("{A}/dir/text/below"))).unwrap().is_none());
    assert!(store.kind(&file(&format!("{B}/dir"))).unwrap().unwrap().is_dir());
    assert_eq!(store.names(&file(&format!("{B}/dir"))).unwrap(), ["text"]);
    let limit = Bytes::new(4);
    let found = store.read(&file(&format!("{B}/relative")), limit).unwrap_err();
    assert!(matches!(found, Error::Size { .. }));
}

#[test]
fn arguments_lead_to_store_paths() {
    let (root, store) = sample();
    let top = file(A).path().clone();
    let result = root.path().join("result");
    symlink(format!("/nix/store/{A}"), &result).unwrap();
    let profile = root.path().join("system");
    symlink("result", &profile).unwrap();
    let special = root.path().join("nix/store").join(B).join("special");
    symlink(format!("/nix/store/{A}"), &special).unwrap();
    for path in [
        PathBuf::from(format!("/nix/store/{A}")),
        PathBuf::from(format!("/nix/store/{A}/")),
        root.path().join("nix/store").join(A),
        result,
        profile,
        special,
        PathBuf::from(format!("/nix/store/{B}/special")),
    ] {
        assert_eq!(store.find(&path).unwrap(), top, "{}", path.display());
    }
    let found = store.find(root.path()).unwrap_err();
    assert!(matches!(found, Error::NotInStore { .. }), "{found}");
    let found = store.find(Path::new("/nix/store/x")).unwrap_err();
    assert!(matches!(found, Error::Malformed { .. }), "{found}");
    let dir = PathBuf::from(format!("/nix/store/{A}/dir"));
    assert!(matches!(store.find(&dir).unwrap_err(), Error::NotInStore { .. }));
}

/// Has one path, and makes it when it is asked for.
#[derive(Debug)]
struct Other {
    directory: PathBuf,
    asked: std::sync::Mutex<Vec<String>>,
}

impl Elsewhere for Other {
    fn bring(&self, path: &StorePath) -> io::Result<()> {
        self.asked.lock().unwrap().push(path.base_name().to_owned());
        match path.base_name() {
            A => fs::create_dir_all(self.directory.join(A))
                .and_then(|()| fs::write(self.directory.join(A).join("text"), "hello")),
            _ => Err(io::Error::other("no way there")),
        }
    }
}

#[test]
fn paths_are_brought_when_they_are_looked_at() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("nix/store");
    fs::create_dir_all(&directory).unwrap();
    let other =
        Arc::new(Other { directory: directory.clone(), asked: std::sync::Mutex::default() });
    let asked: Arc<dyn Elsewhere> = Arc::clone(&other) as _;
    let store = HostStore::at(root.path()).with_elsewhere(asked);
    assert!(store.is_elsewhere() && other.asked.lock().unwrap().is_empty());
    assert_eq!(store.read_text(&file(&format!("{A}/text")), KIB).unwrap(), "hello");
    assert!(store.kind(&file(&format!("{A}/other"))).unwrap().is_none());
    let error = store.kind(&file(B)).unwrap_err();
    assert!(!error.is_not_found() && error.to_string().starts_with("cannot bring "), "{error}");
    assert!(other.asked.lock().unwrap().iter().all(|name| name == A || name == B));
}
