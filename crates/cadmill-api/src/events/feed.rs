//! The feed of events: each follower reads the stored events from its own position, and one poller
//! tells all of them when there is something new.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use cadmill_domain::{
    CadFileId, StoreError,
    pipeline_log::{EventId, PipelineEvent, PipelineLog},
    webhook::EventFilter,
};
use futures_util::{Stream, stream};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How events are followed.
#[derive(Debug, Clone, Copy)]
pub struct FeedSettings {
    /// How many may follow at once.
    pub most_followers: usize,
    /// How often it is looked for new events, while somebody follows.
    pub poll: Duration,
    /// After which silence a sign of life is sent.
    pub keep_alive: Duration,
    /// After which time a follower has to come again, and to show its token again.
    pub longest: Duration,
}

impl Default for FeedSettings {
    fn default() -> Self {
        Self {
            most_followers: 256,
            poll: Duration::from_millis(500),
            keep_alive: Duration::from_secs(15),
            longest: Duration::from_mins(15),
        }
    }
}

/// How many events a follower holds at most.
const PAGE: usize = 256;

/// Nobody more can follow now.
#[derive(Debug, thiserror::Error)]
pub(super) enum FollowError {
    /// There are as many followers as there may be.
    #[error("too many follow already")]
    Full,
    /// The service ends.
    #[error("the service is about to end")]
    Stopping,
    /// The database failed.
    #[error(transparent)]
    Store(StoreError),
}

/// Which events a follower gets.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) file: Option<CadFileId>,
    pub(super) events: EventFilter,
}

/// What a follower is told.
#[derive(Debug)]
pub(super) enum Told {
    /// All up to this event was told, or is not wanted; that an event comes soon is not certain.
    Position(EventId),
    /// An event.
    Event(PipelineEvent),
    /// The database is away; nothing follows.
    Away,
}

/// What the poller saw last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    UpTo(EventId),
    Away,
}

/// The events of all files, for whoever wants to follow them.
#[derive(Debug)]
pub(crate) struct Feed {
    log: Arc<dyn PipelineLog>,
    settings: FeedSettings,
    stop: CancellationToken,
    places: Arc<Semaphore>,
    seen: watch::Sender<Seen>,
    poller: Mutex<Option<JoinHandle<()>>>,
}

impl Feed {
    /// A feed of what is in `log`; all followers are dismissed when `stop` is cancelled.
    pub(crate) fn new(
        log: Arc<dyn PipelineLog>,
        settings: FeedSettings,
        stop: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            log,
            settings,
            stop,
            places: Arc::new(Semaphore::new(settings.most_followers)),
            seen: watch::Sender::new(Seen::UpTo(EventId::default())),
            poller: Mutex::default(),
        })
    }

    /// What happens behind `after`, or from now on.
    pub(super) async fn follow(
        self: &Arc<Self>,
        after: Option<EventId>,
        wanted: Wanted,
    ) -> Result<impl Stream<Item = Told> + Send + use<>, FollowError> {
        if self.stop.is_cancelled() {
            return Err(FollowError::Stopping);
        }
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| FollowError::Full)?;
        let last = self.log.last_event_id().await.map_err(FollowError::Store)?;
        // A position from before the database was restored would hide what comes.
        let position = after.map_or(last, |after| after.min(last));
        let follower = Follower {
            seen: self.subscribe(),
            feed: Arc::clone(self),
            wanted,
            position,
            page: VecDeque::new(),
            step: Step::Greet,
            until: Instant::now() + self.settings.longest,
            _place: place,
        };
        Ok(stream::unfold(follower, async |mut follower| {
            let told = follower.next().await?;
            Some((told, follower))
        }))
    }

    /// Is told when there is something new; the poller runs from now on.
    fn subscribe(self: &Arc<Self>) -> watch::Receiver<Seen> {
        let mut poller = self.poller.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = self.seen.subscribe();
        if poller.as_ref().is_none_or(JoinHandle::is_finished) {
            let poll = poll(Arc::downgrade(self), self.settings.poll);
            *poller = Some(tokio::spawn(poll));
        }
        receiver
    }

    /// Looks for new events once. False if nobody is interested any more.
    async fn look(&self) -> bool {
        let seen = match self.log.last_event_id().await {
            Ok(last) => Seen::UpTo(last),
            Err(error) => {
                let error = cadmill_domain::sentence(&error);
                warn!(
                    error,
                    "The events cannot be read; their followers are dismissed"
                );
                Seen::Away
            }
        };
        self.seen.send_if_modified(|old| {
            let is_news = *old != seen || seen == Seen::Away;
            *old = seen;
            is_news
        });
        // Under the lock, so that nobody subscribes in between and is never told anything.
        let mut poller = self.poller.lock().unwrap_or_else(PoisonError::into_inner);
        let goes_on = self.seen.receiver_count() > 0 && !self.stop.is_cancelled();
        if !goes_on {
            *poller = None;
        }
        goes_on
    }
}

