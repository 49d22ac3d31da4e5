//! HTTP requests to S3 that may take as long as they like, as long as bytes move: on a slow way a
//! large blob takes hours, and a way that has fallen silent is noticed within a minute.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use bytes::{Buf as _, Bytes};
use http_body::{Body, Frame, SizeHint};
use object_store::{
    ClientConfigKey, ClientOptions, Error, Result,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
        HttpResponse, HttpResponseBody, HttpService,
    },
};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long a connection may take to be made.
const MAX_CONNECT: Duration = Duration::from_secs(10);
/// How long nothing may move.
const MAX_SILENCE: Duration = Duration::from_mins(1);
/// How many bytes are sent at once; each piece that goes out is progress.
const PIECE: usize = 64 << 10;

/// Makes HTTP clients that give up when nothing moves.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProgressConnector {
    max_silence: Duration,
}

impl Default for ProgressConnector {
    fn default() -> Self {
        let max_silence = MAX_SILENCE;
        Self { max_silence }
    }
}

impl HttpConnector for ProgressConnector {
    fn connect(&self, options: &ClientOptions) -> Result<HttpClient> {
        let is_set = |key| options.get_config_value(&key).as_deref() == Some("true");
        // What S3 sends is taken as it is; its length is that of the object.
        let mut builder = reqwest::Client::builder()
            .connect_timeout(MAX_CONNECT)
            .https_only(!is_set(ClientConfigKey::AllowHttp))
            .danger_accept_invalid_certs(is_set(ClientConfigKey::AllowInvalidCertificates))
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate();
        if let Some(url) = options.get_config_value(&ClientConfigKey::ProxyUrl) {
            builder = builder.proxy(reqwest::Proxy::all(url).map_err(unusable)?);
        }
        Ok(HttpClient::new(Service {
            client: builder.build().map_err(unusable)?,
            max_silence: self.max_silence,
        }))
    }
}

#[derive(Debug)]
struct Service {
    client: reqwest::Client,
    max_silence: Duration,
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let url = parts.uri.to_string().parse();
        let url = url.map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let progress = Progress::new(self.max_silence);
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        *request.body_mut() = Some(reqwest::Body::wrap(Outgoing {
            body,
            piece: Bytes::new(),
            progress: progress.clone(),
        }));
        let answer = tokio::select! {
            answer = self.client.execute(request) => answer.map_err(failed)?,
            () = progress.ended() => return Err(silent(self.max_silence)),
        };
        let (parts, body) = http::Response::<reqwest::Body>::from(answer).into_parts();
        let body = Incoming {
            body,
            silence: None,
            max_silence: self.max_silence,
        };
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)))
    }
}

/// Until when something has to move.
#[derive(Debug, Clone)]
struct Progress {
    until: Arc<Mutex<Instant>>,
    max_silence: Duration,
}

impl Progress {
    fn new(max_silence: Duration) -> Self {
        let until = Arc::new(Mutex::new(Instant::now() + max_silence));
        Self { until, max_silence }
    }

    fn note(&self) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) =
            Instant::now() + self.max_silence;
    }

    /// Waits until nothing has moved for too long.
    async fn ended(&self) {
        loop {
            let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}

/// The body of a request, in pieces; each that is taken is progress.
#[derive(Debug)]
struct Outgoing {
    body: HttpRequestBody,
    piece: Bytes,
    progress: Progress,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, HttpError>>> {
        if self.piece.is_empty() {
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.piece = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                ended => return Poll::Ready(ended),
            }
        }
        self.progress.note();
        let length = self.piece.remaining().min(PIECE);
        let piece = self.piece.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.body.size_hint().exact() {
            Some(left) => SizeHint::with_exact(left + self.piece.len() as u64),
            None => SizeHint::default(),
        }
    }
}

