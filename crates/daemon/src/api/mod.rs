//! The admin API: what the commands do, over HTTP, for a support desk's tools.
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
mod resync;
mod rounds;
mod users;

use axum::routing::get;
use axum::{Json, Router};
use store::open::Store;
use sync::controller::Controller;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::cli::books::{EventOutcome, StepState};
use crate::ordering::App;
use crate::standing::Sources;
use crate::turns::Turns;

/// Largest body of a request.
const LARGEST_BODY: usize = 64 * 1024;

/// What the handlers need.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) store: Store,
    /// Who is asked where a user stands.
    pub(crate) sources: Sources,
    /// What can be ordered for.
    pub(crate) apps: Vec<App>,
    /// Absent in a process that only takes in webhooks: it has no keys to ask the upstreams with.
    pub(crate) sync: Option<Controller>,
    pub(crate) turns: Turns,
    /// Part of the rate limits that work in bulk may use, in per cent.
    pub(crate) share_percent: u32,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "grantsync", description = "Where app users stand, and what to do about it. Send the admin token as a bearer token."),
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
pub(crate) fn routes(api: Api) -> Router {
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
        .routes(routes!(rounds::list, rounds::begin))
        .routes(routes!(parked::list))
        .routes(routes!(parked::release))
        .routes(routes!(parked::drop_for_good))
        .routes(routes!(links::link))
        .routes(routes!(overrides::list_grants, overrides::grant))
        .routes(routes!(overrides::revoke))
        .routes(routes!(audit::list_blocks, overrides::block))
        .routes(routes!(overrides::unblock))
        .routes(routes!(overrides::list_attributes, overrides::describe))
        .routes(routes!(overrides::forget))
        .routes(routes!(audit::list_orders))
        .with_state(api)
        .split_for_parts();
    routes
        .route("/v1/openapi.json", get(move || async move { Json(document) }))
        .layer(axum::extract::DefaultBodyLimit::max(LARGEST_BODY))
}
