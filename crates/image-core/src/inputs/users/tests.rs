//! The script's rules, one case each; expected lines are worked out by hand from its text.

use super::*;
use crate::epoch::Epoch;
use crate::ids::Ids;
use crate::tree::{Kind, Source, Tree, TreeBuilder, TreePath};

const REAL: &str = include_str!("../../../testdata/real/minimal-uefi/users-groups.json");

fn ids() -> Ids {
    Ids::from_parts(&[b"test"])
}

fn accounts(users: &str, groups: &str) -> Result<Accounts, Error> {
    let text = format!(r#"{{"mutableUsers":true,"users":[{users}],"groups":[{groups}]}}"#);
    Accounts::of(&Declared::parse(&text, "test.json").unwrap(), &ids())
}

/// A user with the keys that every release writes; `more` begins with a comma.
fn user(name: &str, more: &str) -> String {
    format!(r#"{{"name":"{name}","group":"g","home":"/var/empty","shell":"/sh"{more}}}"#)
}

const G: &str = r#"{"name":"g","gid":50,"members":[]}"#;

fn tree(accounts: &Accounts) -> Tree {
    let mut tree = TreeBuilder::new(Epoch::STORE);
    accounts.add(&mut tree, Epoch::STORE).unwrap();
    tree.build().unwrap()
}

fn text(tree: &Tree, path: &str) -> String {
    let node = tree.find(&TreePath::parse(path).unwrap()).unwrap();
    let Kind::File(Source::Bytes(bytes)) = node.kind() else { panic!("{node:?}") };
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_real_system_gets_the_files_of_its_first_activation() {
    let declared = Declared::parse(REAL, "users-groups.json").unwrap();
    let tree = tree(&Accounts::of(&declared, &ids()).unwrap());
    let passwd = text(&tree, "/etc/passwd");
    assert_eq!(passwd.lines().count(), declared.users.len());
    // Allotted from 999 downwards, in the order of the file: groups sshd, systemd-coredump and
    // systemd-oom, users sshd and systemd-oom.
    let expected = "\
root:x:0:0:System administrator:/root:/run/current-system/sw/bin/bash
messagebus:x:4:4:D-Bus system message bus daemon user:/run/dbus:/run/current-system/sw/bin/nologin
systemd-coredump:x:151:998::/var/empty:/run/current-system/sw/bin/nologin
systemd-network:x:152:152::/var/empty:/run/current-system/sw/bin/nologin
systemd-resolve:x:153:153::/var/empty:/run/current-system/sw/bin/nologin
systemd-timesync:x:154:154::/var/empty:/run/current-system/sw/bin/nologin
systemd-oom:x:998:997:systemd-oomd service user:/var/empty:/run/current-system/sw/bin/nologin
sshd:x:999:999:SSH privilege separation user:/var/empty:/run/current-system/sw/bin/nologin
nobody:x:65534:65534:Unprivileged account (don't use!):/var/empty:/run/current-system/sw/bin/nologin
";
    let others: String =
        passwd.split_inclusive('\n').filter(|line| !line.starts_with("nixbld")).collect();
    assert_eq!(others, expected);
    let group = text(&tree, "/etc/group");
    for line in [
        "root:x:0:",
        "systemd-oom:x:997:",
        "systemd-coredump:x:998:",
        "sshd:x:999:",
        "nogroup:x:65534:",
    ] {
        assert!(group.lines().any(|found| found == line), "{line}\n{group}");
    }
    assert!(group.contains("\nnixbld:x:30000:nixbld1,nixbld10,nixbld11,"), "{group}");
    let listing = tree.listing();
    for line in [
        "/etc/passwd f 0644 0:0 1 3515",
        "/etc/shadow f 0640 0:318 1 900",
        "/home d 0755 0:0 1",
        "/root d 0700 0:0 1",
        "/var/lib/nixos/auto-subuid-map f 0644 0:0 1 3",
    ] {
        assert!(listing.lines().any(|found| found == line), "{line}\n{listing}");
    }
}

#[test]
fn ids_without_a_number_are_the_first_free_ones() {
    let users = [
        user("free-one", ""),
        user("system", r#","isSystemUser":true"#),
        user("taken", r#","uid":1000"#),
        user("next-system", r#","isSystemUser":true"#),
        user("high", r#","uid":998"#),
        user("free-two", ""),
    ]
    .join(",");
    let groups =
        [G, r#"{"name":"a","gid":null}"#, r#"{"name":"b","gid":999,"members":["z","x","z"]}"#];
    let tree = tree(&accounts(&users, &groups.join(",")).unwrap());
    let uids: Vec<String> = text(&tree, "/etc/passwd")
        .lines()
        .map(|line| line.split(':').take(4).collect::<Vec<_>>().join(":"))
        .collect();
    let expected = [
        "next-system:x:997:50",
        "high:x:998:50",
        "system:x:999:50",
        "taken:x:1000:50",
        "free-one:x:1001:50",
        "free-two:x:1002:50",
    ];
    assert_eq!(uids, expected);
    assert_eq!(text(&tree, "/etc/group"), "g:x:50:\na:x:998:\nb:x:999:x,z\n");
    let map = r#"{"free-one":1001,"free-two":1002,"high":998,"next-system":997,"system":999,"taken":1000}"#;
    assert_eq!(text(&tree, "/var/lib/nixos/uid-map"), map);
    assert_eq!(text(&tree, "/var/lib/nixos/gid-map"), r#"{"a":998,"b":999,"g":50}"#);
    let names = "free-one free-two high next-system system taken";
    assert_eq!(text(&tree, "/var/lib/nixos/declarative-users"), names);
    assert_eq!(text(&tree, "/var/lib/nixos/declarative-groups"), "a b g");
    let crowd: Vec<String> =
        (400..1000).map(|gid| format!(r#"{{"name":"g{gid}","gid":{gid}}}"#)).collect();
    let found = accounts("", &(crowd.join(",") + r#",{"name":"late","gid":null}"#)).unwrap_err();
    assert_eq!(
        found.to_string(),
        r#"no id is left for "late": expected a free one from 400 to 999"#
    );
}

#[test]
fn passwords_follow_the_order_of_precedence() {
    let hashed = r#","hashedPassword":"$6$h""#;
    let initial_hashed = r#","initialHashedPassword":"$6$ih""#;
    let initial = r#","initialPassword":"secret""#;
    let password = r#","password":"other""#;
    let file = r#","hashedPasswordFile":"/run/keys/p""#;
    let old_file = r#","passwordFile":"/run/keys/p""#;
    let salted = |text: &str| {
        let salt = sha512_crypt::Salt::of(ids().uuid("salt of user u").into_bytes());
        sha512_crypt::hash(text.as_bytes(), &salt)
    };
    let cases = [
        (String::new(), "!".to_owned(), 0),
        (r#","hashedPassword":"""#.to_owned(), String::new(), 0),
        (hashed.to_owned(), "$6$h".to_owned(), 0),
        (initial_hashed.to_owned(), "$6$ih".to_owned(), 0),
        (initial.to_owned(), salted("secret"), 0),
        (format!("{initial}{initial_hashed}"), salted("secret"), 0),
        (format!("{hashed}{initial}{initial_hashed}"), "$6$h".to_owned(), 0),
        (format!("{hashed}{password}"), salted("other"), 0),
        (format!("{initial_hashed}{password}"), salted("other"), 0),
        (file.to_owned(), "!".to_owned(), 1),
        (old_file.to_owned(), "!".to_owned(), 1),
        (format!("{initial_hashed}{file}{password}"), "$6$ih".to_owned(), 1),
    ];
    for (more, expected, notes) in cases {
        let accounts = accounts(&user("u", &more), G).unwrap();
        assert_eq!(accounts.users[0].password.reveal(), expected, "{more}");
        assert_eq!(accounts.notes.len(), notes, "{more}");
        assert_eq!(accounts.users[0].has_hash(), expected.starts_with('$'), "{more}");
        assert!(!format!("{accounts:?}").contains("$6$"), "{accounts:?}");
        let shadow = text(&tree(&accounts), "/etc/shadow");
        assert_eq!(shadow, format!("u:{expected}:1::::::\n"));
    }
    let long = user("u", &format!(r#","password":"{}""#, "p".repeat(513)));
    let found = accounts(&long, G).unwrap_err();
    assert_eq!(found.to_string(), "the password of \"u\" has 513 bytes, expected at most 512");
}

#[test]
fn groups_of_users_and_shells_that_nobody_declared() {
    let users = [
        r#"{"name":"digit","uid":1,"group":"7","home":"/","shell":null}"#,
        r#"{"name":"digits","uid":2,"group":"77","home":"/"}"#,
        r#"{"name":"lost","uid":3,"group":"nowhere","home":"/"}"#,
    ];
    let accounts = accounts(&users.join(","), G).unwrap();
    let gids: Vec<u32> = accounts.users.iter().map(|user| user.gid).collect();
    assert_eq!(gids, [7, 65534, 65534]);
    assert_eq!(accounts.notes.len(), 2);
    assert!(accounts.users.iter().all(|user| user.shell == "/run/current-system/sw/bin/nologin"));
}

#[test]
fn homes_are_made_with_their_owner_and_mode() {
    let home = |name: &str, uid: u32, home: &str, more: &str| {
        format!(
            r#"{{"name":"{name}","uid":{uid},"group":"g","home":"{home}","createHome":true{more}}}"#
        )
    };
    let users = [
        home("root", 0, "/root", ""),
        home("alice", 1000, "/home/alice", r#","homeMode":"0750""#),
        home("bob", 1001, "/srv/bob", ""),
        home("shared", 1002, "/srv/bob", ""),
    ];
    let tree = tree(&accounts(&users.join(","), G).unwrap());
    let listing = tree.listing();
    let homes: Vec<&str> =
        listing.lines().filter(|line| line.contains(" d ") && !line.contains("/var")).collect();
    let expected = [
        "/ d 0755 0:0 1",
        "/etc d 0755 0:0 1",
        "/home d 0755 0:0 1",
        "/home/alice d 0750 1000:50 1",
        "/root d 0700 0:0 1",
        "/srv d 0755 0:0 1",
        "/srv/bob d 0700 1002:50 1",
    ];
    assert_eq!(homes, expected);
    for (more, expected) in [
        (r#","homeMode":"77777""#, r#"the homeMode of "x" is "77777", expected an octal mode"#),
        (r#","homeMode":"9""#, r#"the homeMode of "x" is "9", expected an octal mode"#),
    ] {
        let found = accounts(&home("x", 5, "/x", more), G).unwrap_err();
        assert_eq!(found.to_string(), expected);
    }
    let found = accounts(&home("x", 5, "/x/../y", ""), G).unwrap_err();
    assert!(found.to_string().contains("expected an absolute path"), "{found}");
}

#[test]
fn shadow_belongs_to_its_group_where_there_is_one() {
    let shadow = r#"{"name":"shadow","gid":318}"#;
    for (groups, expected) in [(G, "f 0600 0:0"), (shadow, "f 0640 0:318")] {
        let listing = tree(&accounts("", groups).unwrap()).listing();
        assert!(listing.contains(&format!("/etc/shadow {expected} ")), "{listing}");
    }
}

#[test]
fn days_count_from_1970() {
    // As `date -u -d DATE +%s` says, divided by 86400.
    for (date, day) in [
        ("1970-01-01", "0"),
        ("2000-02-29", "11016"),
        ("2026-12-31", "20818"),
        ("1969-12-31", "-1"),
    ] {
        let expires = user("u", &format!(r#","expires":"{date}""#));
        let shadow = text(&tree(&accounts(&expires, G).unwrap()), "/etc/shadow");
        assert_eq!(shadow, format!("u:!:1:::::{day}:\n"));
    }
    let found = accounts(&user("u", r#","expires":"tomorrow""#), G).unwrap_err();
    assert!(found.to_string().contains("expected a date such as 2026-12-31"), "{found}");
}

#[test]
fn ids_for_containers_do_not_overlap() {
    let auto = r#","autoSubUidGidRange":true"#;
    let own =
        r#","subUidRanges":[{"startUid":7,"count":2}],"subGidRanges":[{"startGid":9,"count":3}]"#;
    let users = [user("a", &format!("{auto}{own}")), user("b", auto), user("c", "")].join(",");
    let tree = tree(&accounts(&users, G).unwrap());
    assert_eq!(text(&tree, "/etc/subuid"), "a:7:2\na:100000:65536\nb:165536:65536\n");
    assert_eq!(text(&tree, "/etc/subgid"), "a:9:3\na:100000:65536\nb:165536:65536\n");
    assert_eq!(text(&tree, "/var/lib/nixos/auto-subuid-map"), "{\"a\":100000,\"b\":165536}\n");
}

#[test]
fn who_lingers_has_a_file() {
    let users = [user("on", r#","linger":true"#), user("off", r#","linger":false"#)].join(",");
    let listing = tree(&accounts(&users, G).unwrap()).listing();
    let linger: Vec<&str> = listing.lines().filter(|line| line.contains("linger/")).collect();
    assert_eq!(linger, ["/var/lib/systemd/linger/on f 0644 0:0 1 0"]);
}

#[test]
fn what_would_end_a_line_is_refused() {
    for (more, field) in [
        (r#","description":"a:b""#, "description"),
        (r#","hashedPassword":"$6$secret:""#, "password"),
        (r#","hashedPassword":"$6$secret\n""#, "password"),
    ] {
        let found = accounts(&user("u", more), G).unwrap_err().to_string();
        let expected =
            format!("the {field} of \"u\" holds a colon, a line break or a control character");
        assert_eq!(found, expected, "the value is not told");
    }
    assert!(accounts(&user("u:", ""), G).is_err());
    assert!(accounts("", r#"{"name":"g","gid":1,"members":["a,b:"]}"#).is_err());
    assert!(Declared::parse("{}", "x.json").unwrap_err().to_string().starts_with("x.json is no"));
}

#[test]
fn hashes_are_those_of_the_specification() {
    // "Unix crypt using SHA-256 and SHA-512", test vectors.
    let short = "This is just a test";
    let cases = [
        (
            "saltstring",
            "Hello world!",
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
        ),
        (
            "toolongsaltstring",
            short,
            "$6$toolongsaltstrin$lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl8audkUEm0",
        ),
    ];
    for (salt, password, expected) in cases {
        let found = sha512_crypt::hash(password.as_bytes(), &sha512_crypt::Salt::written(salt));
        assert_eq!(found, expected);
    }
}
