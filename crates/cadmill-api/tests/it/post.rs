//! An outbox that is emptied, and what is said of it.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use cadmill_api::{DeliverySettings, TargetPolicy, WebhookClient, deliver};
use cadmill_domain::{
    CadFile, Clock, MediaKind, MediaPlan, Recipe, TaskKind, WebhookId,
    fakes::MemoryStore,
    ledger::WorkerName,
    pipeline_log::{NewPipelineEvent, PipelineLog as _, StepEvent},
    webhook::{Delivery, EventFilter, NewWebhook, Webhook, WebhookSecret, Webhooks},
};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{harness::Harness, receiver::Received};

pub(crate) const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrs=";

/// An outbox, and what it is emptied by.
pub(crate) struct Post {
    pub(crate) store: MemoryStore,
    clock: Arc<dyn Clock>,
    pub(crate) file: CadFile,
    pub(crate) stop: CancellationToken,
}

impl Post {
    pub(crate) async fn new(clock: Arc<dyn Clock>) -> Self {
        let plan = MediaPlan::new(Recipe::STANDARD, MediaKind::ALL);
        let harness = Harness {
            store: MemoryStore::new(plan, clock.clone()),
            ..Harness::new()
        };
        Self {
            file: harness.file("a.step", b"a").await,
            store: harness.store,
            clock,
            stop: CancellationToken::new(),
        }
    }

    pub(crate) async fn webhook(&self, url: String) -> WebhookId {
        let new = NewWebhook {
            url,
            secret: WebhookSecret::new(SECRET),
            events: EventFilter::All,
            description: String::new(),
        };
        Webhooks::create(&self.store, new).await.unwrap().id
    }

    pub(crate) async fn happens(&self, number: usize) {
        let event = NewPipelineEvent {
            cad_file_id: self.file.id,
            task: TaskKind::ProcessStep,
            event: StepEvent::StepDone,
            fence: None,
            worker: WorkerName::new("worker 1"),
            result: json!({ "number": number }),
        };
        self.store.append(event).await.unwrap();
    }

    pub(crate) fn run(&self, webhook_client: WebhookClient) -> JoinHandle<()> {
        let settings = DeliverySettings {
            poll: Duration::from_millis(5),
            ..DeliverySettings::default()
        };
        let webhooks = Arc::new(self.store.clone());
        let (clock, stop) = (self.clock.clone(), self.stop.clone());
        tokio::spawn(deliver(webhooks, webhook_client, clock, settings, stop))
    }

    pub(crate) async fn log(&self, webhook: WebhookId) -> Vec<Delivery> {
        self.store.deliveries(webhook, None, 1000).await.unwrap()
    }

    /// Waits until the only delivery of a webhook is like that.
    pub(crate) async fn delivery(
        &self,
        webhook: WebhookId,
        is: impl Fn(&Delivery) -> bool,
    ) -> Delivery {
        let found = until(async || self.log(webhook).await.pop().filter(&is)).await;
        assert_eq!(self.log(webhook).await.len(), 1);
        found
    }

    pub(crate) async fn webhook_now(&self, id: WebhookId) -> Webhook {
        Webhooks::get(&self.store, id).await.unwrap().unwrap()
    }

    pub(crate) async fn end(self, running: JoinHandle<()>) {
        self.stop.cancel();
        timeout(Duration::from_secs(20), running)
            .await
            .unwrap()
            .unwrap();
    }
}

/// Waits until there is something to find.
pub(crate) async fn until<T>(mut find: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = find().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(Duration::from_secs(20), found).await.unwrap()
}

/// A courier that may deliver to this machine.
pub(crate) fn webhook_client() -> WebhookClient {
    WebhookClient::new(here(), Duration::from_secs(10)).unwrap()
}

pub(crate) fn here() -> TargetPolicy {
    TargetPolicy::allowing(["127.0.0.0/8".parse().unwrap()])
}

#[expect(clippy::unnecessary_wraps, reason = "nothing stands for silence")]
pub(crate) fn reply(status: u16, body: impl Into<Body>) -> Option<Response> {
    let status = StatusCode::from_u16(status).unwrap();
    Some((status, body.into()).into_response())
}

pub(crate) fn header<'a>(received: &'a Received, name: &str) -> &'a str {
    received.headers[name].to_str().unwrap()
}

pub(crate) fn number(received: &Received) -> u64 {
    let body: Value = serde_json::from_slice(&received.body).unwrap();
    body["data"]["result"]["number"].as_u64().unwrap()
}

/// Every name leads to these addresses.
pub(crate) struct Names(pub(crate) Vec<IpAddr>);

impl Resolve for Names {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses = self.0.clone().into_iter();
        let addresses = addresses.map(|address| (address, 0_u16).into());
        Box::pin(async move { Ok(Box::new(addresses) as Addrs) })
    }
}
