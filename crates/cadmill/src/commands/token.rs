//! `cadmill token`: access tokens of the API.

use std::time::Duration;

use anyhow::Result;
use cadmill_domain::{
    Moment,
    access_token::{AccessToken, AccessTokens as _, NewAccessToken, Role, TokenSecret},
};
use chrono::TimeDelta;
use clap::{Subcommand, ValueEnum};
use serde_json::json;

use crate::{
    exit::{Exit, Failed},
    quantity,
    terminal::{output, text::plain},
    wiring::{
        config::DeploymentArguments,
        deployment::{Deployment, with_deployment},
    },
};

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Creates a token and prints it. It is shown only this once.
    Create {
        /// The person or program that uses it.
        #[arg(long)]
        name: String,
        /// What it allows.
        #[arg(long, default_value = "viewer")]
        role: NamedRole,
        /// How long it is valid, for example `720h` [default: forever].
        #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
        expires_in: Option<Duration>,
        /// Prints one JSON object.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        deployment: DeploymentArguments,
    },
    /// Lists all tokens without their secrets.
    List {
        /// Prints one JSON array.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        deployment: DeploymentArguments,
    },
    /// Revokes a token.
    Revoke {
        /// The id of the token, from `token list`.
        id: String,
        #[command(flatten)]
        deployment: DeploymentArguments,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum NamedRole {
    /// Views and downloads.
    Viewer,
    /// Also adds and changes files, and requests media.
    Editor,
    /// Everything.
    Admin,
}

impl From<NamedRole> for Role {
    fn from(role: NamedRole) -> Self {
        match role {
            NamedRole::Viewer => Self::Viewer,
            NamedRole::Editor => Self::Editor,
            NamedRole::Admin => Self::Admin,
        }
    }
}

pub(crate) fn run(command: &TokenCommand) -> Result<Exit> {
    match command {
        TokenCommand::Create {
            name,
            role,
            expires_in,
            json,
            deployment,
        } => {
            let lifetime = expires_in.map(TimeDelta::from_std).transpose()?;
            with_deployment(deployment, async |deployment| {
                let expires_at = lifetime.map(|lifetime| deployment.clock.now() + lifetime);
                create(deployment, name, (*role).into(), expires_at, *json).await
            })
        }
        TokenCommand::List { json, deployment } => {
            with_deployment(deployment, async |deployment| list(deployment, *json).await)
        }
        TokenCommand::Revoke { id, deployment } => {
            with_deployment(deployment, async |deployment| revoke(deployment, id).await)
        }
    }
}

async fn create(
    deployment: &Deployment,
    name: &str,
    role: Role,
    expires_at: Option<Moment>,
    as_json: bool,
) -> Result<Exit> {
    let secret = TokenSecret::from_random(rand::random());
    let token = NewAccessToken::of(&secret, name, role, expires_at);
    let token = deployment.store.create(token).await?;
    if as_json {
        let created = json!({"id": token.id, "token": secret.expose(), "role": token.role});
        output::line(&created.to_string())?;
    } else {
        output::line(secret.expose())?;
        eprintln!(
            "This is the token of `{}` ({}). It is shown only this once.",
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
        output::line(&row(token, now))?;
    }
    Ok(Exit::Ok)
}

async fn revoke(deployment: &Deployment, id: &str) -> Result<Exit> {
    let unknown = || {
        Failed(format!(
            "there is no token `{id}`; `cadmill token list` shows the ids"
        ))
    };
    let parsed = id.parse().map_err(|_| unknown())?;
    if !deployment.store.revoke(parsed).await? {
        return Err(unknown().into());
    }
    output::line(&format!("revoked {id}"))?;
    Ok(Exit::Ok)
}

/// The row of a token in the list.
fn row(token: &AccessToken, now: Moment) -> String {
    let date = |at: Option<Moment>| at.map_or("never".to_owned(), |at| at.format("%F").to_string());
    let state = if token.revoked_at.is_some() {
        "revoked"
    } else if token.is_good(now) {
        "valid"
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
