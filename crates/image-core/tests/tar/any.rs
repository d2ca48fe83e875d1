//! Any small tree comes back equal: through the `tar` crate, and as others list it.

use contract::any::{Newlines, tree};
use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_comes_back_through_the_crate(tree in tree(Newlines::Avoided)) {
        let (_dir, archive) = written(&tree);
        let listing = readers::crate_listing(&archive, readers::Attributes::Show);
        prop_assert_eq!(listing, inside(&tree.listing()));
        prop_assert_eq!(readers::crate_data(&archive), readers::tree_digests(&tree));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_is_listed_alike(tree in tree(Newlines::Allowed)) {
        let (_dir, archive) = written(&tree);
        let listing = inside(&bare(&tree).listing());
        if let Some(tar) = oracle::need("tar") {
            prop_assert_eq!(readers::gnu_listing(&tar, &archive), listing.clone());
        }
        if let Some(bsdtar) = oracle::need("bsdtar") {
            let (listed, digests) = readers::mtree(&bsdtar, &archive);
            prop_assert_eq!(listed, listing);
            prop_assert_eq!(digests, readers::tree_digests(&tree));
        }
    }
}
