//! `cadmill token`: who may use the API.

use anyhow::Result;
use cadmill_domain::{AccessToken, AccessTokens as _, Moment, NewAccessToken, Role, TokenSecret};
use serde_json::json;

use crate::{
    cli::TokenCommand,
    config::Config,
    deployment::Deployment,
    exit::{Exit, Failed},
    machine,
    output::{self, plain},
};

/// What the token is called that the first start makes.
const FIRST: &str = "first";

pub(crate) fn run(command: &TokenCommand) -> Result<Exit> {
    let config = Config::load(command.deployment())?;
    let runtime = machine::runtime()?;
    runtime.block_on(async {
        let deployment = Deployment::open(config).await?;
        match command {
            TokenCommand::Create {
                name,
                role,
                expires_in,
                json,
                ..
            } => {
                let lifetime = expires_in.map(chrono::TimeDelta::from_std).transpose()?;
                let expires_at = lifetime.map(|lifetime| deployment.clock.now() + lifetime);
                create(&deployment, name, (*role).into(), expires_at, *json).await
            }
            TokenCommand::List { json, .. } => list(&deployment, *json).await,
            TokenCommand::Revoke { id, .. } => revoke(&deployment, id).await,
        }
    })
}

/// A token for the first administrator, if there is none yet; nobody sees it again.
pub(crate) async fn first(deployment: &Deployment) -> Result<Option<TokenSecret>> {
    let secret = random();
    let token = NewAccessToken::of(&secret, FIRST, Role::Admin, None);
    let created = deployment.store.create_first(token).await?;
    Ok(created.map(|_| secret))
}

async fn create(
    deployment: &Deployment,
    name: &str,
    role: Role,
    expires_at: Option<Moment>,
    as_json: bool,
) -> Result<Exit> {
    let secret = random();
    let token = NewAccessToken::of(&secret, name, role, expires_at);
    let token = deployment.store.create(token).await?;
    if as_json {
        let created = json!({"id": token.id, "token": secret.expose(), "role": token.role});
        output::line(&created.to_string())?;
    } else {
        output::line(secret.expose())?;
        eprintln!(
            "This is the token of `{}` ({}); it is shown only now.",
            plain(&token.name),
            token.role
        );
    }
    Ok(Exit::Ok)
}

async fn list(deployment: &Deployment, as_json: bool) -> Result<Exit> {
    let tokens = deployment.store.list().await?;
    if as_json {
        output::line(&json!(tokens).to_string())?;
        return Ok(Exit::Ok);
    }
    let now = deployment.clock.now();
    for token in &tokens {
        output::line(&told(token, now))?;
    }
    Ok(Exit::Ok)
}

async fn revoke(deployment: &Deployment, id: &str) -> Result<Exit> {
    let unknown = || {
        Failed(format!(
            "there is no token `{id}`; `cadmill token list` names them"
        ))
    };
    let parsed = id.parse().map_err(|_| unknown())?;
    if !deployment.store.revoke(parsed).await? {
        return Err(unknown().into());
    }
    output::line(&format!("revoked {id}"))?;
    Ok(Exit::Ok)
}

fn told(token: &AccessToken, now: Moment) -> String {
    let date = |at: Option<Moment>| at.map_or("never".to_owned(), |at| at.format("%F").to_string());
    let state = if token.revoked_at.is_some() {
        "revoked"
    } else if token.is_good(now) {
        "good"
    } else {
        "expired"
    };
    format!(
        "{}  {:<7} {state:<8} expires {:<10} used {:<10} {}…  {}",
        token.id,
        token.role.to_string(),
        date(token.expires_at),
        date(token.last_used_at),
        token.prefix,
        plain(&token.name),
    )
}

fn random() -> TokenSecret {
    TokenSecret::from_random(rand::random())
}
