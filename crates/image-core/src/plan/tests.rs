use super::*;
use crate::tree::Source;
use crate::units::SectorSize;

const fn at(offset: u64) -> Bytes {
    Bytes::new(offset)
}

fn inner() -> Plan {
    let mut plan = PlanBuilder::new();
    plan.zeros(at(8), at(4), Label::new("tail"));
    plan.bytes(at(0), Label::new("superblock"), *b"abcdef");
    plan.finish(at(16)).unwrap()
}

#[test]
fn a_plan_lists_every_byte_in_order() {
    assert_eq!(
        inner().listing(),
        "size 16\n0 6 bytes superblock bef57ec7f53a6d40\n6 2 gap\n8 4 zeros tail\n12 4 gap\n"
    );
    assert_eq!((inner().covered(), inner().payload()), (at(10), at(6)));
}

#[test]
fn nesting_flattens_and_labels_keep_their_place() {
    let mut middle = PlanBuilder::new();
    middle.nest(at(100), "root", &inner());
    let middle = middle.finish(at(200)).unwrap();
    let mut outer = PlanBuilder::new();
    outer.nest(at(1000), "disk", &middle);
    outer.bytes(at(0), Label::numbered("entry", 3), *b"x");
    let outer = outer.finish(at(2000)).unwrap();
    let labels: Vec<_> =
        outer.pieces().iter().map(|piece| (outer.label(piece), piece.offset.get())).collect();
    let expected = [("entry 3", 0), ("disk/root/superblock", 1100), ("disk/root/tail", 1108)];
    assert_eq!(labels, expected.map(|(label, offset)| (label.to_owned(), offset)));
    assert_eq!(outer.piece_after(at(1106)), 2);
}

#[test]
fn a_range_of_a_nested_plan_cuts_its_pieces() {
    let source = Source::Plan(inner().into());
    let mut plan = PlanBuilder::new();
    plan.range(at(0), Label::new("file"), &source, at(4), at(6));
    let plan = plan.finish(at(6)).unwrap();
    assert_eq!(
        plan.listing(),
        "size 6\n0 2 bytes file/superblock 4ca669ac3713d1f4\n2 2 gap\n4 2 zeros file/tail\n"
    );
}

#[test]
fn overlaps_and_overruns_are_refused_by_label() {
    let mut plan = PlanBuilder::new();
    plan.bytes(at(0), Label::new("a"), *b"1234");
    plan.bytes(at(3), Label::new("b"), *b"1");
    let error = plan.finish(at(8)).unwrap_err();
    assert_eq!(error.to_string(), "b at byte 3 overlaps a, which ends at byte 4");

    let mut plan = PlanBuilder::new();
    plan.zeros(at(4), at(u64::MAX), Label::new("a"));
    assert!(matches!(plan.finish(at(8)), Err(PlanError::BeyondEnd { .. })));
    assert!(matches!(PlanBuilder::new().finish(at(u64::MAX)), Err(PlanError::TooLarge { .. })));
}

#[test]
fn a_sealed_plan_is_whole_sectors() {
    let cipher = Cipher::AesXtsPlain64 { sector: SectorSize::B512 };
    let sealed = |size| Sealed {
        inner: PlanBuilder::new().finish(at(size)).unwrap(),
        cipher,
        key: KeyId("k".into()),
    };
    let mut plan = PlanBuilder::new();
    assert!(plan.sealed(at(0), Label::new("payload"), sealed(1024)).is_ok());
    assert!(plan.sealed(at(0), Label::new("payload"), sealed(1000)).is_err());
}
