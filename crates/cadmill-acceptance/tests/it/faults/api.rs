//! API processes, and what a client asks of them.

use std::time::Duration;

use cadmill_domain::ContentHash;
use serde_json::{Value, json};
use ureq::{
    Agent, Body, RequestBuilder,
    http::{HeaderMap, Request, Response, header::CONTENT_TYPE},
    typestate::WithBody,
};

use super::{site::Site, workers::Worker};

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long readiness may take to tell of a failure.
const READINESS: Duration = Duration::from_secs(5);

/// A running API.
#[derive(Debug)]
pub(super) struct Api {
    process: Worker,
    /// `http://127.0.0.1:port`.
    pub(super) address: String,
    agent: Agent,
}

/// What it answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Api {
    /// Starts an API that asks for no tokens, with further variables.
    #[track_caller]
    pub(super) fn start(site: &Site, variables: &[(&str, &str)]) -> Self {
        let mut command = site.command(&["api"]);
        command.env("CADMILL_LISTEN", "127.0.0.1:0");
        command.env("CADMILL_ACCESS", "open");
        command.envs(variables.iter().copied());
        Self::of(site.start(command))
    }

    /// The API of a process that was started, once it listens.
    #[track_caller]
    pub(super) fn of(process: Worker) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build();
        Self {
            address: process.url(),
            process,
            agent: agent.into(),
        }
    }

    /// Asks for something that is JSON.
    #[track_caller]
    pub(super) fn get(&self, path: &str) -> Answer {
        self.json("GET", path, &Value::Null)
    }

    /// Sends JSON, or nothing for `null`.
    #[track_caller]
    pub(super) fn json(&self, method: &str, path: &str, body: &Value) -> Answer {
        let mut request = Request::builder().method(method).uri(self.url(path));
        let mut bytes = Vec::new();
        if !body.is_null() {
            request = request.header(CONTENT_TYPE, "application/json");
            bytes = body.to_string().into_bytes();
        }
        let patience = if path == "/readyz" {
            READINESS
        } else {
            PATIENCE
        };
        let request = self
            .agent
            .configure_request(request.body(bytes).unwrap())
            .timeout_global(Some(patience))
            .build();
        answer(self.agent.run(request).unwrap())
    }

    /// Sends a STEP file.
    #[track_caller]
    pub(super) fn upload(&self, name: &str, step: &str) -> Answer {
        send_step(self.agent.post(self.url("/api/cad")), name, step)
    }

    /// Sends a STEP file of a project.
    #[track_caller]
    pub(super) fn upload_for(&self, project: &str, name: &str, step: &str) -> Answer {
        let request = self.agent.post(self.url("/api/cad"));
        send_step(request.header("x-cadmill-project", project), name, step)
    }

    /// All files, page by page.
    #[track_caller]
    pub(super) fn files(&self) -> Vec<Value> {
        let mut files = Vec::new();
        let mut page = "/api/cad?limit=100".to_owned();
        loop {
            let answer = self.get(&page);
            assert_eq!(answer.status, 200, "{answer:?}");
            files.extend_from_slice(answer.body["files"].as_array().unwrap());
            match answer.body["next"].as_str() {
                Some(next) => page = format!("/api/cad?limit=100&cursor={next}"),
                None => return files,
            }
        }
    }

    /// Gives a file other bytes.
    #[track_caller]
    pub(super) fn replace(&self, id: &str, step: &str) -> Answer {
        let request = self.agent.put(self.url(&format!("/api/cad/{id}/source")));
        let request = request.content_type("model/step");
        answer(request.send(step).unwrap())
    }

    /// Whether the bytes at `path` are answered, and are those that their entity tag names.
    #[track_caller]
    pub(super) fn is_whole(&self, path: &str) -> bool {
        let mut response = self.agent.get(self.url(path)).call().unwrap();
        let etag = response.headers().get("etag").cloned();
        let bytes = response.body_mut().read_to_vec();
        response.status() == 200
            && bytes.is_ok_and(|bytes| {
                let hash = ContentHash::of(&bytes);
                etag.is_some_and(|etag| etag.as_bytes() == format!("\"{hash}\"").as_bytes())
            })
    }

    /// Its process.
    pub(super) fn process(&self) -> &Worker {
        &self.process
    }

    /// The bytes at `path`, and their entity tag.
    #[track_caller]
    pub(super) fn bytes(&self, path: &str) -> (String, Vec<u8>) {
        let mut response = self.agent.get(self.url(path)).call().unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let etag = response.headers()["etag"].to_str().unwrap().to_owned();
        (etag, response.body_mut().read_to_vec().unwrap())
    }

    /// Presses a button, and tells how many it has queued.
    #[track_caller]
    pub(super) fn press(&self, button: &str) -> u64 {
        let path = format!("/api/admin/generate-missing-{button}");
        let Answer { status, body, .. } = self.json("POST", &path, &json!({}));
        assert_eq!(status, 202, "{body}");
        body["queued"].as_u64().unwrap()
    }

    /// Tells it to stop, and waits until it has ended well.
    #[track_caller]
    pub(super) fn stop(self) {
        self.process.stop();
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }
}

/// Sends a STEP file as a form does.
#[track_caller]
fn send_step(request: RequestBuilder<WithBody>, name: &str, step: &str) -> Answer {
    let body = format!(
        "--cut\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: model/step\r\n\r\n{step}\r\n--cut--\r\n"
    );
    let request = request.content_type("multipart/form-data; boundary=cut");
    answer(request.send(body).unwrap())
}

#[track_caller]
fn answer(mut response: Response<Body>) -> Answer {
    let text = response.body_mut().read_to_string().unwrap();
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
    }
}
