//! The admin API: each handler parses, calls the operator, and renders.
//!
//! Its OpenAPI document is made from the handlers and served at `/v1/openapi.json`.

mod audit;
pub(crate) mod error;
mod events;
mod explain;
mod ledger;
mod links;
mod overrides;
mod page;
mod parked;
mod reconciliations;
mod resync;
mod users;

use axum::routing::get;
use axum::{Json, Router};
use operator::events::EventOutcome;
use operator::ledger::StepState;
use operator::operator::Operator;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Largest body of a request.
const LARGEST_BODY: usize = 64 * 1024;

#[derive(OpenApi)]
#[openapi(
    info(title = "grantsync", description = "What app users may use, and what to do about it. Send the admin token as a bearer token."),
    components(schemas(error::Problem, EventOutcome, StepState)),
    security(("token" = [])),
    modifiers(&Token)
)]
struct Document;

/// The bearer token.
struct Token;

impl utoipa::Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

/// The routes below `/v1`.
pub(crate) fn routes(operator: Operator) -> Router {
    let (routes, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(users::status))
        .routes(routes!(explain::of_user))
        .routes(routes!(explain::of_account))
        .routes(routes!(events::list))
        .routes(routes!(events::replay))
        .routes(routes!(events::show))
        .routes(routes!(ledger::list))
        .routes(routes!(ledger::show))
        .routes(routes!(resync::resync))
        .routes(routes!(reconciliations::list, reconciliations::request))
        .routes(routes!(parked::list))
        .routes(routes!(parked::release))
        .routes(routes!(parked::drop_for_good))
        .routes(routes!(links::link))
        .routes(routes!(overrides::list_grants, overrides::grant))
        .routes(routes!(overrides::revoke))
        .routes(routes!(overrides::list_blocks, overrides::block))
        .routes(routes!(overrides::unblock))
        .routes(routes!(overrides::list_attributes, overrides::set_attributes))
        .routes(routes!(overrides::forget_attribute))
        .routes(routes!(audit::list))
        .with_state(operator)
        .split_for_parts();
    routes
        .route("/v1/openapi.json", get(move || async move { Json(document) }))
        .layer(axum::extract::DefaultBodyLimit::max(LARGEST_BODY))
}
