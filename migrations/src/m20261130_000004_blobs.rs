//! What keeps blobs from being swept while they are needed, which database owns the blobs, and
//! requests to whichever process serves the deployment.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

/// Adds the tables that sweeping needs.
#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum BlobIntent {
    Table,
    Id,
    Sha256,
    CreatedAt,
}

#[derive(DeriveIden)]
enum BlobRemoval {
    Table,
    Sha256,
    /// One more than the number of the last copy that may be deleted.
    Copies,
    /// The only sweep that deletes copies; null if there may be others.
    Sweep,
    IsDone,
}

/// The blobs to which a row referred that was deleted or changed. A blob may be named more than once:
/// if names were unique, transactions that release the same blobs would wait for each other.
#[derive(DeriveIden)]
enum BlobRelease {
    Table,
    Sha256,
}

/// One row: what this database is, as its blobs know it.
#[derive(DeriveIden)]
enum Deployment {
    Table,
    /// Always 1.
    Singleton,
    Id,
    Generation,
    /// When the last sweep was begun.
    SweptAt,
    /// What came of it.
    Sweep,
}

#[derive(DeriveIden)]
enum MaintenanceRequest {
    Table,
    Id,
    Kind,
    Arguments,
    State,
    Progress,
    Answer,
    RequestedAt,
    /// Who answers.
    Worker,
    /// When the command last said that it waits, or the process that answers that it is at it.
    SeenAt,
}

/// The same words for each kind of row that refers to a blob: the table, and its column.
const REFERENCES: [(&str, &str); 2] = [("cad_file", "source_sha256"), ("media_asset", "sha256")];

#[expect(
    elided_lifetimes_in_paths,
    reason = "the trait's methods are declared so"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            blob_intent(),
            blob_removal(),
            blob_release(),
            deployment(),
            maintenance_request(),
        ] {
            manager.create_table(table).await?;
        }
        let intents_by_blob = Index::create()
            .name("blob_intent_sha256")
            .table(BlobIntent::Table)
            .col(BlobIntent::Sha256)
            .to_owned();
        let releases_by_blob = Index::create()
            .name("blob_release_sha256")
            .table(BlobRelease::Table)
            .col(BlobRelease::Sha256)
            .to_owned();
        for index in [intents_by_blob, releases_by_blob] {
            manager.create_index(index).await?;
        }
        let connection = manager.get_connection();
        for statement in triggers(manager.get_database_backend()) {
            connection.execute_unprepared(&statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let is_postgres = manager.get_database_backend() == DbBackend::Postgres;
        for (table, _) in REFERENCES {
            for event in ["delete", "update"] {
                let on = if is_postgres {
                    format!(" ON {table}")
                } else {
                    String::new()
                };
                let drop = format!("DROP TRIGGER {table}_release_on_{event}{on}");
                connection.execute_unprepared(&drop).await?;
            }
            if is_postgres {
                let drop = format!("DROP FUNCTION cadmill_release_{table}");
                connection.execute_unprepared(&drop).await?;
            }
        }
        for table in [
            MaintenanceRequest::Table.into_iden(),
            Deployment::Table.into_iden(),
            BlobRelease::Table.into_iden(),
            BlobRemoval::Table.into_iden(),
            BlobIntent::Table.into_iden(),
        ] {
            let drop = Table::drop().table(table).to_owned();
            manager.drop_table(drop).await?;
        }
        Ok(())
    }
}

