//! A receiver of webhooks on this machine.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    serve::Listener,
};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};

/// What is answered, in turn; nothing is never answered. When all are used up, it is 204.
type Replies = VecDeque<Option<Response>>;

/// What came.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    received: mpsc::UnboundedReceiver<Received>,
    server: JoinHandle<()>,
}

#[derive(Debug, Clone)]
struct Desk {
    replies: Arc<Mutex<Replies>>,
    received: mpsc::UnboundedSender<Received>,
}

impl Receiver {
    pub(crate) async fn answering(replies: impl IntoIterator<Item = Option<Response>>) -> Self {
        Self::behind(here().await, replies)
    }

    /// One that connections reach through `listener`.
    pub(crate) fn behind(
        listener: impl Listener<Addr = SocketAddr>,
        replies: impl IntoIterator<Item = Option<Response>>,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let (sender, received) = mpsc::unbounded_channel();
        let desk = Desk {
            replies: Arc::new(Mutex::new(replies.into_iter().collect())),
            received: sender,
        };
        let router = Router::new().fallback(receive).with_state(desk);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            received,
            server,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(crate) async fn next(&mut self) -> Received {
        self.received.recv().await.unwrap()
    }

    /// What came and was not looked at.
    pub(crate) fn rest(&mut self) -> Vec<Received> {
        std::iter::from_fn(|| self.received.try_recv().ok()).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A place on this machine where nobody listens yet.
pub(crate) async fn here() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

async fn receive(State(desk): State<Desk>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let received = Received {
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
    };
    desk.received.send(received).unwrap();
    let reply = desk.replies.lock().unwrap().pop_front();
    match reply {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(Some(reply)) => reply,
        Some(None) => std::future::pending().await,
    }
}
