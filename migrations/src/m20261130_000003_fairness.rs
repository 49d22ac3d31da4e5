//! For whom work is done, whether what is there is coarser than the recipe, and indexes in the order in which the queue is searched: what is to be
//! read, what is to be made, and what is put off. Each row of the queue is in one of the three.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

/// Requesters take turns.
#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const INDEXES: [&str; 4] = [
    "DROP INDEX ledger_queue",
    "CREATE INDEX ledger_to_read ON ledger (priority DESC, requester, requested_at, cad_file_id) \
     WHERE state = 'queued' AND not_before IS NULL AND kind = 'process_step'",
    "CREATE INDEX ledger_to_make ON ledger (priority DESC, requester, requested_at, cad_file_id) \
     WHERE state = 'queued' AND not_before IS NULL AND kind <> 'process_step'",
    "CREATE INDEX ledger_put_off ON ledger (not_before, cad_file_id) \
     WHERE state = 'queued' AND not_before IS NOT NULL",
];

const FORMER_INDEXES: [&str; 4] = [
    "DROP INDEX ledger_to_read",
    "DROP INDEX ledger_to_make",
    "DROP INDEX ledger_put_off",
    "CREATE INDEX ledger_queue ON ledger (priority DESC, requested_at, cad_file_id) \
     WHERE state = 'queued'",
];

#[expect(
    elided_lifetimes_in_paths,
    reason = "the trait's methods are declared so"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        // What waits already was asked for without a token (`Requester::SHARED`).
        let column = match manager.get_database_backend() {
            DbBackend::Postgres => "uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000001'",
            _ => "uuid_text NOT NULL DEFAULT X'00000000000000000000000000000001'",
        };
        let add = format!("ALTER TABLE ledger ADD COLUMN requester {column}");
        connection.execute_unprepared(&add).await?;
        let add = "ALTER TABLE ledger ADD COLUMN coarser boolean NOT NULL DEFAULT FALSE";
        connection.execute_unprepared(add).await?;
        for statement in INDEXES {
            connection.execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for statement in FORMER_INDEXES {
            connection.execute_unprepared(statement).await?;
        }
        for column in ["requester", "coarser"] {
            let remove = format!("ALTER TABLE ledger DROP COLUMN {column}");
            connection.execute_unprepared(&remove).await?;
        }
        Ok(())
    }
}
