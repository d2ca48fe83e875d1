//! Any small tree comes back equal, from `unsquashfs` and from the kernel.

use calve_image_core::tree::{Entry, Kind, Mode, Xattrs};
use contract::any::{self, Newlines};
use proptest::prelude::*;

use super::*;

/// The same tree without attributes where Linux gives and shows none of `user.`, and with the mode
/// that all links have when they are unpacked.
fn restorable(tree: &Tree) -> Tree {
    let mut corpus = corpus::Corpus::default();
    for node in tree.iter() {
        let Entry { mut meta, kind } = node.entry().clone();
        if !matches!(kind, Kind::Directory | Kind::File(_)) {
            meta.xattrs = Xattrs::NONE;
        }
        if matches!(kind, Kind::Symlink(_)) {
            meta.mode = Mode::new(0o777);
        }
        corpus.add(node.path().relative(), Entry { meta, kind });
    }
    corpus.build()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_comes_back(tree in any::tree(Newlines::Allowed)) {
        assert_everyone_agrees(&restorable(&tree), &settings(Codec::Lz4));
    }
}
