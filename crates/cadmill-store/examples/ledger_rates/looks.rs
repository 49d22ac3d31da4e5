//! What one look at the queue costs (`Ledger::next`) where one requester waits for almost 100 000
//! scenes, five others for 20 each, and 50 000 pieces of work are put off.

use std::time::Instant;

use cadmill_domain::{
    Work,
    ledger::{MissingRequest, Request, Requester, WorkQuery, WorkQueue as _, WorkRequests as _},
};

use crate::{Outcome, SCENE, filled::Filled};

/// Files whose USD master is put off.
const PUT_OFF: usize = 50_000;
/// Requesters beside the one that waits for all other files.
const OTHERS: usize = 5;
const FILES_OF_EACH: usize = 20;
/// How often is looked.
const LOOKS: usize = 200;

/// Looks at the queue again and again.
pub(crate) async fn looks(filled: &Filled) -> Outcome {
    for (number, file) in filled.files.iter().take(OTHERS * FILES_OF_EACH).enumerate() {
        let requester = Requester::SHARED.project(&(number % OTHERS).to_string());
        let work = Work {
            cad_file_id: *file,
            kind: SCENE,
        };
        let request = Request {
            requester,
            ..Request::BULK
        };
        filled.store.request(work, request).await?;
    }
    let all = MissingRequest::of(SCENE);
    filled.store.request_missing(&all).await?;
    filled.put_off(PUT_OFF).await?;
    let mut query = WorkQuery {
        reads: 2,
        makes: 8,
        ..WorkQuery::default()
    };
    let mut looks = Vec::with_capacity(LOOKS);
    for _ in 0..LOOKS {
        let begun = Instant::now();
        let found = filled.store.next(&query).await?;
        looks.push(begun.elapsed().as_secs_f64() * 1e3);
        if found.len() != query.makes {
            return Err("as much is found as is looked for".into());
        }
        query.turns.took(&found[0]);
    }
    println!("first_look_ms {}", looks[0]);
    looks.sort_by(f64::total_cmp);
    println!("look_ms {}", looks[LOOKS / 2]);
    println!("slowest_look_ms {}", looks[LOOKS - 1]);
    Ok(())
}