/// Records a blob as released when a row that refers to it is deleted, also along with its file, or
/// gets another one.
fn triggers(backend: DbBackend) -> Vec<String> {
    let mut statements = Vec::new();
    for (table, column) in REFERENCES {
        let insert = format!(
            "INSERT INTO blob_release (sha256) SELECT OLD.{column} \
             WHERE NOT EXISTS (SELECT 1 FROM blob_release WHERE sha256 = OLD.{column})"
        );
        let when = format!("WHEN (OLD.{column} <> NEW.{column})");
        if backend == DbBackend::Postgres {
            let function = format!("cadmill_release_{table}()");
            statements.push(format!(
                "CREATE FUNCTION {function} RETURNS trigger LANGUAGE plpgsql AS $$ \
                 BEGIN {insert}; RETURN NULL; END $$"
            ));
            statements.push(format!(
                "CREATE TRIGGER {table}_release_on_delete AFTER DELETE ON {table} \
                 FOR EACH ROW EXECUTE FUNCTION {function}"
            ));
            statements.push(format!(
                "CREATE TRIGGER {table}_release_on_update AFTER UPDATE OF {column} ON {table} \
                 FOR EACH ROW {when} EXECUTE FUNCTION {function}"
            ));
        } else {
            statements.push(format!(
                "CREATE TRIGGER {table}_release_on_delete AFTER DELETE ON {table} \
                 FOR EACH ROW BEGIN {insert}; END"
            ));
            statements.push(format!(
                "CREATE TRIGGER {table}_release_on_update AFTER UPDATE OF {column} ON {table} \
                 FOR EACH ROW {when} BEGIN {insert}; END"
            ));
        }
    }
    statements
}

fn blob_intent() -> TableCreateStatement {
    Table::create()
        .table(BlobIntent::Table)
        .col(
            ColumnDef::new(BlobIntent::Id)
                .uuid()
                .not_null()
                .primary_key(),
        )
        .col(ColumnDef::new(BlobIntent::Sha256).text().not_null())
        .col(
            ColumnDef::new(BlobIntent::CreatedAt)
                .timestamp_with_time_zone()
                .not_null(),
        )
        .to_owned()
}

fn blob_removal() -> TableCreateStatement {
    Table::create()
        .table(BlobRemoval::Table)
        .col(
            ColumnDef::new(BlobRemoval::Sha256)
                .text()
                .not_null()
                .primary_key(),
        )
        .col(ColumnDef::new(BlobRemoval::Copies).integer().not_null())
        .col(ColumnDef::new(BlobRemoval::Sweep).uuid())
        .col(ColumnDef::new(BlobRemoval::IsDone).boolean().not_null())
        .to_owned()
}

fn blob_release() -> TableCreateStatement {
    Table::create()
        .table(BlobRelease::Table)
        .col(ColumnDef::new(BlobRelease::Sha256).text().not_null())
        .to_owned()
}

fn deployment() -> TableCreateStatement {
    Table::create()
        .table(Deployment::Table)
        .col(
            ColumnDef::new(Deployment::Singleton)
                .integer()
                .not_null()
                .primary_key()
                .check(Expr::col(Deployment::Singleton).eq(1)),
        )
        .col(ColumnDef::new(Deployment::Id).uuid().not_null())
        .col(
            ColumnDef::new(Deployment::Generation)
                .big_integer()
                .not_null(),
        )
        .col(ColumnDef::new(Deployment::SweptAt).timestamp_with_time_zone())
        .col(ColumnDef::new(Deployment::Sweep).json_binary())
        .to_owned()
}

fn maintenance_request() -> TableCreateStatement {
    use MaintenanceRequest::{
        Answer, Arguments, Id, Kind, Progress, RequestedAt, SeenAt, State, Worker,
    };
    Table::create()
        .table(MaintenanceRequest::Table)
        .col(ColumnDef::new(Id).uuid().not_null().primary_key())
        .col(ColumnDef::new(Kind).text().not_null())
        .col(ColumnDef::new(Arguments).json_binary().not_null())
        .col(ColumnDef::new(State).text().not_null())
        .col(ColumnDef::new(Progress).json_binary())
        .col(ColumnDef::new(Answer).json_binary())
        .col(
            ColumnDef::new(RequestedAt)
                .timestamp_with_time_zone()
                .not_null(),
        )
        .col(ColumnDef::new(Worker).text())
        .col(ColumnDef::new(SeenAt).timestamp_with_time_zone())
        .to_owned()
}
