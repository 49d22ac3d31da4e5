//! When the owner of a claim last said that it is at work on it, and since when it is suspected to be
//! gone; and indexes of what waits for the same bytes and of what may be poison.

use sea_orm_migration::prelude::*;

/// The confirmations.
#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const COLUMNS: [&str; 2] = ["confirmed_at", "suspected_at"];

const INDEXES: [(&str, &str); 2] = [
    (
        "ledger_put_off_input",
        "(desired_input) WHERE state = 'queued' AND not_before IS NOT NULL",
    ),
    (
        "ledger_suspects",
        "(requested_at) WHERE state = 'queued' AND crashes >= 2",
    ),
];

#[expect(
    elided_lifetimes_in_paths,
    reason = "the trait's methods are declared so"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in COLUMNS {
            let mut column = ColumnDef::new(Alias::new(column));
            let table = Alias::new("ledger");
            let alter = Table::alter()
                .table(table)
                .add_column(column.timestamp_with_time_zone())
                .to_owned();
            manager.alter_table(alter).await?;
        }
        let connection = manager.get_connection();
        for (name, of) in INDEXES {
            let index = format!("CREATE INDEX {name} ON ledger {of}");
            connection.execute_unprepared(&index).await?;
        }
        // A claim that was open before counts as confirmed when it was made.
        let confirmed = "UPDATE ledger SET confirmed_at = claimed_at WHERE state = 'running'";
        connection.execute_unprepared(confirmed).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for (name, _) in INDEXES {
            connection
                .execute_unprepared(&format!("DROP INDEX {name}"))
                .await?;
        }
        for column in COLUMNS {
            let alter = Table::alter()
                .table(Alias::new("ledger"))
                .drop_column(Alias::new(column))
                .to_owned();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }
}
