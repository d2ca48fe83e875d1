//! `calve schema`.

use crate::run::output;

#[test]
fn profiles_that_come_with_calve_follow_it() {
    let directory = tempfile::tempdir().unwrap();
    let schema = output(directory.path(), &["schema"]);
    assert!(schema.status.success());
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).unwrap();
    let known = schema["properties"].as_object().unwrap();
    for name in ["minimal", "server"] {
        let profile = output(directory.path(), &["show", name, "--json"]);
        let profile: serde_json::Value = serde_json::from_slice(&profile.stdout).unwrap();
        for key in profile.as_object().unwrap().keys() {
            assert!(known.contains_key(key), "{name}: {key}");
        }
    }
}

#[test]
fn every_key_is_described() {
    let directory = tempfile::tempdir().unwrap();
    let schema = output(directory.path(), &["schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).unwrap();
    let types = schema["$defs"].as_object().unwrap();
    for (name, of) in
        types.iter().filter_map(|(name, of)| Some((name, of["properties"].as_object()?)))
    {
        for (key, property) in of {
            assert!(property["description"].is_string(), "{name}.{key}");
        }
    }
    assert_eq!(schema["title"], "calve profile");
}

#[test]
fn a_profile_shown_as_json_is_a_profile() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["minimal", "server"] {
        let first = output(directory.path(), &["show", name, "--json"]).stdout;
        std::fs::write(directory.path().join("again.json"), &first).unwrap();
        let second = output(directory.path(), &["show", "again.json", "--json"]).stdout;
        assert_eq!(String::from_utf8_lossy(&first), String::from_utf8_lossy(&second));
    }
}
