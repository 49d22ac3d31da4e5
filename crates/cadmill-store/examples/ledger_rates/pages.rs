//! What it costs to look at a page of many files.

use std::time::Instant;

use cadmill_domain::{
    CadFiles as _, Direction, MediaKind, SortKey,
    cad_file::{CadFileQuery, MediaState},
    ledger::LedgerView as _,
};
use cadmill_store::Store;

use crate::{Outcome, expect};

/// How many files a page shows.
const PAGE: usize = 100;

/// The first page and one from the middle in each order, and the first page of a filter.
pub(crate) async fn pages(store: &Store) -> Outcome {
    for (name, key) in [
        ("name", SortKey::Name),
        ("created_at", SortKey::CreatedAt),
        ("updated_at", SortKey::UpdatedAt),
    ] {
        let mut query = CadFileQuery::first(PAGE);
        query.order.key = key;
        query.order.direction = Direction::Descending;
        let begun = Instant::now();
        let first = store.list(&query).await?;
        println!("page_by_{name}_ms {}", begun.elapsed().as_secs_f64() * 1e3);
        query.after = first.next;
        query.limit = 20_000;
        query.after = store.list(&query).await?.next;
        query.limit = PAGE;
        let begun = Instant::now();
        let later = store.list(&query).await?;
        println!(
            "later_page_by_{name}_ms {}",
            begun.elapsed().as_secs_f64() * 1e3
        );
        expect(later.files.len() == PAGE, "a page is full")?;
    }
    for state in MediaState::ALL {
        let mut query = CadFileQuery::first(PAGE);
        query.media = vec![(MediaKind::GltfGeometry, state)];
        let begun = Instant::now();
        store.list(&query).await?;
        println!("page_of_{state}_ms {}", begun.elapsed().as_secs_f64() * 1e3);
    }
    let mut query = CadFileQuery::first(PAGE);
    query.name_contains = Some("line 99999".to_owned());
    let begun = Instant::now();
    store.list(&query).await?;
    println!("page_of_a_name_ms {}", begun.elapsed().as_secs_f64() * 1e3);
    let begun = Instant::now();
    store.work(None, PAGE).await?;
    println!("page_of_work_ms {}", begun.elapsed().as_secs_f64() * 1e3);
    let begun = Instant::now();
    store.queue_depths().await?;
    println!("queue_depths_ms {}", begun.elapsed().as_secs_f64() * 1e3);
    Ok(())
}
