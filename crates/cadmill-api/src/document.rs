//! The OpenAPI document: what the routes do not say each by itself.

use utoipa::{
    OpenApi as _, ToSchema,
    openapi::{
        ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, Schema,
        header::Header,
        path::{Operation, PathItem},
        schema::{ObjectBuilder, SchemaType, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{events::EventBody, problem::ProblemBody};

/// What the document begins with.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Cadmill",
        description = "Turns STEP files into media, each made exactly once.\n\n\
            Every error is `application/problem+json` (RFC 9457) with a stable `code`. A query parameter that \
            an operation does not name is refused with 400. A method that a path does not have is refused \
            with 405 and `Allow`; `HEAD` is answered wherever `GET` is. Each answer has an `x-request-id`: that \
            of the request if it sent one of at most 128 visible ASCII characters.\n\n\
            Access: `Authorization: Bearer cadmill_…`. The role that an operation needs is the scope of its \
            security requirement; `editor` includes `viewer`, `admin` includes both.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(ProblemBody, EventBody)),
    tags(
        (name = "cad", description = "CAD files and their materials"),
        (name = "media", description = "What is made of them"),
        (name = "events", description = "What happens, as it happens"),
        (name = "webhooks", description = "Who is told what happens"),
        (name = "admin", description = "Work, in bulk and one by one"),
        (name = "tokens", description = "Who may do what"),
        (name = "service", description = "How the service is"),
    ),
)]
struct Base;

/// The document that routes are added to.
pub(crate) fn base() -> OpenApi {
    Base::openapi()
}

/// The answers that operations share: name, status, what it means.
const SHARED: &[(&str, &str, &str)] = &[
    (
        "BadRequest",
        "400",
        "The path, the query, a header or the body cannot be understood.",
    ),
    (
        "Unauthorized",
        "401",
        "There is no access token, or it is not good.",
    ),
    ("Forbidden", "403", "The role of the token does not reach."),
    ("NotFound", "404", "It is not there."),
    ("TooLarge", "413", "The body is too large."),
    (
        "MediaType",
        "415",
        "The media type of the body is not understood.",
    ),
    ("Invalid", "422", "The body does not say what is expected."),
    ("TooManyLogins", "429", "There were too many failed logins."),
    ("Internal", "500", "The service made a mistake."),
    (
        "Away",
        "503",
        "The database, the blob store or the lock store does not answer, or it took too long.",
    ),
];

/// Adds the answers that operations share.
pub(crate) fn complete(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    for (name, _, description) in SHARED {
        let response = problem(description, matches!(*name, "TooManyLogins" | "Away"));
        components
            .responses
            .insert((*name).to_owned(), RefOr::T(response));
    }
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("cadmill_ and 64 hexadecimal digits")
        .description(Some("An access token, which an admin makes."));
    components.add_security_scheme("token", SecurityScheme::Http(scheme.build()));
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            add_shared(operation, path.contains('{'));
            for parameter in operation.parameters.iter_mut().flatten() {
                if let RefOr::T(parameter) = parameter
                    && let Some(RefOr::T(schema)) = &mut parameter.schema
                {
                    forbid_null(schema);
                }
            }
        }
    }
}

/// Lets everybody do what is found under some paths.
pub(crate) fn open(document: &mut OpenApi, is_open: impl Fn(&str) -> bool) {
    for (path, item) in &mut document.paths.paths {
        if is_open(path) {
            for operation in operations(item) {
                operation.security = None;
            }
        }
    }
}

/// A parameter that is optional is left out, and never `null`, which would be a text.
fn forbid_null(schema: &mut Schema) {
    match schema {
        Schema::Object(object) => {
            if let SchemaType::Array(types) = &mut object.schema_type {
                types.retain(|kind| *kind != Type::Null);
                if let [only] = &types[..] {
                    object.schema_type = SchemaType::new(only.clone());
                }
            }
        }
        Schema::OneOf(choice) => {
            let null = SchemaType::new(Type::Null);
            choice.items.retain(|item| {
                !matches!(item, RefOr::T(Schema::Object(object)) if object.schema_type == null)
            });
            if let [RefOr::T(only)] = &choice.items[..] {
                *schema = only.clone();
            }
        }
        _ => {}
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem {
        get,
        put,
        post,
        delete,
        head,
        patch,
        ..
    } = item;
    [get, put, post, delete, head, patch].into_iter().flatten()
}

fn add_shared(operation: &mut Operation, has_id: bool) {
    let is_secured = operation
        .security
        .as_ref()
        .is_some_and(|needed| !needed.is_empty());
    let has_body = operation.request_body.is_some();
    for (name, status, _) in SHARED {
        let applies = match *status {
            "401" | "403" | "429" => is_secured,
            "404" => has_id,
            "413" | "415" | "422" => has_body,
            _ => true,
        };
        let answers = &mut operation.responses.responses;
        if applies && !answers.contains_key(*status) {
            let reference = Ref::from_response_name(*name);
            answers.insert((*status).to_owned(), RefOr::Ref(reference));
        }
    }
}

/// An answer that is a problem.
fn problem(description: &str, waits: bool) -> Response {
    let schema = Ref::from_schema_name(ProblemBody::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let mut response = ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content);
    if waits {
        let seconds = ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::Integer))
            .minimum(Some(0))
            .build();
        let header = Header::builder()
            .schema(Some(seconds))
            .description(Some("After how many seconds to try again."));
        response = response.header("Retry-After", header.build());
    }
    response.build()
}
