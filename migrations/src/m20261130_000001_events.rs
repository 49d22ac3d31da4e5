//! Events of PostgreSQL get the number of their transaction instead of that of a sequence (ADR 0015),
//! and a file takes them along without a reference to it.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

/// The fourth step.
#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

/// Events that are there keep their numbers, and the next get higher ones.
const UP: [&str; 10] = [
    "ALTER TABLE pipeline_event ALTER COLUMN id DROP IDENTITY IF EXISTS",
    "ALTER TABLE pipeline_event ALTER COLUMN id DROP DEFAULT",
    "DROP SEQUENCE IF EXISTS pipeline_event_id_seq",
    "CREATE TABLE event_base (base bigint NOT NULL)",
    "INSERT INTO event_base SELECT 1 + GREATEST(\
     (SELECT COALESCE(MAX(id), 0) FROM pipeline_event), \
     (SELECT COALESCE(MAX(last_event_id), 0) FROM webhook))",
    "ALTER TABLE pipeline_event DROP CONSTRAINT pipeline_event_cad_file_id_fkey",
    // A claim that is being made holds a row of the ledger, so that is waited for before its event
    // is looked for.
    "CREATE FUNCTION cadmill_delete_rows_of_files() RETURNS trigger LANGUAGE plpgsql AS $$ \
     BEGIN DELETE FROM ledger WHERE cad_file_id IN (SELECT id FROM deleted); \
     DELETE FROM pipeline_event WHERE cad_file_id IN (SELECT id FROM deleted); RETURN NULL; END $$",
    "DROP TRIGGER cadmill_delete_ledger_rows ON cad_file",
    "DROP FUNCTION cadmill_delete_ledger_rows",
    "CREATE TRIGGER cadmill_delete_rows_of_files AFTER DELETE ON cad_file \
     REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT \
     EXECUTE FUNCTION cadmill_delete_rows_of_files()",
];

const DOWN: [&str; 9] = [
    "DROP TRIGGER cadmill_delete_rows_of_files ON cad_file",
    "DROP FUNCTION cadmill_delete_rows_of_files",
    "CREATE FUNCTION cadmill_delete_ledger_rows() RETURNS trigger LANGUAGE plpgsql AS $$ \
     BEGIN DELETE FROM ledger WHERE cad_file_id IN (SELECT id FROM deleted); RETURN NULL; END $$",
    "CREATE TRIGGER cadmill_delete_ledger_rows AFTER DELETE ON cad_file \
     REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT \
     EXECUTE FUNCTION cadmill_delete_ledger_rows()",
    "ALTER TABLE pipeline_event ADD CONSTRAINT pipeline_event_cad_file_id_fkey \
     FOREIGN KEY (cad_file_id) REFERENCES cad_file (id) ON DELETE CASCADE",
    "CREATE SEQUENCE pipeline_event_id_seq AS bigint OWNED BY pipeline_event.id",
    "SELECT setval('pipeline_event_id_seq', 1 + GREATEST(\
     (SELECT COALESCE(MAX(id), 0) FROM pipeline_event), \
     (SELECT COALESCE(MAX(last_event_id), 0) FROM webhook)))",
    "ALTER TABLE pipeline_event ALTER COLUMN id SET DEFAULT nextval('pipeline_event_id_seq')",
    "DROP TABLE event_base",
];

#[expect(
    elided_lifetimes_in_paths,
    reason = "the trait's methods are declared so"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, &UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, &DOWN).await
    }
}

/// SQLite has one writer at a time, and needs none of this.
async fn execute(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    if manager.get_database_backend() == DbBackend::Postgres {
        let connection = manager.get_connection();
        for statement in statements {
            connection.execute_unprepared(statement).await?;
        }
    }
    Ok(())
}
