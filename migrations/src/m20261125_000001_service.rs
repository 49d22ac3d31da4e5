//! What the HTTP service needs: access tokens, webhooks with their outbox, keys of requests that are
//! repeated, work that is forced, and the orders in which files are listed.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

/// The second step.
#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum CadFile {
    Table,
    Id,
}

#[derive(DeriveIden)]
enum Ledger {
    Table,
    Forced,
}

#[derive(DeriveIden)]
enum PipelineEvent {
    Table,
    Id,
}

#[derive(DeriveIden)]
enum AccessToken {
    Table,
    Id,
    Name,
    Role,
    Hash,
    Prefix,
    CreatedAt,
    ExpiresAt,
    LastUsedAt,
    RevokedAt,
}

#[derive(DeriveIden)]
enum Webhook {
    Table,
    Id,
    Url,
    Secret,
    /// The names of the wanted events between commas, as in `,step_done,`; null for all.
    Events,
    Description,
    Enabled,
    /// The newest event that was looked at.
    LastEventId,
    CreatedAt,
}

#[derive(DeriveIden)]
enum WebhookDelivery {
    Table,
    Id,
    WebhookId,
    EventId,
    /// Of a test.
    Payload,
    State,
    Attempts,
    CreatedAt,
    AttemptedAt,
    NextAttemptAt,
    Status,
    Error,
}

#[derive(DeriveIden)]
enum IdempotencyKey {
    Table,
    CadFileId,
    Kind,
    Key,
    UsedAt,
}

/// Partial indexes, which the builder does not know, in words that both databases understand.
const PARTIAL_INDEXES: [&str; 2] = [
    "CREATE INDEX ledger_failed ON ledger (cad_file_id) WHERE state = 'failed'",
    "CREATE INDEX webhook_delivery_due ON webhook_delivery (webhook_id, next_attempt_at, id) \
     WHERE state = 'pending'",
];

#[expect(
    elided_lifetimes_in_paths,
    reason = "the trait's methods are declared so"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let forced = ColumnDef::new(Ledger::Forced)
            .boolean()
            .not_null()
            .default(false)
            .to_owned();
        let alter = Table::alter()
            .table(Ledger::Table)
            .add_column(forced)
            .to_owned();
        manager.alter_table(alter).await?;
        for table in [
            access_token(),
            webhook(),
            webhook_delivery(),
            idempotency_key(),
        ] {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        let connection = manager.get_connection();
        for index in PARTIAL_INDEXES {
            connection.execute_unprepared(index).await?;
        }
        for order in orders(manager.get_database_backend()) {
            connection.execute_unprepared(&order).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            IdempotencyKey::Table.into_iden(),
            WebhookDelivery::Table.into_iden(),
            Webhook::Table.into_iden(),
            AccessToken::Table.into_iden(),
        ] {
            let drop = Table::drop().table(table).to_owned();
            manager.drop_table(drop).await?;
        }
        let connection = manager.get_connection();
        for index in [
            "ledger_failed",
            "cad_file_by_name",
            "cad_file_by_created_at",
            "cad_file_by_updated_at",
        ] {
            let drop = format!("DROP INDEX {index}");
            connection.execute_unprepared(&drop).await?;
        }
        let alter = Table::alter()
            .table(Ledger::Table)
            .drop_column(Ledger::Forced)
            .to_owned();
        manager.alter_table(alter).await
    }
}

/// The orders in which files are listed; names in that of their bytes.
fn orders(backend: DbBackend) -> [String; 3] {
    let bytes = match backend {
        DbBackend::Postgres => "name COLLATE \"C\"",
        _ => "name",
    };
    [
        ("name", bytes),
        ("created_at", "created_at"),
        ("updated_at", "updated_at"),
    ]
    .map(|(name, key)| format!("CREATE INDEX cad_file_by_{name} ON cad_file ({key}, id)"))
}