async fn poll(feed: Weak<Feed>, every: Duration) {
    loop {
        sleep(every).await;
        let Some(feed) = feed.upgrade() else { return };
        if !feed.look().await {
            return;
        }
    }
}

/// Somebody who follows. It reads only when it is asked for more, so a slow one holds no more than
/// a page.
struct Follower {
    feed: Arc<Feed>,
    seen: watch::Receiver<Seen>,
    wanted: Wanted,
    /// All up to here was read.
    position: EventId,
    page: VecDeque<PipelineEvent>,
    step: Step,
    until: Instant,
    _place: OwnedSemaphorePermit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Greet,
    Read,
    Wait,
    End,
}

impl Follower {
    async fn next(&mut self) -> Option<Told> {
        let stop = self.feed.stop.clone();
        stop.run_until_cancelled(self.advance()).await?
    }

    async fn advance(&mut self) -> Option<Told> {
        loop {
            if let Some(event) = self.page.pop_front() {
                return Some(Told::Event(event));
            }
            match self.step {
                // A client that is cut off before the first event comes again with this position.
                Step::Greet => {
                    self.step = Step::Read;
                    return Some(Told::Position(self.position));
                }
                Step::Read => {
                    if let Err(error) = self.read().await {
                        let error = cadmill_domain::sentence(&error);
                        warn!(error, "The events cannot be read; a follower is dismissed");
                        return Some(self.dismiss());
                    }
                }
                Step::Wait => {
                    tokio::select! {
                        biased;
                        () = sleep_until(self.until) => return None,
                        news = self.seen.changed() => {
                            self.step = Step::Read;
                            if news.is_err() || *self.seen.borrow() == Seen::Away {
                                return Some(self.dismiss());
                            }
                        }
                        () = sleep(self.feed.settings.keep_alive) => {
                            return Some(Told::Position(self.position));
                        }
                    }
                }
                Step::End => return None,
            }
            if Instant::now() >= self.until {
                return None;
            }
        }
    }

    fn dismiss(&mut self) -> Told {
        self.step = Step::End;
        Told::Away
    }

    /// Reads the next page.
    async fn read(&mut self) -> Result<(), StoreError> {
        // What the poller saw before is read now; what it sees from now on wakes us again.
        let seen = *self.seen.borrow_and_update();
        let read = self
            .feed
            .log
            .events_after(self.position, self.wanted.file, PAGE);
        let read = read.await?;
        if let Some(last) = read.last() {
            self.position = last.id;
        }
        if read.len() < PAGE {
            self.step = Step::Wait;
            // The rest up to there is of other files.
            if let Seen::UpTo(seen) = seen {
                self.position = self.position.max(seen);
            }
        }
        let events = read.into_iter();
        self.page = events
            .filter(|event| self.wanted.events.wants(event.event.event))
            .collect();
        Ok(())
    }
}
