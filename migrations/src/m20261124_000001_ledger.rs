//! The CAD files, their media, the ledger and the pipeline log.

use sea_orm_migration::prelude::*;

/// The first tables.
#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum CadFile {
    Table,
    Id,
    Name,
    SourceSha256,
    SourceBytes,
    Step,
    PartMaterials,
    ManualOverrides,
    /// Of both maps; inputs are made of it in SQL.
    MaterialsFingerprint,
    CreatedAt,
    UpdatedAt,
}

#[derive(DeriveIden)]
enum MediaAsset {
    Table,
    Id,
    CadFileId,
    Kind,
    Input,
    Sha256,
    Bytes,
    Report,
    Fence,
    CreatedAt,
}

#[derive(DeriveIden)]
enum Ledger {
    Table,
    CadFileId,
    Kind,
    State,
    Priority,
    DesiredInput,
    RunningInput,
    ReadyInput,
    AssetId,
    Fence,
    Crashes,
    Attempts,
    NotBefore,
    RequestedAt,
    ClaimedAt,
    Worker,
    Progress,
    Failure,
}

#[derive(DeriveIden)]
enum PipelineEvent {
    Table,
    Id,
    CadFileId,
    Task,
    Event,
    Fence,
    Worker,
    Result,
    At,
}

/// Partial indexes, which the builder does not know, in words that both databases understand.
const PARTIAL_INDEXES: [&str; 2] = [
    "CREATE INDEX ledger_queue ON ledger (priority DESC, requested_at, cad_file_id) \
     WHERE state = 'queued'",
    "CREATE INDEX ledger_running ON ledger (claimed_at) WHERE state = 'running'",
];

#[expect(
    elided_lifetimes_in_paths,
    reason = "the trait's methods are declared so"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [cad_file(), media_asset(), ledger(), pipeline_event()] {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        for index in PARTIAL_INDEXES {
            manager.get_connection().execute_unprepared(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            PipelineEvent::Table.into_iden(),
            Ledger::Table.into_iden(),
            MediaAsset::Table.into_iden(),
            CadFile::Table.into_iden(),
        ] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        Ok(())
    }
}

fn cad_file() -> TableCreateStatement {
    Table::create()
        .table(CadFile::Table)
        .col(ColumnDef::new(CadFile::Id).uuid().not_null().primary_key())
        .col(ColumnDef::new(CadFile::Name).text().not_null())
        .col(ColumnDef::new(CadFile::SourceSha256).text().not_null())
        .col(
            ColumnDef::new(CadFile::SourceBytes)
                .big_integer()
                .not_null(),
        )
        .col(ColumnDef::new(CadFile::Step).json_binary())
        .col(
            ColumnDef::new(CadFile::PartMaterials)
                .json_binary()
                .not_null(),
        )
        .col(
            ColumnDef::new(CadFile::ManualOverrides)
                .json_binary()
                .not_null(),
        )
        .col(
            ColumnDef::new(CadFile::MaterialsFingerprint)
                .text()
                .not_null(),
        )
        .col(moment(CadFile::CreatedAt).not_null())
        .col(moment(CadFile::UpdatedAt).not_null())
        .to_owned()
}

fn media_asset() -> TableCreateStatement {
    Table::create()
        .table(MediaAsset::Table)
        .col(
            ColumnDef::new(MediaAsset::Id)
                .uuid()
                .not_null()
                .primary_key(),
        )
        .col(ColumnDef::new(MediaAsset::CadFileId).uuid().not_null())
        .col(ColumnDef::new(MediaAsset::Kind).text().not_null())
        .col(ColumnDef::new(MediaAsset::Input).text().not_null())
        .col(ColumnDef::new(MediaAsset::Sha256).text().not_null())
        .col(ColumnDef::new(MediaAsset::Bytes).big_integer().not_null())
        .col(ColumnDef::new(MediaAsset::Report).json_binary().not_null())
        .col(ColumnDef::new(MediaAsset::Fence).big_integer().not_null())
        .col(moment(MediaAsset::CreatedAt).not_null())
        .foreign_key(&mut of_cad_file(MediaAsset::Table, MediaAsset::CadFileId))
        .to_owned()
}