fn access_token() -> TableCreateStatement {
    Table::create()
        .table(AccessToken::Table)
        .col(
            ColumnDef::new(AccessToken::Id)
                .uuid()
                .not_null()
                .primary_key(),
        )
        .col(ColumnDef::new(AccessToken::Name).text().not_null())
        .col(ColumnDef::new(AccessToken::Role).text().not_null())
        .col(
            ColumnDef::new(AccessToken::Hash)
                .text()
                .not_null()
                .unique_key(),
        )
        .col(ColumnDef::new(AccessToken::Prefix).text().not_null())
        .col(moment(AccessToken::CreatedAt).not_null())
        .col(moment(AccessToken::ExpiresAt))
        .col(moment(AccessToken::LastUsedAt))
        .col(moment(AccessToken::RevokedAt))
        .to_owned()
}

fn webhook() -> TableCreateStatement {
    Table::create()
        .table(Webhook::Table)
        .col(ColumnDef::new(Webhook::Id).uuid().not_null().primary_key())
        .col(ColumnDef::new(Webhook::Url).text().not_null())
        .col(ColumnDef::new(Webhook::Secret).text().not_null())
        .col(ColumnDef::new(Webhook::Events).text())
        .col(ColumnDef::new(Webhook::Description).text().not_null())
        .col(ColumnDef::new(Webhook::Enabled).boolean().not_null())
        .col(
            ColumnDef::new(Webhook::LastEventId)
                .big_integer()
                .not_null(),
        )
        .col(moment(Webhook::CreatedAt).not_null())
        .to_owned()
}

fn webhook_delivery() -> TableCreateStatement {
    let column = ColumnDef::new::<WebhookDelivery>;
    Table::create()
        .table(WebhookDelivery::Table)
        .col(
            column(WebhookDelivery::Id)
                .big_integer()
                .not_null()
                .auto_increment()
                .primary_key(),
        )
        .col(column(WebhookDelivery::WebhookId).uuid().not_null())
        .col(column(WebhookDelivery::EventId).big_integer())
        .col(column(WebhookDelivery::Payload).json_binary().not_null())
        .col(column(WebhookDelivery::State).text().not_null())
        .col(column(WebhookDelivery::Attempts).integer().not_null())
        .col(moment(WebhookDelivery::CreatedAt).not_null())
        .col(moment(WebhookDelivery::AttemptedAt))
        .col(moment(WebhookDelivery::NextAttemptAt).not_null())
        .col(column(WebhookDelivery::Status).integer())
        .col(column(WebhookDelivery::Error).text())
        .foreign_key(
            ForeignKey::create()
                .from(WebhookDelivery::Table, WebhookDelivery::WebhookId)
                .to(Webhook::Table, Webhook::Id)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .foreign_key(
            ForeignKey::create()
                .from(WebhookDelivery::Table, WebhookDelivery::EventId)
                .to(PipelineEvent::Table, PipelineEvent::Id)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

fn idempotency_key() -> TableCreateStatement {
    Table::create()
        .table(IdempotencyKey::Table)
        .col(ColumnDef::new(IdempotencyKey::CadFileId).uuid().not_null())
        .col(ColumnDef::new(IdempotencyKey::Kind).text().not_null())
        .col(ColumnDef::new(IdempotencyKey::Key).text().not_null())
        .col(moment(IdempotencyKey::UsedAt).not_null())
        .primary_key(
            Index::create()
                .col(IdempotencyKey::CadFileId)
                .col(IdempotencyKey::Kind)
                .col(IdempotencyKey::Key),
        )
        .foreign_key(
            ForeignKey::create()
                .from(IdempotencyKey::Table, IdempotencyKey::CadFileId)
                .to(CadFile::Table, CadFile::Id)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

fn indexes() -> [IndexCreateStatement; 3] {
    let index = |name: &str| Index::create().name(name).to_owned();
    [
        // Each event once for each webhook; by the event first, since deliveries go with it.
        index("webhook_delivery_once")
            .table(WebhookDelivery::Table)
            .col(WebhookDelivery::EventId)
            .col(WebhookDelivery::WebhookId)
            .unique()
            .to_owned(),
        index("webhook_delivery_of")
            .table(WebhookDelivery::Table)
            .col(WebhookDelivery::WebhookId)
            .col(WebhookDelivery::Id)
            .to_owned(),
        index("idempotency_key_age")
            .table(IdempotencyKey::Table)
            .col(IdempotencyKey::UsedAt)
            .to_owned(),
    ]
}

fn moment(name: impl IntoIden) -> ColumnDef {
    ColumnDef::new(name).timestamp_with_time_zone().to_owned()
}
