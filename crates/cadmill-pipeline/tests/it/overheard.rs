//! What is logged on this thread.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex, Once},
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt as _};

/// Every sentence that is logged on this thread while it lives.
pub(crate) struct Overheard {
    sentences: Arc<Mutex<Vec<(Level, String)>>>,
    _guard: DefaultGuard,
}

impl Overheard {
    pub(crate) fn from_now_on() -> Self {
        // `tracing` remembers of each place whether anybody listens to it. Somebody who always does
        // keeps one test's end from deafening another that runs beside it.
        static LISTENING: Once = Once::new();
        LISTENING.call_once(|| {
            let anybody = tracing::subscriber::set_global_default(tracing_subscriber::registry());
            anybody.expect("nobody else listens to the whole process");
        });
        let sentences = Arc::<Mutex<Vec<_>>>::default();
        let subscriber = tracing_subscriber::registry().with(Ear(Arc::clone(&sentences)));
        Self {
            sentences,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    /// What was said at this level.
    pub(crate) fn at(&self, level: Level) -> Vec<String> {
        let sentences = self.sentences.lock().unwrap();
        let said = sentences.iter().filter(|(at, _)| *at == level);
        said.map(|(_, sentence)| sentence.clone()).collect()
    }

    #[track_caller]
    pub(crate) fn assert_said(&self, level: Level, part: &str) {
        let said = self.at(level);
        assert!(said.iter().any(|said| said.contains(part)), "{said:#?}");
    }
}

struct Ear(Arc<Mutex<Vec<(Level, String)>>>);

impl<S: Subscriber> Layer<S> for Ear {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut sentence = Sentence(String::new());
        event.record(&mut sentence);
        let heard = (*event.metadata().level(), sentence.0);
        self.0.lock().unwrap().push(heard);
    }
}

struct Sentence(String);

impl Visit for Sentence {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            write!(self.0, "{value:?}").unwrap();
        }
    }
}
