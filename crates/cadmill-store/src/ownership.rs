//! Which database owns some blobs. A sweep trusts the rows of the database, so the blobs of one must
//! never be swept by another, nor by an older or an empty copy of it.

use std::time::Duration;

use cadmill_domain::{DeploymentId, Failure, StoreError};
use sea_orm::{
    ConnectionTrait as _,
    prelude::{ChronoDateTimeUtc, Uuid},
};

use crate::{
    Store,
    blobs::{MARKER, Marker, ObjectBlobs, Owner, Sweep},
    error::store_error,
    ledger::columns::{get, json, understood},
};

/// The generation of a database that has not yet recorded that it marked any blobs.
const UNMARKED: u64 = 0;

/// A database and some blobs do not belong together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnershipError {
    /// There are blobs that bear no marker, and no file in the database.
    #[error(
        "the database has no CAD files, but there are blobs beside it, which would be removed; \
         restore the database, use an empty blob store, or run `cadmill adopt` if the blobs are to \
         be this database's"
    )]
    EmptyDatabase,
    /// The database has files, and there are no blobs at all, nor a marker.
    #[error(
        "the database has CAD files, but the blob store is empty; mount or restore what belongs to \
         this database, or run `cadmill adopt` if its blobs are lost"
    )]
    EmptyBlobs,
    /// The database has marked blobs, and these bear no marker.
    #[error(
        "`{MARKER}` is missing from the blob store, and this database has owned blobs; mount or \
         restore the blobs that belong to it, or run `cadmill adopt` if only that file is lost, or if \
         all blobs are"
    )]
    NoMarker,
    /// The marker cannot be read.
    #[error(
        "`{MARKER}` in the blob store cannot be read ({0}); check its disk, then run `cadmill adopt` \
         if the blobs are this database's"
    )]
    UnreadableMarker(String),
    /// The blobs are marked as those of another database, or of another copy of this one.
    #[error(
        "the blobs belong to the deployment {} in its generation {}, and this database is {}; use \
         the database or the blobs that belong together, or run `cadmill adopt` after a restore, \
         or if the blobs are to be this database's",
        marker.id, marker.generation, described(database.as_ref())
    )]
    OtherOwner {
        /// What the blobs say.
        marker: Owner,
        /// What the database says.
        database: Option<Owner>,
    },
    /// The blobs were adopted after this process had begun to work with them.
    #[error(
        "`cadmill adopt` was run while this process worked; stop it, and start it again if the blobs \
         are its database's"
    )]
    AdoptedMeanwhile,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The blob store failed.
    #[error(transparent)]
    Blobs(#[from] Failure),
}

impl OwnershipError {
    /// Whether database and blobs do not belong together; if not, one of them did not answer.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        !matches!(self, Self::Store(_) | Self::Blobs(_))
    }
}

impl Store {
    /// Checks that these blobs are those of this database. Blobs that bear no marker are marked if the
    /// database has never marked any, and there are both files and blobs, or neither.
    ///
    /// # Errors
    /// If they are not, or if the database or the blob store does not answer.
    pub async fn own_blobs(&self, blobs: &ObjectBlobs) -> Result<Owner, OwnershipError> {
        let owner = match self.check_blobs(blobs).await? {
            Some(owner) => owner,
            None => self.mark_blobs(blobs).await?,
        };
        if blobs.expect_owner(owner) {
            Ok(owner)
        } else {
            Err(OwnershipError::AdoptedMeanwhile)
        }
    }

    /// The same, but marks nothing: none if the blobs bear no marker yet and may be marked.
    ///
    /// # Errors
    /// As of [`Self::own_blobs`].
    pub async fn check_blobs(&self, blobs: &ObjectBlobs) -> Result<Option<Owner>, OwnershipError> {
        match self.compare_with_marker(blobs).await {
            // Another process may have marked them after the first look at one, and before that at
            // the other.
            Err(OwnershipError::NoMarker | OwnershipError::OtherOwner { .. }) => {
                self.compare_with_marker(blobs).await
            }
            compared => compared,
        }
    }

