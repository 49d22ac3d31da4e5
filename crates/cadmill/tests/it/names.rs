//! Files with hostile names.

use serde_json::Value;

use crate::{
    server::{Server, multipart},
    test_dir::{TestDir, step},
};

/// The data folder. A name that climbs out of it stays within the test folder.
const DATA: &str = "one/two/three/data";
/// Part of all names that would climb out of the data folder.
const ESCAPED: &str = "escaped";

/// Values between the quotes of `filename="…"`, as browsers and attackers send them.
fn hostile() -> Vec<String> {
    let names = [
        "",
        ".",
        "..",
        "...",
        " ",
        "/",
        "a\\b.step",
        "../escaped",
        "../../../escaped.step",
        "../../../../../../../../../../var/tmp/escaped.step",
        "..\\\\..\\\\escaped.step",
        "/escaped.step",
        "/var/tmp/escaped.step",
        "~/escaped.step",
        "C:\\\\escaped.step",
        "\\\\\\\\host\\\\share\\\\escaped.step",
        "file:///escaped.step",
        "....//escaped.step",
        "%2e%2e%2fescaped.step",
        "%2e%2e/escaped.step",
        "..%c0%afescaped.step",
        "a%00.step",
        "a%0d%0aSet-Cookie: b=c.step",
        "%22.step",
        "%",
        "a\u{202e}pets.step",
        "\u{200f}a.step",
        "\u{2066}a\u{2069}.step",
        "\u{feff}a.step",
        "a\u{200b}.step",
        "a\u{85}b.step",
        "a\tb.step",
        "CON",
        "con.step",
        "NUL.tar.step",
        "COM1",
        "lpt9.step",
        "aux .step",
        "a\\\"b.step",
        "a'b.step",
        "a`id`.step",
        "$(id).step",
        "; rm -rf escaped.step",
        "| tee escaped",
        "-rf",
        "<script>alert(1)</script>.step",
        "a?b*c:d.step",
        "a.step.",
        "a.step ",
        ".step",
        "😀 零件 Gehäuse.step",
        "a\u{301}\u{301}\u{301}.step",
        "{{7*7}}.step",
        "%s%n%x.step",
        "'; DROP TABLE cad_file; --.step",
    ];
    let long = "x".repeat(10_000);
    let long = [long.clone(), format!("{long}.step"), "é".repeat(5_000)];
    let names = names.into_iter().map(str::to_owned);
    names.chain(long).collect()
}

/// The header of a part cannot contain these, so the upload is refused.
const REFUSED: [&str; 7] = [
    "a\0b.step",
    "\0",
    "a\r\nb.step",
    "a\nb.step",
    "a\u{1}b.step",
    "a\u{7f}b.step",
    "ends in the middle of an escape\\",
];

#[test]
fn hostile_names_are_stored_and_served_safely() {
    let dir = TestDir::new();
    std::fs::create_dir_all(dir.path("one/two/three")).unwrap();
    let before = outside(&dir);
    let variables = [
        ("CADMILL_ACCESS", "open"),
        ("CADMILL_DATA_DIR", DATA),
        ("CADMILL_MEDIA", "usd_master"),
    ];
    let server = Server::start(&dir, &variables);
    for name in REFUSED {
        let (kind, body) = multipart(name, &step(""));
        let (status, head, _) = server.send("POST /api/cad", &[&kind], &body);
        assert!(matches!(status, 400 | 422), "{name:?}: {head}");
    }
    let sent = hostile();
    assert!(sent.len() >= 50);
    let files: Vec<(String, String)> = sent.iter().map(|name| upload(&server, name)).collect();
    let (_, page) = server.json("GET /api/cad?limit=200", "", &Value::Null);
    assert_eq!(page["files"].as_array().map(Vec::len), Some(files.len()));

    dir.run(&[
        "generate-missing",
        "canonical-scenes",
        "--wait",
        "--data-dir",
        DATA,
    ])
    .expect_exit(0);
    for (id, name) in &files {
        let content = format!("GET /api/cad/{id}/media/gltf_geometry/content");
        let (status, head, _) = server.send(&content, &[], b"");
        assert_eq!(status, 200, "{name:?}: {head}");
        check_disposition(&head, name);
    }
    server.stop();
    assert_eq!(outside(&dir), before);
    for name in dir.names(DATA) {
        assert!(!name.contains(ESCAPED), "{name}");
    }
}

/// Uploads a file, and returns its id and its name.
fn upload(server: &Server, sent: &str) -> (String, String) {
    let (kind, body) = multipart(sent, &step(""));
    let (status, head, body) = server.send("POST /api/cad", &[&kind], &body);
    assert_eq!(status, 201, "{sent:?}: {head}");
    let created: Value = serde_json::from_slice(&body).unwrap();
    let id = created["id"].as_str().unwrap().to_owned();
    let (status, shown) = server.json(&format!("GET /api/cad/{id}"), "", &Value::Null);
    assert_eq!(status, 200, "{sent:?}");
    let name = created["name"].as_str().unwrap().to_owned();
    assert_eq!(shown["name"], created["name"], "{sent:?}");
    check_name(&name, sent);
    (id, name)
}

/// Asserts that all file systems and terminals accept the name.
fn check_name(name: &str, sent: &str) {
    let is_bad = |c: char| {
        c.is_control()
            || matches!(c, '/' | '\\' | '"' | '<' | '>' | ':' | '|' | '?' | '*')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    assert!(!name.contains(is_bad), "{sent:?} became {name:?}");
    assert!((1..=201).contains(&name.len()), "{sent:?} became {name:?}");
    assert!(!name.starts_with(['.', ' ']), "{sent:?} became {name:?}");
    assert!(!name.ends_with(['.', ' ']), "{sent:?} became {name:?}");
    let stem = name.split('.').next().unwrap().trim().to_ascii_uppercase();
    let devices = ["CON", "PRN", "AUX", "NUL", "COM1", "LPT9"];
    assert!(!devices.contains(&&*stem), "{sent:?} became {name:?}");
}

/// Asserts `attachment` with a quoted name for old clients and an encoded one for others.
fn check_disposition(head: &str, name: &str) {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(key, _)| key.eq_ignore_ascii_case("content-disposition"));
    let value = found.expect("it is a download").1;
    assert!(!value.contains(char::is_control), "{value:?}");
    let names = value.strip_prefix("attachment; filename=\"");
    let names = names.and_then(|names| names.split_once("\"; filename*=UTF-8''"));
    let (plain, encoded) = names.unwrap_or_else(|| panic!("{value}"));
    assert!(
        plain.is_ascii() && !plain.contains(['"', '\\']),
        "{name:?}: {value}"
    );
    assert!(
        encoded
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~%".contains(&byte)),
        "{name:?}: {value}"
    );
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    assert_eq!(decoded(encoded), format!("{stem}.glb"), "{value}");
}

/// Decodes percent-encoded text.
fn decoded(encoded: &str) -> String {
    let mut pieces = encoded.split('%');
    let mut bytes = pieces.next().unwrap().as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(&piece[..2], 16).unwrap());
        bytes.extend(&piece.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

/// The files outside the data folder, including those that climbed even higher.
fn outside(dir: &TestDir) -> Vec<String> {
    let mut names = dir.names("");
    names.retain(|name| !name.starts_with(DATA));
    for folder in ["/", "/var/tmp", ".."] {
        let above = std::fs::read_dir(dir.path(folder)).unwrap();
        let above = above.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names.extend(above.filter(|name| name.contains(ESCAPED)));
    }
    names
}
