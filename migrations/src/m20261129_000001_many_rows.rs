//! Many rows of the ledger written at once: PostgreSQL does not look up the file of each, and an index
//! that another one contains goes.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

/// The third step.
#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

/// Who writes to the ledger has locked the file, so its reference only costs time (ADR 0014). A file
/// still takes its rows along.
const WITHOUT_REFERENCE: [&str; 3] = [
    "ALTER TABLE ledger DROP CONSTRAINT ledger_cad_file_id_fkey",
    "CREATE FUNCTION cadmill_delete_ledger_rows() RETURNS trigger LANGUAGE plpgsql AS $$ \
     BEGIN DELETE FROM ledger WHERE cad_file_id IN (SELECT id FROM deleted); RETURN NULL; END $$",
    "CREATE TRIGGER cadmill_delete_ledger_rows AFTER DELETE ON cad_file \
     REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT \
     EXECUTE FUNCTION cadmill_delete_ledger_rows()",
];

const WITH_REFERENCE: [&str; 3] = [
    "DROP TRIGGER cadmill_delete_ledger_rows ON cad_file",
    "DROP FUNCTION cadmill_delete_ledger_rows",
    "ALTER TABLE ledger ADD CONSTRAINT ledger_cad_file_id_fkey FOREIGN KEY (cad_file_id) \
     REFERENCES cad_file (id) ON DELETE CASCADE",
];

#[expect(
    elided_lifetimes_in_paths,
    reason = "the trait's methods are declared so"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        // `cad_file_by_name` begins with the same column, or is in the order that is asked for.
        connection
            .execute_unprepared("DROP INDEX cad_file_name")
            .await?;
        if manager.get_database_backend() == DbBackend::Postgres {
            for statement in WITHOUT_REFERENCE {
                connection.execute_unprepared(statement).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        if manager.get_database_backend() == DbBackend::Postgres {
            for statement in WITH_REFERENCE {
                connection.execute_unprepared(statement).await?;
            }
        }
        let index = "CREATE INDEX cad_file_name ON cad_file (name)";
        connection.execute_unprepared(index).await?;
        Ok(())
    }
}
