//! Sources on the command line, and what is read from them.

use std::io;
use std::process::Command;

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::{Error, LARGEST, Malformed, Named, Source, Untypable, typed};

fn nobody() -> io::Result<Zeroizing<Vec<u8>>> {
    panic!("nobody is to be asked")
}

fn read(source: &str) -> Result<Vec<u8>, Error> {
    let source: Source = source.parse().unwrap();
    source.read(&mut nobody).map(|key| key.to_vec())
}

#[test]
fn sources_are_read_and_shown_alike() {
    for text in
        ["file:/a=b:c", "file:a b", "env:KEY", "fd:3", "prompt", "command:pass show x | head -1"]
    {
        assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
        assert_eq!(
            text.parse::<Named>().unwrap(),
            Named { name: None, source: text.parse().unwrap() }
        );
        let named = format!("root={text}");
        assert_eq!(named.parse::<Named>().unwrap().name.as_deref(), Some("root"));
        assert_eq!(named.parse::<Named>().unwrap().to_string(), named);
    }
}

#[test]
fn what_is_no_source_is_not_repeated() {
    for (text, error) in [
        ("hunter2", Malformed::Kind),
        ("", Malformed::Kind),
        ("File:x", Malformed::Kind),
        ("prompt:", Malformed::Kind),
        ("file:", Malformed::Empty("file:PATH")),
        ("env:", Malformed::Empty("env:VAR")),
        ("command:", Malformed::Empty("command:CMD")),
        ("fd:", Malformed::Empty("fd:N")),
        ("fd:-1", Malformed::Number),
        ("fd:x", Malformed::Number),
    ] {
        assert_eq!(text.parse::<Source>(), Err(error), "{text}");
        assert!(!error.to_string().contains("hunter2"));
    }
    assert_eq!("=prompt".parse::<Named>(), Err(Malformed::Name));
    assert_eq!("root=hunter2".parse::<Named>(), Err(Malformed::Kind));
    assert_eq!("root=fd:x".parse::<Named>(), Err(Malformed::Number));
}

#[test]
fn files_are_taken_as_they_are_and_the_rest_loses_its_line_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let key: Vec<u8> =
        (0..100_000_u32).map(|i| u8::try_from(i % 256).unwrap()).chain([b'\n']).collect();
    std::fs::write(&path, &key).unwrap();
    assert_eq!(read(&format!("file:{}", path.display())).unwrap(), key);
    assert_eq!(read("command:echo key").unwrap(), b"key");
    assert_eq!(read("command:printf 'key\\n\\n'").unwrap(), b"key\n");
    assert_eq!(read("command:printf 'key\\r\\n'").unwrap(), b"key");
    assert_eq!(read("command:printf 'key\\r'").unwrap(), b"key\r");
    // Cargo sets it for every test.
    assert_eq!(read("env:CARGO_PKG_NAME").unwrap(), b"calve-installer");
    let mut asked = 0;
    let mut ask = || {
        asked += 1;
        Ok(Zeroizing::new(b"typed\n".to_vec()))
    };
    assert_eq!(*Source::Prompt.read(&mut ask).unwrap(), b"typed");
    assert_eq!(asked, 1);
}

#[test]
fn what_is_not_there_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = format!("file:{}", directory.path().join("no").display());
    let message = |source: &str| read(source).unwrap_err().to_string();
    assert_eq!(message(&missing), format!("the key {missing} cannot be read"));
    assert_eq!(message("fd:987"), "the key fd:987 cannot be read");
    assert_eq!(
        message("env:CALVE_NOT_SET"),
        "the key env:CALVE_NOT_SET is not there: the variable is not set"
    );
    assert_eq!(message("command:echo"), "the key command:echo is empty");
    assert_eq!(
        message("command:echo secret; exit 3"),
        "the key command:echo secret; exit 3 is not there: the command ended with exit status: 3"
    );
    assert_eq!(message("file:/dev/null"), "the key file:/dev/null is empty");
    assert_eq!(message("file:/dev/zero"), "the key file:/dev/zero is longer than 8 MiB");
    let path = directory.path().join("largest");
    std::fs::write(&path, vec![1; LARGEST]).unwrap();
    assert_eq!(read(&format!("file:{}", path.display())).unwrap().len(), LARGEST);
}

#[test]
fn a_variable_is_hidden_from_children() {
    let mut command = Command::new("true");
    command.env("KEY", "secret");
    Source::Env("KEY".to_owned()).hide_from(&mut command);
    let (_, value) = command.get_envs().find(|(name, _)| *name == "KEY").unwrap();
    assert_eq!(value, None);
}

#[test]
fn what_nobody_can_type() {
    assert_eq!(typed("päss wörd".as_bytes()), Ok("päss wörd".as_bytes()));
    assert_eq!(typed(b"key\n"), Ok(&b"key"[..]));
    assert_eq!(typed(b"key\r\n"), Ok(&b"key"[..]));
    assert_eq!(typed(b"key\n\n"), Err(Untypable::Control { at: 3 }));
    assert_eq!(typed(b"\0"), Err(Untypable::Control { at: 0 }));
    assert_eq!(typed(b"a\x7f"), Err(Untypable::Control { at: 1 }));
    assert_eq!(typed(b"\n"), Err(Untypable::Empty));
    assert_eq!(typed(&[b'a'; 512]), Ok(&[b'a'; 512][..]));
    assert_eq!(typed(&[b'a'; 513]), Err(Untypable::Long { found: 513 }));
}

proptest! {
    #[test]
    fn any_text_is_a_source_or_refused(text in ".*") {
        if let Ok(named) = text.parse::<Named>() {
            prop_assert_eq!(named.to_string().parse::<Named>(), Ok(named));
        }
    }
}
