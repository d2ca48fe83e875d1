//! Path info JSON: the three shapes give the same infos, and what malformed ones are told.

#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

const A: &str = "p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-linux";
const B: &str = "31nfjp6r58f3bm5ddfyc1f23kh7674vw-initrd";

/// What `nix path-info --json` of Nix 2.8 prints, laid out.
fn list() -> String {
    format!(
        r#"[{{"path":"/nix/store/{A}","narHash":"sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "narSize":112,"references":["/nix/store/{A}","/nix/store/{B}"],"deriver":"/nix/store/{A}.drv",
        "registrationTime":1,"ultimate":true,"signatures":["key:c2ln"],
        "ca":"fixed:r:sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"}}]"#
    )
}

/// The same as Nix 2.19 to 2.32 and `--json-format 1` print it.
fn by_path() -> String {
    let list = list();
    let object = list.trim_matches(['[', ']']);
    format!(r#"{{"/nix/store/{A}":{object},"storeDir":"/nix/store","version":1}}"#)
}

/// The same as `--json-format 2` prints it.
fn versioned() -> String {
    let hash = r#"{"algorithm":"sha256","format":"base16",
        "hash":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}"#;
    format!(
        r#"{{"version":2,"storeDir":"/nix/store","info":{{"{A}":{{"version":2,"storeDir":"/nix/store",
        "narHash":{hash},"narSize":112,"references":["{A}","{B}"],"deriver":"{A}.drv",
        "registrationTime":1,"ultimate":true,"signatures":[{{"keyName":"key","sig":"c2ln"}}],
        "ca":{{"method":"nar","hash":{hash}}}}}}}}}"#
    )
}

#[test]
fn three_shapes_one_meaning() {
    let infos = parse(&list()).unwrap();
    assert_eq!(infos.len(), 1);
    let info = &infos[0];
    assert_eq!(info.path.base_name(), A);
    assert_eq!(info.references[1].base_name(), B);
    assert_eq!(info.deriver.as_ref().unwrap().base_name(), format!("{A}.drv"));
    assert_eq!(info.signatures, ["key:c2ln"]);
    assert!(info.ultimate);
    assert_eq!(parse(&by_path()).unwrap(), infos);
    assert_eq!(parse(&versioned()).unwrap(), infos);
}

#[test]
fn invalid_paths_are_named() {
    for text in [
        format!(r#"[{{"path":"/nix/store/{A}","valid":false}}]"#),
        format!(r#"{{"/nix/store/{A}":null}}"#),
    ] {
        let found = parse(&text).unwrap_err().to_string();
        let expected = "is not valid in the store: it was never built or copied there";
        assert_eq!(found, format!("/nix/store/{A} {expected}"));
    }
    let found = parse(&format!(r#"{{"version":2,"info":{{"{A}":null}}}}"#));
    assert!(matches!(found, Err(Error::Invalid { path }) if path == A));
}

#[test]
fn what_is_not_understood_is_refused() {
    let newer = versioned().replace("\"version\":2", "\"version\":9");
    assert!(matches!(parse(&newer), Err(Error::Version { .. })));
    let elsewhere = by_path().replace("\"storeDir\":\"/nix/store\"", "\"storeDir\":\"/gnu/store\"");
    assert!(matches!(parse(&elsewhere), Err(Error::StoreDir { .. })));
    for (from, to, key) in [
        ("\"narSize\":112", "\"narSize\":-1", "narSize"),
        ("\"references\"", "\"other\"", "references"),
        ("\"method\":\"nar\"", "\"method\":\"new\"", "ca"),
        ("\"sha256\",\"format\"", "\"sha1\",\"format\"", "narHash"),
        ("\"keyName\"", "\"name\"", "signatures"),
    ] {
        let Err(Error::Field { key: found, .. }) = parse(&versioned().replace(from, to)) else {
            panic!("{key} was taken");
        };
        assert_eq!(found, key);
    }
    for text in ["", "7", "[7]", "{\"a\":7}", "[{}]"] {
        assert!(parse(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn damaged_text_is_read_or_refused(at in any::<prop::sample::Index>(), byte in 32u8..127) {
        for text in [list(), by_path(), versioned()] {
            let mut bytes = text.into_bytes();
            let place = at.index(bytes.len());
            bytes[place] = byte;
            let _ = parse(std::str::from_utf8(&bytes).unwrap());
        }
    }
}
