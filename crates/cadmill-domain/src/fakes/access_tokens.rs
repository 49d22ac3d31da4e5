//! The access tokens, in memory.

use async_trait::async_trait;

use super::{MemoryStore, Tables};
use crate::{
    AccessTokenId, Moment, StoreError,
    access_token::{AccessToken, AccessTokens, NewAccessToken, TokenHash},
};

#[async_trait]
impl AccessTokens for MemoryStore {
    async fn create(&self, token: NewAccessToken) -> Result<AccessToken, StoreError> {
        self.insert(&mut self.tables(), token)
    }

    async fn create_first(&self, token: NewAccessToken) -> Result<Option<AccessToken>, StoreError> {
        let mut tables = self.tables();
        if !tables.tokens.is_empty() {
            return Ok(None);
        }
        self.insert(&mut tables, token).map(Some)
    }

    async fn by_hash(&self, hash: &TokenHash) -> Result<Option<AccessToken>, StoreError> {
        let tables = self.tables();
        let mut tokens = tables.tokens.values();
        let found = tokens.find(|(known, _)| known == hash);
        Ok(found.map(|(_, token)| token.clone()))
    }

    async fn touch(&self, id: AccessTokenId, at: Moment) -> Result<(), StoreError> {
        if let Some((_, token)) = self.tables().tokens.get_mut(&id) {
            token.last_used_at = token.last_used_at.max(Some(at));
        }
        Ok(())
    }

    async fn list(&self) -> Result<Vec<AccessToken>, StoreError> {
        let tables = self.tables();
        let tokens = tables.tokens.values();
        Ok(tokens.map(|(_, token)| token.clone()).collect())
    }

    async fn revoke(&self, id: AccessTokenId) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mut tables = self.tables();
        let token = tables.tokens.get_mut(&id);
        let good = token.filter(|(_, token)| token.revoked_at.is_none());
        Ok(good
            .map(|(_, token)| token.revoked_at = Some(now))
            .is_some())
    }

    async fn count(&self) -> Result<u64, StoreError> {
        Ok(self.tables().tokens.len() as u64)
    }
}

impl MemoryStore {
    fn insert(&self, tables: &mut Tables, new: NewAccessToken) -> Result<AccessToken, StoreError> {
        if tables.tokens.values().any(|(known, _)| *known == new.hash) {
            return Err(StoreError::Refused(
                "there is a token with this hash".into(),
            ));
        }
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
        tables.tokens.insert(token.id, (new.hash, token.clone()));
        Ok(token)
    }
}