/// The body of an answer, which fails when nothing comes for too long while it is read.
#[derive(Debug)]
struct Incoming {
    body: reqwest::Body,
    /// Runs while a reader waits; one that pauses is not the fault of S3.
    silence: Option<Pin<Box<Sleep>>>,
    max_silence: Duration,
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, HttpError>>> {
        let max_silence = self.max_silence;
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.silence = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(failed)));
        }
        let silence = self
            .silence
            .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + max_silence)));
        std::task::ready!(silence.as_mut().poll(context));
        Poll::Ready(Some(Err(silent(max_silence))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn silent(after: Duration) -> HttpError {
    let text = format!("nothing moved for {} s", after.as_secs());
    let error = std::io::Error::new(std::io::ErrorKind::TimedOut, text);
    HttpError::new(HttpErrorKind::Timeout, error)
}

/// What may be tried again, as `object_store` sorts it.
fn failed(error: reqwest::Error) -> HttpError {
    let io = std::iter::successors(std::error::Error::source(&error), |error| error.source())
        .find_map(|error| error.downcast_ref::<std::io::Error>())
        .map(std::io::Error::kind);
    let kind = match io {
        _ if error.is_timeout() => HttpErrorKind::Timeout,
        _ if error.is_connect() => HttpErrorKind::Connect,
        _ if error.is_decode() => HttpErrorKind::Decode,
        Some(std::io::ErrorKind::TimedOut) => HttpErrorKind::Timeout,
        Some(_) => HttpErrorKind::Interrupted,
        None if error.is_request() || error.is_body() => HttpErrorKind::Request,
        None => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error.without_url())
}

fn unusable(error: reqwest::Error) -> Error {
    Error::Generic {
        store: "S3",
        source: Box::new(error),
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future::poll_fn};

    use tokio::time::{sleep, timeout};

    use super::*;

    /// A little less than the longest silence.
    const ALMOST: Duration = Duration::from_secs(59);

    /// A body of single bytes, each of which takes a while.
    struct Slow {
        bytes: usize,
        every: Duration,
        next: Pin<Box<Sleep>>,
    }

    impl Slow {
        fn new(bytes: usize, every: Duration) -> Self {
            let next = Box::pin(sleep(every));
            Self { bytes, every, next }
        }
    }

    impl Body for Slow {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if self.bytes == 0 {
                return Poll::Ready(None);
            }
            std::task::ready!(self.next.as_mut().poll(context));
            self.bytes -= 1;
            self.next = Box::pin(sleep(self.every));
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"7")))))
        }
    }

    /// The lengths of all pieces.
    async fn read<B: Body<Data = Bytes> + Unpin>(mut body: B) -> Result<Vec<usize>, B::Error> {
        let mut pieces = Vec::new();
        while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            pieces.push(frame?.into_data().map_or(0, |data| data.len()));
        }
        Ok(pieces)
    }

    fn incoming(every: Duration) -> Incoming {
        Incoming {
            body: reqwest::Body::wrap(Slow::new(20, every)),
            silence: None,
            max_silence: MAX_SILENCE,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_be_slow_but_not_silent() {
        assert_eq!(read(incoming(ALMOST)).await.unwrap(), [1; 20]);
        let silent = read(incoming(MAX_SILENCE + Duration::from_secs(1))).await;
        let error = silent.unwrap_err();
        assert!(matches!(error.kind(), HttpErrorKind::Timeout), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_may_be_slow_but_not_silent() {
        let progress = Progress::new(MAX_SILENCE);
        let slow = async {
            for _ in 0..20 {
                sleep(ALMOST).await;
                progress.note();
            }
        };
        tokio::select! {
            () = progress.ended() => panic!("it was taken for silent"),
            () = slow => {}
        }
        assert!(timeout(ALMOST, progress.ended()).await.is_err());
        progress.ended().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_goes_out_in_pieces_each_of_which_is_progress() {
        let bytes = Bytes::from(vec![7; 2 * PIECE + 5]);
        let progress = Progress::new(MAX_SILENCE);
        tokio::time::advance(MAX_SILENCE).await;
        let body = Outgoing {
            body: bytes.clone().into(),
            piece: Bytes::new(),
            progress: progress.clone(),
        };
        assert_eq!(body.size_hint().exact(), Some(bytes.len() as u64));
        assert_eq!(read(body).await.unwrap(), [PIECE, PIECE, 5]);
        assert!(timeout(ALMOST, progress.ended()).await.is_err());
    }
}