fn ledger() -> TableCreateStatement {
    Table::create()
        .table(Ledger::Table)
        .col(ColumnDef::new(Ledger::CadFileId).uuid().not_null())
        .col(ColumnDef::new(Ledger::Kind).text().not_null())
        .col(ColumnDef::new(Ledger::State).text().not_null())
        .col(ColumnDef::new(Ledger::Priority).integer().not_null())
        .col(ColumnDef::new(Ledger::DesiredInput).text())
        .col(ColumnDef::new(Ledger::RunningInput).text())
        .col(ColumnDef::new(Ledger::ReadyInput).text())
        .col(ColumnDef::new(Ledger::AssetId).uuid())
        .col(ColumnDef::new(Ledger::Fence).big_integer().not_null())
        .col(ColumnDef::new(Ledger::Crashes).integer().not_null())
        .col(ColumnDef::new(Ledger::Attempts).integer().not_null())
        .col(moment(Ledger::NotBefore))
        .col(moment(Ledger::RequestedAt))
        .col(moment(Ledger::ClaimedAt))
        .col(ColumnDef::new(Ledger::Worker).text())
        .col(ColumnDef::new(Ledger::Progress).json_binary())
        .col(ColumnDef::new(Ledger::Failure).json_binary())
        .primary_key(Index::create().col(Ledger::CadFileId).col(Ledger::Kind))
        .foreign_key(&mut of_cad_file(Ledger::Table, Ledger::CadFileId))
        .to_owned()
}

fn pipeline_event() -> TableCreateStatement {
    Table::create()
        .table(PipelineEvent::Table)
        .col(
            ColumnDef::new(PipelineEvent::Id)
                .big_integer()
                .not_null()
                .auto_increment()
                .primary_key(),
        )
        .col(ColumnDef::new(PipelineEvent::CadFileId).uuid().not_null())
        .col(ColumnDef::new(PipelineEvent::Task).text().not_null())
        .col(ColumnDef::new(PipelineEvent::Event).text().not_null())
        .col(ColumnDef::new(PipelineEvent::Fence).big_integer())
        .col(ColumnDef::new(PipelineEvent::Worker).text().not_null())
        .col(
            ColumnDef::new(PipelineEvent::Result)
                .json_binary()
                .not_null(),
        )
        .col(moment(PipelineEvent::At).not_null())
        .foreign_key(&mut of_cad_file(
            PipelineEvent::Table,
            PipelineEvent::CadFileId,
        ))
        .to_owned()
}

fn indexes() -> [IndexCreateStatement; 6] {
    let index = |name: &str| Index::create().name(name).to_owned();
    [
        index("cad_file_name")
            .table(CadFile::Table)
            .col(CadFile::Name)
            .to_owned(),
        index("cad_file_source")
            .table(CadFile::Table)
            .col(CadFile::SourceSha256)
            .to_owned(),
        index("media_asset_of")
            .table(MediaAsset::Table)
            .col(MediaAsset::CadFileId)
            .col(MediaAsset::Kind)
            .col(MediaAsset::Input)
            .unique()
            .to_owned(),
        index("media_asset_made_of")
            .table(MediaAsset::Table)
            .col(MediaAsset::Input)
            .col(MediaAsset::Kind)
            .to_owned(),
        index("media_asset_blob")
            .table(MediaAsset::Table)
            .col(MediaAsset::Sha256)
            .to_owned(),
        index("pipeline_event_of")
            .table(PipelineEvent::Table)
            .col(PipelineEvent::CadFileId)
            .col(PipelineEvent::Id)
            .to_owned(),
    ]
}

/// Rows of a file go with it.
fn of_cad_file(table: impl IntoIden, column: impl IntoIden) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .from(table.into_iden(), column.into_iden())
        .to(CadFile::Table, CadFile::Id)
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}

fn moment(name: impl IntoIden) -> ColumnDef {
    ColumnDef::new(name).timestamp_with_time_zone().to_owned()
}
