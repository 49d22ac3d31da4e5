//! Access tokens: who may do what. The secret is shown once; only its hash is kept.

use std::{fmt, str::FromStr};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{AccessTokenId, ContentHash, Moment, StoreError};

/// What the bearer of a token may do; each role may do what the lower ones may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Brings files in, changes them and asks for media.
    Editor,
    /// Does everything, tokens included.
    Admin,
}

/// The text names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no role: `viewer`, `editor` or `admin` is expected")]
pub struct ParseRoleError(String);

impl Role {
    /// Every role, the lowest first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Editor, Self::Admin];

    /// The stable name, as stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = ParseRoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| ParseRoleError(text.to_owned()))
    }
}

/// What all secrets begin with, so that scanners of leaked secrets know them.
const PREFIX: &str = "cadmill_";
/// How many characters of a secret are kept to recognise it by.
const SHOWN: usize = PREFIX.len() + 8;

/// The secret of a token: `cadmill_` and 64 hexadecimal digits. No port takes or gives it, and no
/// log shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSecret(String);

/// The text is no secret of a token. It does not say which text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no access token: `cadmill_` and 64 hexadecimal digits are expected")]
pub struct ParseTokenError;

impl TokenSecret {
    /// One made of 32 bytes that nobody can guess.
    #[must_use]
    pub fn from_random(bytes: [u8; 32]) -> Self {
        // A digest is what writes 32 bytes as hexadecimal digits.
        Self(format!("{PREFIX}{}", ContentHash::from_digest(bytes)))
    }

    /// Its hash, by which it is found again.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(ContentHash::of(self.0.as_bytes()))
    }

    /// Its first characters, by which people tell tokens apart.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.0[..SHOWN]
    }

    /// The whole text, to be shown once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(…)")
    }
}

impl FromStr for TokenSecret {
    type Err = ParseTokenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let digits = text.strip_prefix(PREFIX).ok_or(ParseTokenError)?;
        if digits.len() == 64 && digits.bytes().all(is_digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseTokenError)
        }
    }
}

/// The SHA-256 of a secret. The secrets are random, so nothing slower is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash(ContentHash);

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A token as it is kept: without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    /// Its identity.
    pub id: AccessTokenId,
    /// What people call it.
    pub name: String,
    /// What its bearer may do.
    pub role: Role,
    /// The first characters of its secret.
    pub prefix: String,
    /// When it was made.
    pub created_at: Moment,
    /// From when it is no longer good.
    pub expires_at: Option<Moment>,
    /// When it was last used, to the minute or so.
    pub last_used_at: Option<Moment>,
    /// When it was revoked.
    pub revoked_at: Option<Moment>,
}

impl AccessToken {
    /// Whether it is good: neither revoked nor expired.
    #[must_use]
    pub fn is_good(&self, now: Moment) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expiry| now < expiry)
    }
}

/// A token that is not yet there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccessToken {
    /// What people call it.
    pub name: String,
    /// What its bearer may do.
    pub role: Role,
    /// The hash of its secret.
    pub hash: TokenHash,
    /// The first characters of its secret.
    pub prefix: String,
    /// From when it is no longer good.
    pub expires_at: Option<Moment>,
}

impl NewAccessToken {
    /// One with this secret, which itself is not kept; good for ever unless it expires.
    #[must_use]
    pub fn of(
        secret: &TokenSecret,
        name: impl Into<String>,
        role: Role,
        expires_at: Option<Moment>,
    ) -> Self {
        Self {
            name: name.into(),
            role,
            hash: secret.hash(),
            prefix: secret.prefix().to_owned(),
            expires_at,
        }
    }
}

/// The access tokens. A revoked one stays, so that people see what there was.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait AccessTokens: Send + Sync + fmt::Debug {
    /// Adds a token.
    ///
    /// # Errors
    /// If the database does not answer, or there is one with this hash.
    async fn create(&self, token: NewAccessToken) -> Result<AccessToken, StoreError>;

    /// Adds the token if there is none at all, be it revoked or expired. None if there is one; of
    /// several at once one is added.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn create_first(&self, token: NewAccessToken) -> Result<Option<AccessToken>, StoreError>;

    /// The token whose secret has this hash, even if it is revoked or expired.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn by_hash(&self, hash: &TokenHash) -> Result<Option<AccessToken>, StoreError>;

    /// Notes that a token was used then. An earlier moment than the noted one changes nothing.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn touch(&self, id: AccessTokenId, at: Moment) -> Result<(), StoreError>;

    /// All tokens, in the order in which they were made.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn list(&self) -> Result<Vec<AccessToken>, StoreError>;

    /// Revokes a token for ever. False if it is not there, or was revoked before.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn revoke(&self, id: AccessTokenId) -> Result<bool, StoreError>;

    /// How many tokens there are, revoked and expired ones included.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn count(&self) -> Result<u64, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_back_and_never_shown() {
        let secret = TokenSecret::from_random([0xAB; 32]);
        assert_eq!(secret.expose(), format!("cadmill_{}", "ab".repeat(32)));
        assert_eq!(secret.expose().parse(), Ok(secret.clone()));
        assert_eq!(secret.prefix(), "cadmill_abababab");
        assert_eq!(format!("{secret:?}"), "TokenSecret(…)");
        assert_ne!(secret.hash(), TokenSecret::from_random([0; 32]).hash());
    }

    #[test]
    fn what_is_no_secret_is_refused_and_not_repeated() {
        let long = format!("cadmill_{}", "a".repeat(65));
        let upper = format!("cadmill_{}", "A".repeat(64));
        for text in [
            "",
            "cadmill_",
            "cadmill_abc",
            &"a".repeat(64),
            &long,
            &upper,
        ] {
            let error = text.parse::<TokenSecret>().unwrap_err();
            assert!(
                text.len() < 9 || !error.to_string().contains(text),
                "{error}"
            );
        }
    }

    #[test]
    fn roles_are_ordered_and_read_back() {
        assert!(Role::Viewer < Role::Editor && Role::Editor < Role::Admin);
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!("root".parse::<Role>().is_err());
    }
}
