//! The port `CadFiles`.

mod list;

use async_trait::async_trait;
use cadmill_domain::{
    CadFile, CadFileId, CadFiles, MaterialMaps, NewCadFile, StoreError, TaskKind,
    cad_file::{CadFileOverview, CadFilePage, CadFileQuery, FileChange, Revision, SaveOutcome},
    ledger::{FileRows, Request, RowState},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, prelude::Json, sea_query::LockType,
};
use serde::Serialize;

use crate::{
    Store,
    entity::cad_file::{ActiveModel, Column, Entity},
    error::store_error,
};

#[async_trait]
impl CadFiles for Store {
    async fn add(&self, new: NewCadFile, request: Option<Request>) -> Result<CadFile, StoreError> {
        let now = self.clock.now();
        let file = CadFile {
            id: CadFileId::generate(&*self.clock),
            name: new.name,
            source: new.source.blob(),
            step: None,
            materials: MaterialMaps::default(),
            created_at: now,
            updated_at: now,
        };
        let transaction = self.begin().await.map_err(store_error)?;
        let found = self
            .source_found(&transaction, file.source.sha256, None)
            .await?;
        let insert = Entity::insert(row_of(&file));
        insert
            .exec_without_returning(&transaction)
            .await
            .map_err(store_error)?;
        self.end_intent(&transaction, new.source).await?;
        let mut file_rows = FileRows::open(&self.plan, file.subject(), [], now);
        if let Some(request) = request {
            file_rows.request(TaskKind::ProcessStep, request);
        }
        self.close(transaction, &file_rows).await?;
        if found > 0 {
            self.notifier.notify().await;
        }
        Ok(file)
    }

    async fn get(&self, id: CadFileId) -> Result<Option<CadFile>, StoreError> {
        let row = Entity::find_by_id(id.as_uuid()).one(self.reading()).await;
        row.map_err(store_error)?.map(CadFile::try_from).transpose()
    }

    async fn named(&self, name: &str) -> Result<Option<CadFile>, StoreError> {
        let row = Entity::find()
            .filter(Column::Name.eq(name))
            .order_by_desc(Column::Id)
            .one(self.reading())
            .await
            .map_err(store_error)?;
        row.map(CadFile::try_from).transpose()
    }

    async fn list(&self, query: &CadFileQuery) -> Result<CadFilePage, StoreError> {
        list::page(self, query).await
    }

    async fn overview(&self, id: CadFileId) -> Result<Option<CadFileOverview>, StoreError> {
        let Some(file) = CadFiles::get(self, id).await? else {
            return Ok(None);
        };
        let rows = self.rows_of(self.reading(), id, "").await?;
        Ok(Some(CadFileOverview::of(&self.plan, file, rows)))
    }

    async fn remove(&self, id: CadFileId) -> Result<bool, StoreError> {
        let _turn = self.turn(id).await?;
        let rows = self.rows_of(self.reading(), id, "").await?;
        let is_running = rows.iter().any(|(_, row)| row.state == RowState::Running);
        let delete = Entity::delete_by_id(id.as_uuid());
        let deleted = delete.exec(self.writing()).await.map_err(store_error)?;
        if is_running {
            // Its worker looks whether it is still wanted.
            self.notifier.notify().await;
        }
        Ok(deleted.rows_affected > 0)
    }

    async fn change(
        &self,
        id: CadFileId,
        change: FileChange,
        expected_revision: Option<Revision>,
    ) -> Result<SaveOutcome, StoreError> {
        let _turn = self.turn(id).await?;
        let transaction = self.begin().await.map_err(store_error)?;
        if let FileChange::Source(source, _) = &change {
            self.source_found(&transaction, source.blob().sha256, Some(id))
                .await?;
        }
        let Some(mut file) = locked(&transaction, id).await? else {
            return Ok(SaveOutcome::NotThere);
        };
        if expected_revision.is_some_and(|expected| expected != file.revision()) {
            transaction.rollback().await.map_err(store_error)?;
            return Ok(SaveOutcome::Changed(file));
        }
        if let FileChange::Source(source, _) = &change {
            self.end_intent(&transaction, *source).await?;
        }
        let now = self.clock.now();
        change.apply(&mut file, now);
        let update = Entity::update(row_of(&file)).exec(&transaction).await;
        update.map_err(store_error)?;
        let rows = self.rows_for_update(&transaction, id).await?;
        let mut file_rows = FileRows::open(&self.plan, file.subject(), rows, now);
        change.follow(&mut file_rows);
        self.close(transaction, &file_rows).await?;
        Ok(SaveOutcome::Saved(file))
    }
}

/// The file, locked until the transaction ends.
async fn locked(
    connection: &impl ConnectionTrait,
    id: CadFileId,
) -> Result<Option<CadFile>, StoreError> {
    let query = Entity::find_by_id(id.as_uuid()).lock(LockType::NoKeyUpdate);
    let row = query.one(connection).await.map_err(store_error)?;
    row.map(CadFile::try_from).transpose()
}

fn row_of(file: &CadFile) -> ActiveModel {
    ActiveModel {
        id: Set(file.id.as_uuid()),
        name: Set(file.name.clone()),
        source_sha256: Set(file.source.sha256.to_string()),
        source_bytes: Set(file.source.bytes as i64),
        step: Set(file.step.as_ref().map(json)),
        part_materials: Set(json(&file.materials.part_materials)),
        manual_overrides: Set(json(&file.materials.manual_overrides)),
        materials_fingerprint: Set(file.materials.fingerprint().to_string()),
        created_at: Set(file.created_at),
        updated_at: Set(file.updated_at),
    }
}

/// Maps from text to plain values can always be written.
fn json<T: Serialize>(value: &T) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}
