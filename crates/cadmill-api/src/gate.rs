//! Holds each request against the OpenAPI document: the role that its operation needs, and the
//! query parameters that it knows. So the document cannot promise what the service does not keep.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use cadmill_domain::access_token::Role;
use serde_json::Value;
use utoipa::openapi::OpenApi;

use crate::{
    access::Guard,
    problem::{Code, Problem},
};

/// What stands between the router and the handlers.
#[derive(Debug)]
pub(crate) struct Gate {
    operations: BTreeMap<(String, String), Operation>,
    guard: Guard,
}

#[derive(Debug)]
struct Operation {
    /// The role that it needs; none if it is open to all.
    role: Option<Role>,
    query: BTreeSet<String>,
}

impl Gate {
    pub(crate) fn new(document: &OpenApi, guard: Guard) -> Self {
        // A document of plain structures can always be written.
        let document = serde_json::to_value(document).unwrap_or_default();
        let mut operations = BTreeMap::new();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let key = (path.clone(), method.to_uppercase());
                operations.insert(key, Operation::of(operation));
            }
        }
        Self { operations, guard }
    }

    async fn pass(&self, route: &str, request: &mut Request) -> Result<(), Problem> {
        let find = |method: &Method| {
            let key = (route.to_owned(), method.as_str().to_owned());
            self.operations.get(&key)
        };
        let method = request.method();
        let is_head = method == Method::HEAD;
        let operation = find(method).or_else(|| is_head.then(|| find(&Method::GET)).flatten());
        // The router answers what has no operation: the method is not allowed.
        let Some(operation) = operation else {
            return Ok(());
        };
        if let Some(role) = operation.role {
            let (parts, body) = std::mem::take(request).into_parts();
            let admitted = self.guard.admit(&parts, role).await;
            *request = Request::from_parts(parts, body);
            request.extensions_mut().insert(admitted?);
        }
        operation.check_query(request.uri().query().unwrap_or_default())
    }
}

impl Operation {
    fn of(operation: &Value) -> Self {
        let roles = operation["security"].as_array().into_iter().flatten();
        let roles = roles.filter_map(|requirement| requirement["token"].as_array());
        let roles = roles
            .flatten()
            .filter_map(|role| role.as_str()?.parse().ok());
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let query = parameters.filter(|parameter| parameter["in"] == "query");
        let query = query.filter_map(|parameter| parameter["name"].as_str());
        Self {
            role: roles.min(),
            query: query.map(str::to_owned).collect(),
        }
    }

    fn check_query(&self, query: &str) -> Result<(), Problem> {
        let names = form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name);
        let mut unknown = names.filter(|name| !self.query.contains(&**name));
        match unknown.next() {
            None => Ok(()),
            Some(name) => {
                let name: String = name.chars().take(64).collect();
                let detail = format!("There is no query parameter `{name}` here.");
                Err(Problem::new(Code::BadQuery, detail))
            }
        }
    }
}

/// Lets a request pass, or answers it. What is no route passes: the router answers that.
pub(crate) async fn pass(
    State(gate): State<Arc<Gate>>,
    route: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(route) = route
        && let Err(problem) = gate.pass(route.as_str(), &mut request).await
    {
        return problem.into_response();
    }
    next.run(request).await
}
