//! What every [`AccessTokens`](crate::access_token::AccessTokens) must do.

use chrono::TimeDelta;
use futures_util::future::join_all;

use crate::{
    AccessTokenId, Clock as _, StoreError,
    access_token::{NewAccessToken, Role, TokenSecret},
    contract::deployment::Deployment,
};

suite! { $ access_tokens, access_tokens_contract:
    a_token_is_found_by_its_hash
    a_hash_is_of_one_token
    the_first_token_is_added_once
    a_token_is_revoked_for_ever
    the_last_use_only_moves_forward
}

/// With all that was said of it, even if it is expired.
pub async fn a_token_is_found_by_its_hash(deployment: &Deployment) {
    let tokens = &deployment.tokens;
    assert_eq!(tokens.count().await.unwrap(), 0);
    let mut expected = Vec::new();
    for (number, role) in Role::ALL.into_iter().enumerate() {
        let mut new = token(number as u8, role);
        new.expires_at = (number > 0).then(|| deployment.clock.now() + TimeDelta::microseconds(7));
        let made = tokens.create(new.clone()).await.unwrap();
        assert_eq!(
            (&made.name, made.role, &made.prefix),
            (&new.name, role, &new.prefix)
        );
        assert_eq!(
            (made.created_at, made.expires_at),
            (deployment.clock.now(), new.expires_at)
        );
        assert_eq!((made.last_used_at, made.revoked_at), (None, None));
        assert_eq!(tokens.by_hash(&new.hash).await.unwrap(), Some(made.clone()));
        expected.push(made);
        deployment.later(1);
    }
    assert_eq!(tokens.list().await.unwrap(), expected);
    assert_eq!(tokens.count().await.unwrap(), 3);
    let good = expected
        .iter()
        .map(|token| token.is_good(deployment.clock.now()));
    assert_eq!(good.collect::<Vec<_>>(), [true, false, false]);
    let unknown = token(9, Role::Admin).hash;
    assert_eq!(tokens.by_hash(&unknown).await.unwrap(), None);
}

/// A second one is refused.
pub async fn a_hash_is_of_one_token(deployment: &Deployment) {
    let tokens = &deployment.tokens;
    tokens.create(token(1, Role::Viewer)).await.unwrap();
    let second = tokens.create(token(1, Role::Admin)).await;
    assert!(matches!(second, Err(StoreError::Refused(_))), "{second:?}");
    assert_eq!(tokens.count().await.unwrap(), 1);
}

/// However many try at once; and never again, even if it is revoked.
pub async fn the_first_token_is_added_once(deployment: &Deployment) {
    let tokens = &deployment.tokens;
    let firsts = (0..10).map(|number| tokens.create_first(token(number, Role::Admin)));
    let firsts = join_all(firsts).await.into_iter();
    let added: Vec<_> = firsts.filter_map(Result::unwrap).collect();
    assert_eq!(added, tokens.list().await.unwrap());
    assert_eq!(added.len(), 1);
    assert!(tokens.revoke(added[0].id).await.unwrap());
    let again = tokens.create_first(token(20, Role::Admin)).await;
    assert_eq!(again.unwrap(), None);
}

/// It stays to be seen.
pub async fn a_token_is_revoked_for_ever(deployment: &Deployment) {
    let tokens = &deployment.tokens;
    let new = token(1, Role::Editor);
    let made = tokens.create(new.clone()).await.unwrap();
    deployment.later(5);
    assert!(tokens.revoke(made.id).await.unwrap());
    let revoked = tokens.by_hash(&new.hash).await.unwrap().unwrap();
    assert_eq!(revoked.revoked_at, Some(deployment.clock.now()));
    assert!(!revoked.is_good(deployment.clock.now()));
    deployment.later(5);
    assert!(!tokens.revoke(made.id).await.unwrap(), "only once");
    assert_eq!(tokens.list().await.unwrap(), [revoked]);
    let unknown = AccessTokenId::generate(&*deployment.clock);
    assert!(!tokens.revoke(unknown).await.unwrap());
}

/// Uses are noted in any order.
pub async fn the_last_use_only_moves_forward(deployment: &Deployment) {
    let tokens = &deployment.tokens;
    let made = tokens.create(token(1, Role::Editor)).await.unwrap();
    let now = deployment.clock.now();
    let at = |seconds| now + TimeDelta::seconds(seconds);
    for (used, expected) in [(10, 10), (5, 10), (20, 20)] {
        tokens.touch(made.id, at(used)).await.unwrap();
        let last = tokens.list().await.unwrap()[0].last_used_at;
        assert_eq!(last, Some(at(expected)));
    }
    let unknown = AccessTokenId::generate(&*deployment.clock);
    tokens.touch(unknown, now).await.unwrap();
}

fn token(number: u8, role: Role) -> NewAccessToken {
    let secret = TokenSecret::from_random([number; 32]);
    NewAccessToken::of(&secret, format!("it's \"{number}\" ü"), role, None)
}
