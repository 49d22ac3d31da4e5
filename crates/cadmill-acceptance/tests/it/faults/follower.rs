//! Clients that follow the events of a deployment, and lose the connection all the time.

use std::{
    io::{BufRead as _, BufReader},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use super::api::Api;

/// How many events one connection brings at most.
const AT_MOST: u64 = 40;

/// A client.
#[derive(Debug)]
pub(super) struct Follower {
    heard: JoinHandle<Vec<u64>>,
    last: Arc<AtomicU64>,
}

impl Follower {
    /// Follows all events from the first one on, at one API after the other.
    pub(super) fn start(apis: &[Api]) -> Self {
        let addresses: Vec<_> = apis.iter().map(|api| api.address.clone()).collect();
        let last = Arc::new(AtomicU64::new(u64::MAX));
        let until = last.clone();
        let heard = thread::spawn(move || {
            let mut heard = Vec::new();
            for address in addresses.iter().cycle() {
                listen(address, &mut heard, &until);
                if heard.last() >= Some(&until.load(Ordering::SeqCst)) {
                    break;
                }
            }
            heard
        });
        Self { heard, last }
    }

    /// The numbers of the events that it has heard, once it has heard that of `last`.
    #[track_caller]
    pub(super) fn until(self, last: u64) -> Vec<u64> {
        self.last.store(last, Ordering::SeqCst);
        self.heard.join().unwrap()
    }
}

/// Hears a few events behind those that were heard.
fn listen(address: &str, heard: &mut Vec<u64>, until: &AtomicU64) {
    let mut request = ureq::get(format!("{address}/api/events?after=0"));
    if let Some(last) = heard.last() {
        request = request.header("Last-Event-ID", last.to_string());
    }
    let stream = request.call().unwrap().into_body().into_reader();
    let mut id = 0;
    let mut left = rand::random_range(1..=AT_MOST);
    // A line comes at least as often as the server says that it is alive.
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        if let Some(number) = line.strip_prefix("id:") {
            id = number.trim().parse().unwrap();
        }
        // A message without data only tells where the stream begins.
        if line.starts_with("data:") {
            heard.push(id);
            left -= 1;
        }
        if left == 0 || heard.last() >= Some(&until.load(Ordering::SeqCst)) {
            return;
        }
    }
}
