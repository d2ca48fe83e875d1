//! The contract's own tests: what it says about the corpus must be true.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod contract;

use contract::{corpus, image};

#[test]
fn poison_fills_the_gaps_and_nothing_else() {
    let mut plan = calve_image_core::plan::PlanBuilder::new();
    let at = calve_image_core::units::Bytes::new;
    plan.bytes(at(2), calve_image_core::plan::Label::new("data"), *b"ab");
    plan.zeros(at(4), at(1), calve_image_core::plan::Label::new("zeros"));
    let file = tempfile::NamedTempFile::new().unwrap();
    image::write_poisoned(&plan.finish(at(6)).unwrap(), file.path(), image::POISON);
    assert_eq!(std::fs::read(file.path()).unwrap(), b"\xd1\xd1ab\0\xd1");
}

#[test]
fn the_small_tree_has_every_kind() {
    let listing = corpus::small().listing();
    for kind in [" d ", " f ", " l ", " b ", " c ", " p "] {
        assert!(listing.contains(kind), "{kind}");
    }
}
