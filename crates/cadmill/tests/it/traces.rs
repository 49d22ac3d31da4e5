//! Traces, as a collector receives them.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value as Any},
    trace::v1::{Span, span::SpanKind},
};
use prost::Message as _;
use serde_json::Value;

use crate::{
    server::{Server, multipart},
    test_dir::{TestDir, step},
};

/// A collector that stores all spans.
struct Collector {
    url: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let spans = Arc::<Mutex<Vec<Span>>>::default();
        let received = spans.clone();
        // The thread ends with the process of the tests.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let received = received.clone();
                thread::spawn(move || take(stream.unwrap(), &received));
            }
        });
        Self { url, spans }
    }

    fn named(&self, name: &str) -> Vec<Span> {
        let spans = self.spans.lock().unwrap();
        spans
            .iter()
            .filter(|span| span.name == name)
            .cloned()
            .collect()
    }

    /// The only span of this name.
    #[track_caller]
    fn one(&self, name: &str) -> Span {
        let mut found = self.named(name);
        let spans = self.spans.lock().unwrap();
        let names: Vec<&str> = spans.iter().map(|span| &*span.name).collect();
        assert_eq!(found.len(), 1, "{name} among {names:?}");
        found.remove(0)
    }
}

/// Receives batches from one client until it disconnects.
fn take(mut stream: TcpStream, received: &Mutex<Vec<Span>>) {
    while let Some((head, body)) = next(&mut stream) {
        assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        assert!(
            head.contains("content-type: application/x-protobuf"),
            "{head}"
        );
        let batch = ExportTraceServiceRequest::decode(&*body).unwrap();
        let scopes = batch.resource_spans.into_iter().flat_map(|resource| {
            let about = texts(&resource.resource.unwrap().attributes);
            assert_eq!(about["service.name"], "cadmill");
            resource.scope_spans
        });
        let spans = scopes.flat_map(|scope| scope.spans);
        received.lock().unwrap().extend(spans);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
    }
}

/// The next request of a connection.
fn next(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then_some(value)
    });
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    Some((head, body))
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| {
        let value = attribute.value.as_ref()?.value.as_ref()?;
        Some(match value {
            Any::StringValue(text) => text.clone(),
            Any::IntValue(number) => number.to_string(),
            other => format!("{other:?}"),
        })
    };
    attributes
        .iter()
        .filter_map(|attribute| Some((attribute.key.clone(), text(attribute)?)))
        .collect()
}

const TRACE: [u8; 16] = [7; 16];
const PARENT: [u8; 8] = [9; 8];

fn hex(bytes: &[u8]) -> String {
    let hexadecimal = |text: String, byte: &u8| text + &format!("{byte:02x}");
    bytes.iter().fold(String::new(), hexadecimal)
}

#[test]
fn requests_and_tasks_reach_the_collector() {
    let dir = TestDir::new();
    let collector = Collector::start();
    let variables = [
        ("CADMILL_ACCESS", "open"),
        ("CADMILL_OTLP_ENDPOINT", &collector.url),
    ];
    let server = Server::start(&dir, &variables);
    let (kind, body) = multipart("bracket.step", &step(""));
    let (status, _, file) = server.send("POST /api/cad", &[&kind], &body);
    assert_eq!(status, 201);
    let file: Value = serde_json::from_slice(&file).unwrap();
    let id = file["id"].as_str().unwrap();
    let parent = format!("traceparent: 00-{}-{}-01", hex(&TRACE), hex(&PARENT));
    let headers = [&*parent, "X-Request-Id: asked-once"];
    let path = format!("GET /api/cad/{id}");
    assert_eq!(server.send(&path, &headers, b"").0, 200);
    let wait = ["generate-missing", "usd-masters", "--wait"];
    dir.run(&wait).expect_exit(0);
    server.stop();

    let read = collector.one("GET /api/cad/{id}");
    assert_eq!(read.trace_id, TRACE);
    assert_eq!(read.parent_span_id, PARENT);
    assert_eq!(read.kind(), SpanKind::Server);
    let about = texts(&read.attributes);
    for (key, expected) in [
        ("http.method", "GET"),
        ("http.route", "/api/cad/{id}"),
        ("http.status", "200"),
        ("request.id", "asked-once"),
    ] {
        assert_eq!(about[key], expected, "{about:?}");
    }
    let upload = collector.one("POST /api/cad");
    assert!(upload.parent_span_id.is_empty() && upload.trace_id != TRACE);
    assert_eq!(texts(&upload.attributes)["http.status"], "201");

    for task in [
        "process_step_file",
        "generate_gltf_geometry",
        "generate_usd_master",
    ] {
        let span = collector.one(task);
        let about = texts(&span.attributes);
        assert_eq!(about["cad_file.id"], id, "{about:?}");
        assert_eq!(about["fence"], "1", "{about:?}");
    }
    let tessellated = collector.one("generate_gltf_geometry");
    let steps = collector.named("fetch");
    let is_within = |step: &Span| step.parent_span_id == tessellated.span_id;
    assert!(steps.iter().any(is_within), "{steps:?}");
}

#[test]
fn an_unavailable_collector_is_logged_once_and_delays_nothing() {
    let dir = TestDir::new();
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let log = dir.path("log");
    let mut command = dir.command(&["serve", "--otlp-endpoint", &url, "--log-json"]);
    command.env("CADMILL_ACCESS", "open");
    command.stderr(std::fs::File::create(&log).unwrap());
    let server = Server::spawn(command);
    for name in ["a.step", "b.step"] {
        let (kind, body) = multipart(name, &step(""));
        assert_eq!(server.send("POST /api/cad", &[&kind], &body).0, 201);
    }
    let wait = ["generate-missing", "usd-masters", "--wait"];
    dir.run(&wait).expect_exit(0);
    server.stop();
    let log = std::fs::read_to_string(log).unwrap();
    let logged = log.matches("collector unavailable").count();
    assert_eq!(logged, 1, "{log}");
}

#[test]
fn the_log_has_the_id_of_the_trace() {
    let dir = TestDir::new();
    let collector = Collector::start();
    let log = dir.path("log");
    let url = ["serve", "--otlp-endpoint", &collector.url, "--log-json"];
    let mut command = dir.command(&url);
    command.env("CADMILL_ACCESS", "open");
    command.stderr(std::fs::File::create(&log).unwrap());
    let server = Server::spawn(command);
    let (kind, body) = multipart("bracket.step", &step(""));
    assert_eq!(server.send("POST /api/cad", &[&kind], &body).0, 201);
    server.stop();
    let upload = collector.one("POST /api/cad");
    let log = std::fs::read_to_string(log).unwrap();
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut uploads = lines.filter(|line| line["message"] == "A file was brought in.");
    let line = uploads.next().expect("an upload is logged");
    assert_eq!(line["span"]["trace.id"], hex(&upload.trace_id), "{line}");
}

#[test]
fn an_invalid_endpoint_is_refused() {
    let dir = TestDir::new();
    let refused = dir
        .run(&["serve", "--otlp-endpoint", "collector:4318"])
        .expect_exit(2);
    assert!(refused.stderr.contains("is no URL"), "{}", refused.stderr);
    let mut command = dir.command(&["serve"]);
    let refused = command.env("CADMILL_OTLP_ENDPOINT", "grpc://host").output();
    let refused = crate::test_dir::CommandOutput::from(refused.unwrap()).expect_exit(1);
    assert!(
        refused.stderr.contains("no URL of a collector"),
        "{}",
        refused.stderr
    );
}
