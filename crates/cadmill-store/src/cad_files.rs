//! The port `CadFiles`.

use async_trait::async_trait;
use cadmill_domain::{
    Blob, Book, CadFile, CadFileId, CadFiles, MaterialMap, MaterialMaps, NewCadFile, Request,
    StoreError, TaskKind,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, prelude::Json, sea_query::LockType,
};

use crate::{
    Store,
    entity::cad_file::{ActiveModel, Column, Entity},
    error::store_error,
};

#[async_trait]
impl CadFiles for Store {
    async fn add(&self, file: NewCadFile, request: Option<Request>) -> Result<CadFile, StoreError> {
        let now = self.clock.now();
        let file = CadFile {
            id: CadFileId::generate(&*self.clock),
            name: file.name,
            source: file.source,
            step: None,
            materials: MaterialMaps::default(),
            created_at: now,
            updated_at: now,
        };
        let transaction = self.begin().await.map_err(store_error)?;
        let insert = Entity::insert(row_of(&file));
        insert
            .exec_without_returning(&transaction)
            .await
            .map_err(store_error)?;
        let mut book = Book::open(&self.making, file.subject(), [], now);
        if let Some(request) = request {
            book.request(TaskKind::ProcessStep, request);
        }
        self.close(transaction, &book).await?;
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

    async fn page(
        &self,
        after: Option<CadFileId>,
        limit: usize,
    ) -> Result<Vec<CadFile>, StoreError> {
        let mut page = Entity::find().order_by_asc(Column::Id).limit(limit as u64);
        if let Some(after) = after {
            page = page.filter(Column::Id.gt(after.as_uuid()));
        }
        let rows = page.all(self.reading()).await.map_err(store_error)?;
        rows.into_iter().map(CadFile::try_from).collect()
    }

    async fn replace_source(
        &self,
        id: CadFileId,
        source: Blob,
        request: Request,
    ) -> Result<Option<CadFile>, StoreError> {
        let change = |file: &mut CadFile| file.source = source;
        self.change(id, change, |book| book.source_changed(request))
            .await
    }

    async fn save_part_materials(
        &self,
        id: CadFileId,
        materials: MaterialMap,
    ) -> Result<Option<CadFile>, StoreError> {
        let change = |file: &mut CadFile| file.materials.part_materials = materials;
        self.change(id, change, dress_anew).await
    }

    async fn save_manual_material_overrides(
        &self,
        id: CadFileId,
        materials: MaterialMap,
    ) -> Result<Option<CadFile>, StoreError> {
        let change = |file: &mut CadFile| file.materials.manual_overrides = materials;
        self.change(id, change, dress_anew).await
    }
}

impl Store {
    /// Changes a file, moves its `updated_at`, and lets `follow` run on its book, all in one
    /// transaction.
    async fn change(
        &self,
        id: CadFileId,
        change: impl FnOnce(&mut CadFile) + Send,
        follow: impl FnOnce(&mut Book<'_>) + Send,
    ) -> Result<Option<CadFile>, StoreError> {
        let transaction = self.begin().await.map_err(store_error)?;
        let Some(mut file) = locked(&transaction, id).await? else {
            return Ok(None);
        };
        let now = self.clock.now();
        change(&mut file);
        file.updated_at = now;
        let update = Entity::update(row_of(&file)).exec(&transaction).await;
        update.map_err(store_error)?;
        let rows = self.rows_for_update(&transaction, id).await?;
        let mut book = Book::open(&self.making, file.subject(), rows, now);
        follow(&mut book);
        self.close(transaction, &book).await?;
        Ok(Some(file))
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

fn dress_anew(book: &mut Book<'_>) {
    book.materials_changed();
}

fn row_of(file: &CadFile) -> ActiveModel {
    ActiveModel {
        id: Set(file.id.as_uuid()),
        name: Set(file.name.clone()),
        source_sha256: Set(file.source.sha256.to_string()),
        source_bytes: Set(file.source.bytes as i64),
        step: Set(file.step.clone()),
        part_materials: Set(json(&file.materials.part_materials)),
        manual_overrides: Set(json(&file.materials.manual_overrides)),
        materials_fingerprint: Set(file.materials.fingerprint().to_string()),
        created_at: Set(file.created_at),
        updated_at: Set(file.updated_at),
    }
}

/// Maps from text to plain values can always be written.
fn json(map: &MaterialMap) -> Json {
    serde_json::to_value(map).unwrap_or_default()
}
