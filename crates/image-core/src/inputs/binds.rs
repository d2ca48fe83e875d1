//! Bind mounts: directories that a running system shows in a second place.
//!
//! A system with a root that is made anew at each boot keeps what must last on a volume, and shows
//! it where programs look for it: `/persist/nix /nix none bind`. A file of the image then lies below
//! `/persist/nix`, whatever the path is that the running system knows it by. Only what a mount says is
//! followed: links and overlays are not.

use super::fstab::{Fstab, in_system};
use crate::epoch::Epoch;
use crate::tree::{Conflict, Entry, Tree, TreeBuilder, TreePath};

/// The bind mounts of an fstab.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Binds(Vec<Bind>);

/// One directory shown in a second place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// Where it lies.
    pub from: TreePath,
    /// Where it is shown.
    pub to: TreePath,
}

impl Binds {
    /// Lists the bind mounts of an fstab; those that nobody mounts by himself are none.
    pub fn of(fstab: &Fstab) -> Self {
        let binds = fstab.mounts.iter().filter(|mount| mount.is_bind());
        let binds = binds.filter(|mount| !mount.has_option("noauto")).filter_map(|mount| {
            let from = TreePath::parse(in_system(&mount.spec)).ok()?;
            let to = TreePath::parse(in_system(&mount.mount_point)).ok()?;
            // Something bound to itself moves nothing.
            (from != to).then_some(Bind { from, to })
        });
        Self(binds.collect())
    }

    /// Lists them in the order of the fstab.
    pub fn iter(&self) -> impl Iterator<Item = &Bind> {
        self.0.iter()
    }

    /// Tells where a path of the running system lies, when volumes are mounted at `mounts`: what is
    /// mounted deeper hides what is mounted above it.
    #[must_use]
    pub fn place(&self, path: &TreePath, mounts: &[TreePath]) -> TreePath {
        let mut place = path.clone();
        let mut unused: Vec<&Bind> = self.0.iter().collect();
        let depth = |mount: &TreePath| mount.relative().len();
        // Each is followed once: `/data/new /data none bind` shows nothing of what it hides.
        loop {
            let binds = unused.iter().enumerate().filter(|(_, bind)| bind.to.contains(&place));
            let Some((index, bind)) = binds.max_by_key(|(_, bind)| depth(&bind.to)) else { break };
            let mut volumes = mounts.iter().filter(|mount| mount.contains(&place));
            let Some(rest) = place.below(&bind.to) else { break };
            if volumes.any(|mount| depth(mount) >= depth(&bind.to)) {
                break;
            }
            place = bind.from.join(&rest);
            unused.remove(index);
        }
        place
    }

    /// Moves the entries of a tree to where they lie; a directory that something is bound to stays
    /// behind, empty, to be mounted on.
    ///
    /// # Errors
    /// Something that lies in its place already.
    pub fn moved(&self, tree: Tree, mounts: &[TreePath], epoch: Epoch) -> Result<Tree, Conflict> {
        if self.0.is_empty() {
            return Ok(tree);
        }
        let mut moved = TreeBuilder::new(epoch);
        let (stays, moves) = (moved.layer("the image"), moved.layer("a bind mount"));
        for node in tree.iter() {
            let path = node.path();
            let place = self.place(&path, mounts);
            let layer = if place == path { stays } else { moves };
            if place != path && node.is_directory() && self.0.iter().any(|bind| bind.to == path) {
                moved.add(moves, path, Entry::directory(node.meta().clone()));
            }
            moved.add(layer, place, node.entry().clone());
        }
        moved.build()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::tree::{Meta, Mode, Source};

    fn path(text: &str) -> TreePath {
        TreePath::parse(text).unwrap()
    }

    fn binds(fstab: &str) -> Binds {
        Binds::of(&Fstab::parse(fstab, "fstab").unwrap())
    }

    const IMPERMANENT: &str = "tmpfs / tmpfs mode=0755 0 0\n\
        /dev/mapper/crypt /persist ext4 x-initrd.mount 0 1\n\
        /sysroot/persist/nix /sysroot/nix none bind,x-initrd.mount 0 0\n\
        /persist/etc/ssh /etc/ssh none bind 0 0\n\
        /etc/ssh/old /old none rbind 0 0\n\
        /persist/late /late none bind,noauto 0 0\n/same /same none bind 0 0\n";

    #[test]
    fn paths_are_followed_to_where_they_lie() {
        let binds = binds(IMPERMANENT);
        assert_eq!(binds.iter().count(), 3);
        let mounts = [path("/boot"), path("/persist")];
        for (shown, lies) in [
            ("/nix/store/x", "/persist/nix/store/x"),
            ("/nix", "/persist/nix"),
            ("/nixx", "/nixx"),
            ("/old/key", "/persist/etc/ssh/old/key"),
            ("/late/x", "/late/x"),
            ("/boot/x", "/boot/x"),
            ("/persist/nix/store", "/persist/nix/store"),
        ] {
            assert_eq!(binds.place(&path(shown), &mounts), path(lies), "{shown}");
        }
        // A volume of its own below a bind mount.
        let deeper = [path("/persist"), path("/nix/store")];
        assert_eq!(binds.place(&path("/nix/store/x"), &deeper), path("/nix/store/x"));
        assert_eq!(binds.place(&path("/nix/var"), &deeper), path("/persist/nix/var"));
    }

    #[test]
    fn a_circle_ends() {
        let binds = binds("/a /b none bind\n/b /a none bind\n/c/d /c none bind\n");
        assert_eq!(binds.place(&path("/c/x"), &[]), path("/c/d/x"));
        assert_eq!(binds.place(&path("/a/x"), &[]), path("/a/x"));
    }

    #[test]
    fn a_tree_moves_and_what_is_mounted_on_stays() {
        let mut tree = TreeBuilder::new(Epoch::STORE);
        let layer = tree.layer("test");
        let meta = Meta::root(Mode::new(0o700), Epoch::STORE);
        tree.add(layer, path("/etc/ssh"), Entry::directory(meta));
        for name in ["/nix/store/x", "/etc/ssh/key", "/persist/etc/own"] {
            let file = Entry::file(Meta::root(Mode::F644, Epoch::STORE), Source::bytes(&b"x"[..]));
            tree.add(layer, path(name), file);
        }
        let tree = tree.build().unwrap();
        let mounts = [path("/persist")];
        let moved = binds(IMPERMANENT).moved(tree, &mounts, Epoch::STORE).unwrap();
        let names: Vec<String> = moved.iter().map(|node| node.path().to_string()).collect();
        let expected = "/ /etc /etc/ssh /nix /persist /persist/etc /persist/etc/own /persist/etc/ssh \
                        /persist/etc/ssh/key /persist/nix /persist/nix/store /persist/nix/store/x";
        assert_eq!(names.join(" "), expected);
        let mode = |name: &str| moved.find(&path(name)).unwrap().meta().mode.bits();
        assert_eq!((mode("/etc/ssh"), mode("/persist/etc/ssh")), (0o700, 0o700));
    }
}
