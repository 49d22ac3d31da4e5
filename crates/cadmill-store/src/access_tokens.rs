//! The port `AccessTokens`.

use async_trait::async_trait;
use cadmill_domain::{
    AccessTokenId, Moment, StoreError,
    access_token::{AccessToken, AccessTokens, NewAccessToken, TokenHash},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, sea_query::Expr,
};

use crate::{
    Store,
    entity::access_token::{ActiveModel, Column, Entity},
    error::store_error,
};

#[async_trait]
impl AccessTokens for Store {
    async fn create(&self, token: NewAccessToken) -> Result<AccessToken, StoreError> {
        self.insert_token(self.writing(), token).await
    }

    async fn create_first(&self, token: NewAccessToken) -> Result<Option<AccessToken>, StoreError> {
        let transaction = self.begin().await.map_err(store_error)?;
        if let Some(lock) = self.dialect().first_token {
            let lock = transaction.execute_unprepared(lock).await;
            lock.map_err(store_error)?;
        }
        let there = Entity::find().count(&transaction).await;
        if there.map_err(store_error)? > 0 {
            transaction.rollback().await.map_err(store_error)?;
            return Ok(None);
        }
        let token = self.insert_token(&transaction, token).await?;
        transaction.commit().await.map_err(store_error)?;
        Ok(Some(token))
    }

    async fn by_hash(&self, hash: &TokenHash) -> Result<Option<AccessToken>, StoreError> {
        let row = Entity::find()
            .filter(Column::Hash.eq(hash.to_string()))
            .one(self.reading())
            .await
            .map_err(store_error)?;
        row.map(AccessToken::try_from).transpose()
    }

    async fn touch(&self, id: AccessTokenId, at: Moment) -> Result<(), StoreError> {
        let is_earlier = Condition::any()
            .add(Column::LastUsedAt.is_null())
            .add(Column::LastUsedAt.lt(at));
        let update = Entity::update_many()
            .col_expr(Column::LastUsedAt, Expr::value(at))
            .filter(Column::Id.eq(id.as_uuid()))
            .filter(is_earlier);
        let updated = update.exec(self.writing()).await;
        updated.map(drop).map_err(store_error)
    }

    async fn list(&self) -> Result<Vec<AccessToken>, StoreError> {
        let rows = Entity::find().order_by_asc(Column::Id);
        let rows = rows.all(self.reading()).await.map_err(store_error)?;
        rows.into_iter().map(AccessToken::try_from).collect()
    }

    async fn revoke(&self, id: AccessTokenId) -> Result<bool, StoreError> {
        let update = Entity::update_many()
            .col_expr(Column::RevokedAt, Expr::value(self.clock.now()))
            .filter(Column::Id.eq(id.as_uuid()))
            .filter(Column::RevokedAt.is_null());
        let updated = update.exec(self.writing()).await.map_err(store_error)?;
        Ok(updated.rows_affected == 1)
    }

    async fn count(&self) -> Result<u64, StoreError> {
        let count = Entity::find().count(self.reading()).await;
        count.map_err(store_error)
    }
}

impl Store {
    async fn insert_token(
        &self,
        connection: &impl ConnectionTrait,
        new: NewAccessToken,
    ) -> Result<AccessToken, StoreError> {
        let token = AccessToken {
            id: AccessTokenId::generate(&*self.clock),
            name: new.name,
            role: new.role,
            prefix: new.prefix,
            created_at: self.clock.now(),
            expires_at: new.expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        let row = ActiveModel {
            id: Set(token.id.as_uuid()),
            name: Set(token.name.clone()),
            role: Set(token.role.as_str().to_owned()),
            hash: Set(new.hash.to_string()),
            prefix: Set(token.prefix.clone()),
            created_at: Set(token.created_at),
            expires_at: Set(token.expires_at),
            last_used_at: Set(None),
            revoked_at: Set(None),
        };
        let insert = Entity::insert(row);
        let inserted = insert.exec_without_returning(connection).await;
        inserted.map_err(store_error)?;
        Ok(token)
    }
}