    async fn compare_with_marker(
        &self,
        blobs: &ObjectBlobs,
    ) -> Result<Option<Owner>, OwnershipError> {
        let marker = blobs.marker().await?;
        let database = self.owner().await?;
        match (marker, database) {
            (Marker::Owner(marker), Some(owner)) if marker == owner => Ok(Some(owner)),
            // A process ended after it had marked the blobs, and before it had recorded that.
            (Marker::Owner(marker), Some(owner))
                if owner.generation == UNMARKED && marker == first(owner) =>
            {
                Ok(None)
            }
            (Marker::Owner(marker), database) => {
                Err(OwnershipError::OtherOwner { marker, database })
            }
            (Marker::Unreadable(error), _) => Err(OwnershipError::UnreadableMarker(error)),
            (Marker::Missing, Some(owner)) if owner.generation != UNMARKED => {
                Err(OwnershipError::NoMarker)
            }
            (Marker::Missing, _) => match (self.has_files().await?, blobs.is_empty().await?) {
                (false, false) => Err(OwnershipError::EmptyDatabase),
                (true, true) => Err(OwnershipError::EmptyBlobs),
                (true, false) | (false, true) => Ok(None),
            },
        }
    }

    /// Marks blobs that may be marked, and records it.
    async fn mark_blobs(&self, blobs: &ObjectBlobs) -> Result<Owner, OwnershipError> {
        let database = self.make_owner().await?;
        let owner = first(database);
        if database.generation == UNMARKED {
            // False if another process was faster, whose marker is compared below.
            blobs.mark(owner).await?;
            let sql = "UPDATE deployment SET generation = $1 WHERE id = $2 AND generation = $3";
            let values = [
                (owner.generation as i64).into(),
                owner.id.as_uuid().into(),
                (UNMARKED as i64).into(),
            ];
            let updated = self.writing().execute_raw(self.statement(sql, values));
            updated.await.map_err(store_error)?;
        }
        let marked = self.compare_with_marker(blobs).await?;
        marked.ok_or(OwnershipError::NoMarker)
    }

    /// Makes these blobs those of this database, as it is now: both get a new id and the next
    /// generation, so every other copy of the database is refused from now on.
    ///
    /// # Errors
    /// If the database or the blob store does not answer; then it is to be run again.
    pub async fn adopt_blobs(&self, blobs: &ObjectBlobs) -> Result<Owner, OwnershipError> {
        let own = self.make_owner().await?;
        let marked = match blobs.marker().await? {
            Marker::Owner(marked) => marked.generation,
            Marker::Missing | Marker::Unreadable(_) => UNMARKED,
        };
        let owner = Owner {
            id: DeploymentId::generate(&*self.clock),
            generation: own.generation.max(marked) + 1,
        };
        let sql = "UPDATE deployment SET id = $1, generation = $2, sweep = NULL \
                   WHERE id = $3 AND generation = $4";
        let values = [
            owner.id.as_uuid().into(),
            (owner.generation as i64).into(),
            own.id.as_uuid().into(),
            (own.generation as i64).into(),
        ];
        let updated = self.writing().execute_raw(self.statement(sql, values));
        if updated.await.map_err(store_error)?.rows_affected() == 0 {
            let text = "the blobs were just adopted by another process";
            return Err(StoreError::Refused(text.into()).into());
        }
        blobs.mark_again(owner).await?;
        Ok(owner)
    }

