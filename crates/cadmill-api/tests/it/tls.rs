//! Webhooks over HTTPS: to a receiver whose certificate is good, and to nobody else.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::serve::Listener;
use cadmill_api::WebhookClient;
use cadmill_domain::{SystemClock, webhook::DeliveryState};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    post::{Names, Post, here, number},
    receiver::{self, Receiver},
};

/// Who signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
}

impl Authority {
    fn called(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().der().clone();
        Self {
            issuer: Issuer::new(params, key),
            root,
        }
    }

    /// A receiver that shows a certificate for this name.
    async fn receiver_called(&self, name: &str) -> Receiver {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let listener = TlsListener {
            tcp: receiver::here().await,
            acceptor: Arc::new(config).into(),
        };
        Receiver::behind(listener, [])
    }
}

/// Takes connections that have shaken hands.
struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, client) = Listener::accept(&mut self.tcp).await;
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, client);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// A courier that finds every name on this machine, and trusts this authority, too.
fn trusting(authority: &Authority) -> WebhookClient {
    let names = Arc::new(Names(vec![[127, 0, 0, 1].into()]));
    let roots = [authority.root.clone()];
    WebhookClient::within(here(), Duration::from_secs(10), names, roots).unwrap()
}

const NAME: &str = "hooks.example.com";

fn url(receiver: &Receiver) -> String {
    format!("https://{NAME}:{}/hook", receiver.address.port())
}

#[tokio::test]
async fn a_receiver_with_a_good_certificate_is_delivered_to() {
    let post = Post::new(Arc::new(SystemClock)).await;
    let authority = Authority::called("good");
    let mut receiver = authority.receiver_called(NAME).await;
    let id = post.webhook(url(&receiver)).await;
    let running = post.run(trusting(&authority));
    post.happens(7).await;
    assert_eq!(number(&receiver.next().await), 7);
    let noted = post
        .delivery(id, |d| d.state == DeliveryState::Delivered)
        .await;
    assert_eq!((noted.attempts, noted.status), (1, Some(204)));
    post.end(running).await;
}

/// Checks that nothing is posted to a receiver called `name`, and why.
async fn check_refused(name: &str, signer: &Authority, trusted: &Authority, told: &str) {
    let post = Post::new(Arc::new(SystemClock)).await;
    let mut receiver = signer.receiver_called(name).await;
    let id = post.webhook(url(&receiver)).await;
    let running = post.run(trusting(trusted));
    post.happens(1).await;
    let noted = post.delivery(id, |d| d.error.is_some()).await;
    let error = noted.error.unwrap();
    assert!(error.starts_with("cannot connect: "), "{error}");
    assert!(error.contains(told), "{error}");
    // It may be mended.
    assert_eq!((noted.state, noted.status), (DeliveryState::Pending, None));
    post.end(running).await;
    assert!(receiver.rest().is_empty());
}

#[tokio::test]
async fn a_receiver_with_a_bad_certificate_is_told_nothing() {
    let (good, stranger) = (Authority::called("good"), Authority::called("stranger"));
    check_refused(NAME, &stranger, &good, "UnknownIssuer").await;
    check_refused("other.example.com", &good, &good, "not valid for name").await;
}
