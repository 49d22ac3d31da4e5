//! Typed identities: `UUIDv7`, so that they sort by the time of their making.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::{NoContext, Timestamp, Uuid};

use crate::Clock;

/// The text is not a UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an id: a UUID is expected")]
pub struct ParseIdError(String);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new one, made now.
            #[must_use]
            pub fn generate(clock: &dyn Clock) -> Self {
                let now = clock.now();
                let seconds = now.timestamp().max(0) as u64;
                let time = Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos());
                Self(Uuid::new_v7(time))
            }

            /// The one with this UUID.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// Its UUID.
            #[must_use]
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let uuid = Uuid::parse_str(text).map_err(|_| ParseIdError(text.to_owned()))?;
                Ok(Self(uuid))
            }
        }
    };
}

id! {
    /// Names a CAD file.
    CadFileId
}
id! {
    /// Names a media asset.
    MediaAssetId
}
id! {
    /// Names an access token.
    AccessTokenId
}
id! {
    /// Names a webhook.
    WebhookId
}
id! {
    /// Names a recorded intent to refer to a blob.
    BlobIntentId
}
id! {
    /// Names one sweep of the blobs.
    SweepId
}
id! {
    /// Names a deployment: a database and the blobs that it owns.
    DeploymentId
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemClock;

    #[test]
    fn ids_are_read_back_from_their_text_and_sort_by_time() {
        let first = CadFileId::generate(&SystemClock);
        assert_eq!(first.to_string().parse(), Ok(first));
        assert_eq!(first.as_uuid().get_version_num(), 7);
        assert!("abc".parse::<CadFileId>().is_err());
    }
}
