//! The order in which events are seen, on a PostgreSQL whose transactions take their time.

use std::sync::Arc;

use cadmill_domain::contract::pipeline_log::whoever_follows_misses_nothing;
use cadmill_store::Database;
use sea_orm::{ConnectOptions, ConnectionTrait as _};

use crate::open;

/// Between drawing a number and committing, some wait longer than others: whoever came first commits
/// last, unless writers take turns.
const DAWDLE: &str = "\
    CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ \
    BEGIN PERFORM pg_sleep(random() * 0.005); RETURN NULL; END $$; \
    CREATE TRIGGER dawdle AFTER INSERT ON pipeline_event \
    FOR EACH ROW EXECUTE FUNCTION dawdle()";

#[tokio::test(flavor = "multi_thread")]
async fn nobody_misses_an_event_however_long_its_transaction_takes() {
    let url = open::new_postgres_database().await;
    let database = Database::connect_postgres(&url, 24).await.unwrap();
    let deployment = open::deployment(database, Arc::default()).await;
    let mut options = ConnectOptions::new(&url);
    options.max_connections(1).sqlx_logging(false);
    let connection = sea_orm::Database::connect(options).await.unwrap();
    connection.execute_unprepared(DAWDLE).await.unwrap();
    whoever_follows_misses_nothing(&deployment).await;
}
