//! Tessellators that count, and do what the test says when it says so.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use cadmill_domain::{
    Cancelled, FaceCount, Failure, FailureCode, ProgressSink, Tessellation, TessellationReport,
    TessellationRequest, Tessellator, Timings,
};
use cadmill_scene::{Overlay, Provenance, Scene, glb, sample};
use tokio::sync::{mpsc, oneshot};

use crate::plant::patiently;

/// Makes a cube of every file.
#[derive(Debug)]
pub(crate) struct Kernel {
    runs: AtomicUsize,
    calls: Option<mpsc::UnboundedSender<Call>>,
}

/// One run of a kernel that waits for its answer.
pub(crate) struct Call {
    pub(crate) request: TessellationRequest,
    pub(crate) progress: Arc<dyn ProgressSink>,
    pub(crate) cancelled: Cancelled,
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// How a run ends.
#[derive(Debug)]
pub(crate) enum Answer {
    Made,
    Failed(FailureCode),
    Panicked,
}

/// The runs of a kernel, as they begin.
pub(crate) struct Calls(mpsc::UnboundedReceiver<Call>);

impl Kernel {
    /// Makes everything at once.
    pub(crate) fn prompt() -> Arc<Self> {
        Arc::new(Self {
            runs: AtomicUsize::new(0),
            calls: None,
        })
    }

    /// Waits for an answer to each call, and for nothing else: it does not heed its cancellation.
    pub(crate) fn waiting() -> (Arc<Self>, Calls) {
        let (calls, called) = mpsc::unbounded_channel();
        let kernel = Self {
            runs: AtomicUsize::new(0),
            calls: Some(calls),
        };
        (Arc::new(kernel), Calls(called))
    }

    /// How often it was run.
    pub(crate) fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

impl Calls {
    /// The next run.
    pub(crate) async fn next(&mut self) -> Call {
        patiently(self.0.recv()).await.expect("the kernel is there")
    }

    /// Whether another run has begun.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Call {
    /// Ends it.
    pub(crate) fn answer(self, answer: Answer) {
        self.answer.send(answer).expect("the run goes on");
    }

    /// Ends as a child does that is killed as soon as the run is cancelled.
    pub(crate) async fn heed(self) {
        patiently(self.cancelled.clone().wait()).await;
        self.answer(Answer::Failed(FailureCode::Cancelled));
    }
}

#[async_trait]
impl Tessellator for Kernel {
    async fn tessellate(
        &self,
        request: &TessellationRequest,
        progress: Arc<dyn ProgressSink>,
        cancelled: Cancelled,
    ) -> Result<Tessellation, Failure> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let answer = match &self.calls {
            None => Answer::Made,
            Some(calls) => {
                let (answer, answered) = oneshot::channel();
                let call = Call {
                    request: request.clone(),
                    progress,
                    cancelled,
                    answer,
                };
                // A test that has ended does not listen any more.
                let _ = calls.send(call);
                answered.await.unwrap_or(Answer::Made)
            }
        };
        match answer {
            Answer::Made => Ok(cube(request)),
            Answer::Failed(code) => Err(Failure::new(code, "The test wants it.")),
            Answer::Panicked => panic!("the test wants it"),
        }
    }
}

fn cube(request: &TessellationRequest) -> Tessellation {
    let scene = Scene {
        provenance: Provenance {
            source_hash: request.source_hash,
            recipe: request.recipe.fingerprint(),
            converter: "fake".to_owned(),
        },
        ..sample::cube()
    };
    let faces = FaceCount {
        total: 6,
        unmeshed: 0,
    };
    let report = TessellationReport {
        kernel: "no kernel".to_owned(),
        parts: 1,
        occurrences: 1,
        triangles: 12,
        faces,
        source_faces: request.source_faces,
        unread_faces: 0,
        volume_mm3: 1e6,
        area_mm2: 6e4,
        bounds: None,
        part_reports: Vec::new(),
        partial: false,
        warnings: Vec::new(),
        retried: None,
        timings: Timings::default(),
    };
    Tessellation {
        glb: glb::write(&scene, &Overlay::none(&scene)).unwrap(),
        report,
    }
}
