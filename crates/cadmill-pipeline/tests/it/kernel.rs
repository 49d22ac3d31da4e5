//! Tessellators that count, and do what the test says when it says so.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use cadmill_domain::{
    Failure, FailureCode,
    tessellator::{
        Cancelled, Conditions, FaceCount, ProgressSink, Retried, Tessellation, TessellationReport,
        TessellationRequest, Tessellator, Timings,
    },
};
use cadmill_scene::{Overlay, Provenance, Scene, glb, sample};
use futures_util::FutureExt as _;
use tokio::sync::{mpsc, oneshot};

use crate::harness::retry_while_busy;

/// What it says of itself at first.
const VERSION: &str = "no kernel";

/// Makes a cube of every file.
#[derive(Debug)]
pub(crate) struct Kernel {
    runs: AtomicUsize,
    version: Mutex<String>,
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
    /// By the coarser recipe, after a fault.
    MadeCoarser,
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
            version: Mutex::new(VERSION.to_owned()),
            calls: None,
        })
    }

    /// Waits for an answer to each call, and for nothing else: it does not heed its cancellation.
    pub(crate) fn waiting() -> (Arc<Self>, Calls) {
        let (calls, called) = mpsc::unbounded_channel();
        let kernel = Self {
            runs: AtomicUsize::new(0),
            version: Mutex::new(VERSION.to_owned()),
            calls: Some(calls),
        };
        (Arc::new(kernel), Calls(called))
    }

    /// From now on it is of this version.
    pub(crate) fn become_version(&self, version: &str) {
        version.clone_into(&mut self.version.lock().unwrap());
    }

    fn version(&self) -> String {
        self.version.lock().unwrap().clone()
    }

    /// How often it was run.
    pub(crate) fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

impl Calls {
    /// The next run.
    pub(crate) async fn next(&mut self) -> Call {
        retry_while_busy(self.0.recv())
            .await
            .expect("the kernel is there")
    }

    /// Whether another run has begun.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Call {
    /// Whether it was cancelled.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.clone().wait().now_or_never().is_some()
    }

    /// Ends it.
    pub(crate) fn answer(self, answer: Answer) {
        self.answer.send(answer).expect("the run goes on");
    }

    /// Ends as a child does that is killed as soon as the run is cancelled.
    pub(crate) async fn heed(self) {
        retry_while_busy(self.cancelled.clone().wait()).await;
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
            Answer::Made => Ok(cube(request, &self.version())),
            Answer::MadeCoarser => Ok(coarser_cube(request, &self.version())),
            Answer::Failed(code) => Err(Failure::new(code, "The test wants it.")),
            Answer::Panicked => panic!("the test wants it"),
        }
    }

    async fn kernel(&self) -> Result<String, Failure> {
        Ok(self.version())
    }
}

fn coarser_cube(request: &TessellationRequest, version: &str) -> Tessellation {
    let coarser = TessellationRequest {
        recipe: request.recipe.coarser(),
        ..request.clone()
    };
    let mut made = cube(&coarser, version);
    made.report.retried = Some(Retried {
        first: Failure::new(FailureCode::KernelCrash, "The test wants it."),
        recipe: coarser.recipe,
        conditions: Some(Conditions::new(
            version,
            request.memory_bytes,
            request.timeout,
        )),
    });
    made
}

fn cube(request: &TessellationRequest, version: &str) -> Tessellation {
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
        kernel: version.to_owned(),
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
        missing_geometry: Vec::new(),
        warnings: Vec::new(),
        retried: None,
        timings: Timings::default(),
    };
    Tessellation {
        glb: glb::write(&scene, &Overlay::none(&scene)).unwrap(),
        report,
    }
}
