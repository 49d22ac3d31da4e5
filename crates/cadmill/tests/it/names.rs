//! Files with hostile names: stored and served without harm.

use serde_json::Value;

use crate::{
    bench::{Bench, step},
    server::{Server, multipart},
};

/// The data lies so deep that whatever climbs out of it is still seen.
const DATA: &str = "one/two/three/data";
/// What a name that climbs would make.
const ESCAPED: &str = "escaped";

/// As browsers and worse send them, within the quotes of `filename="…"`.
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

/// The head of a part cannot hold these, so nothing comes in.
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
    let bench = Bench::new();
    std::fs::create_dir_all(bench.path("one/two/three")).unwrap();
    let before = outside(&bench);
    let variables = [
        ("CADMILL_ACCESS", "open"),
        ("CADMILL_DATA_DIR", DATA),
        ("CADMILL_MEDIA", "usd_master"),
    ];
    let server = Server::start(&bench, &variables);
    for name in REFUSED {
        let (kind, body) = multipart(name, &step(""));
        let (status, head, _) = server.ask("POST /api/cad", &[&kind], &body);
        assert!(matches!(status, 400 | 422), "{name:?}: {head}");
    }
    let sent = hostile();
    assert!(sent.len() >= 50);
    let files: Vec<(String, String)> = sent.iter().map(|name| bring(&server, name)).collect();
    let (_, page) = server.json("GET /api/cad?limit=200", "", &Value::Null);
    assert_eq!(page["files"].as_array().map(Vec::len), Some(files.len()));

    bench
        .run(&[
            "generate-missing",
            "canonical-scenes",
            "--wait",
            "--data-dir",
            DATA,
        ])
        .with(0);
    for (id, name) in &files {
        let content = format!("GET /api/cad/{id}/media/gltf_geometry/content");
        let (status, head, _) = server.ask(&content, &[], b"");
        assert_eq!(status, 200, "{name:?}: {head}");
        check_disposition(&head, name);
    }
    server.stop();
    assert_eq!(outside(&bench), before);
    for name in bench.names(DATA) {
        assert!(!name.contains(ESCAPED), "{name}");
    }
}

/// Brings a file in; its id, and the name that it got.
fn bring(server: &Server, sent: &str) -> (String, String) {
    let (kind, body) = multipart(sent, &step(""));
    let (status, head, body) = server.ask("POST /api/cad", &[&kind], &body);
    assert_eq!(status, 201, "{sent:?}: {head}");
    let made: Value = serde_json::from_slice(&body).unwrap();
    let id = made["id"].as_str().unwrap().to_owned();
    let (status, shown) = server.json(&format!("GET /api/cad/{id}"), "", &Value::Null);
    assert_eq!(status, 200, "{sent:?}");
    let name = made["name"].as_str().unwrap().to_owned();
    assert_eq!(shown["name"], made["name"], "{sent:?}");
    check_name(&name, sent);
    (id, name)
}

/// One that every file system and every terminal takes.
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

/// `attachment` with a quoted name for old clients and an encoded one for all others.
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

/// Text as it was before it was encoded by percent signs.
fn decoded(encoded: &str) -> String {
    let mut pieces = encoded.split('%');
    let mut bytes = pieces.next().unwrap().as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(&piece[..2], 16).unwrap());
        bytes.extend(&piece.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

/// What lies around the data folder, and whatever climbed even higher.
fn outside(bench: &Bench) -> Vec<String> {
    let mut names = bench.names("");
    names.retain(|name| !name.starts_with(DATA));
    for folder in ["/", "/var/tmp", ".."] {
        let above = std::fs::read_dir(bench.path(folder)).unwrap();
        let above = above.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names.extend(above.filter(|name| name.contains(ESCAPED)));
    }
    names
}