    /// Whether a sweep must ask before it removes anything that was not released: since `owner`
    /// adopted the blobs, none was confirmed or had nothing to ask. Blobs may be newer than a database
    /// that was restored.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn is_swept_with_care(&self, owner: Owner) -> Result<bool, StoreError> {
        let is_first = owner.generation <= first(owner).generation;
        let last = self.last_sweep().await?;
        Ok(!is_first && last.is_none_or(|last| last.unconfirmed > 0))
    }

    /// Whether the last sweep was begun longer ago than `every`.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn is_sweep_due(&self, every: Duration) -> Result<bool, StoreError> {
        let sql = "SELECT 1 AS due FROM deployment WHERE swept_at IS NULL OR swept_at <= $1";
        let select = self.statement(sql, [self.last_due(every).into()]);
        let row = self.reading().query_one_raw(select).await;
        Ok(row.map_err(store_error)?.is_some())
    }

    /// Begins a sweep, if the last one was begun longer ago than `every`. Of many that ask at once,
    /// one may.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn begin_sweep(&self, every: Duration) -> Result<bool, StoreError> {
        let sql = "UPDATE deployment SET swept_at = $1 WHERE swept_at IS NULL OR swept_at <= $2";
        let values = [self.clock.now().into(), self.last_due(every).into()];
        let update = self.statement(sql, values);
        let updated = self.writing().execute_raw(update).await;
        Ok(updated.map_err(store_error)?.rows_affected() == 1)
    }

    /// Stores what came of a sweep.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn end_sweep(&self, sweep: &Sweep) -> Result<(), StoreError> {
        let statement = self.statement("UPDATE deployment SET sweep = $1", [json(Some(sweep))]);
        let updated = self.writing().execute_raw(statement).await;
        updated.map(drop).map_err(store_error)
    }

    /// What came of the last sweep.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn last_sweep(&self) -> Result<Option<Sweep>, StoreError> {
        let select = self.statement("SELECT sweep FROM deployment", []);
        let row = self.reading().query_one_raw(select).await;
        let Some(row) = row.map_err(store_error)? else {
            return Ok(None);
        };
        let sweep: Option<serde_json::Value> = get(&row, "sweep")?;
        sweep
            .map(|sweep| understood(serde_json::from_value(sweep)))
            .transpose()
    }

    /// A sweep that was begun until then is long enough ago.
    fn last_due(&self, every: Duration) -> ChronoDateTimeUtc {
        self.clock.now() - chrono::TimeDelta::from_std(every).unwrap_or_default()
    }

    /// What this database is; none if it has owned no blobs yet.
    async fn owner(&self) -> Result<Option<Owner>, StoreError> {
        let select = self.statement("SELECT id, generation FROM deployment", []);
        let row = self.reading().query_one_raw(select).await;
        let Some(row) = row.map_err(store_error)? else {
            return Ok(None);
        };
        Ok(Some(Owner {
            id: DeploymentId::from_uuid(get::<Uuid>(&row, "id")?),
            generation: get::<i64>(&row, "generation")? as u64,
        }))
    }

    async fn make_owner(&self) -> Result<Owner, StoreError> {
        if let Some(owner) = self.owner().await? {
            return Ok(owner);
        }
        let id = DeploymentId::generate(&*self.clock);
        let sql = "INSERT INTO deployment (singleton, id, generation) VALUES (1, $1, $2) \
                   ON CONFLICT (singleton) DO NOTHING";
        let insert = self.statement(sql, [id.as_uuid().into(), (UNMARKED as i64).into()]);
        let inserted = self.writing().execute_raw(insert).await;
        inserted.map_err(store_error)?;
        let missing = || StoreError::Unreadable("the table `deployment` has no row".to_owned());
        self.owner().await?.ok_or_else(missing)
    }

    async fn has_files(&self) -> Result<bool, StoreError> {
        let select = self.statement("SELECT 1 AS found FROM cad_file LIMIT 1", []);
        let row = self.reading().query_one_raw(select).await;
        Ok(row.map_err(store_error)?.is_some())
    }
}

/// What a database writes into the first marker.
const fn first(owner: Owner) -> Owner {
    Owner {
        generation: UNMARKED + 1,
        ..owner
    }
}

fn described(owner: Option<&Owner>) -> String {
    match owner {
        Some(Owner { id, generation }) if *generation != UNMARKED => {
            format!("{id} in its generation {generation}")
        }
        _ => "one that has owned no blobs yet".to_owned(),
    }
}
