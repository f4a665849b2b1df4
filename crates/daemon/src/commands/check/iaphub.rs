//! IAPHUB, where there is one: that the key works, and that it is written to.

use std::time::Duration;

use entitlement::model::failure::Class;
use entitlement::model::finding::{Area, Finding};
use entitlement::model::user::User;
use wire::limit::LimitScope;

use crate::settings::Settings;
use crate::settings::iaphub::Iaphub;
use crate::{clock, wiring};

/// A user id that nobody has: no purchases are expected for it.
const NOBODY: &str = "grantsync-check";

pub(super) async fn check(settings: &Settings) -> Vec<Finding> {
    let Some(of) = &settings.iaphub else { return Vec::new() };
    if of.api_key.present().is_none() {
        return vec![Finding::unchecked(area(), "there is no IAPHUB key")];
    }
    let reader = wiring::iaphub(settings, of, LimitScope::Process);
    let (iaphub, nobody) = match (reader, User::new(NOBODY)) {
        (Ok(Some(iaphub)), Some(nobody)) => (iaphub, nobody),
        (Err(failed), _) => return vec![Finding::error(area(), failed.text(), "fix `[iaphub]` in the settings")],
        (Ok(None), _) | (_, None) => return vec![Finding::unchecked(area(), "there is no IAPHUB key")],
    };
    match iaphub.store_purchases(&nobody, clock::now(), Duration::ZERO).await {
        Ok(_) => [vec![Finding::ok(area(), "the key works")], written(of)].concat(),
        Err(failure) if matches!(failure.class, Class::Credentials | Class::Forbidden) => {
            let remedy = "copy the server key again; the client key does not do";
            vec![Finding::error(area(), format!("IAPHUB refuses the key ({})", failure.what), remedy)]
        }
        Err(failure) => {
            let remedy =
                "see that `iaphub.app_id` is right, and that HTTPS to `iaphub.api_base` gets out of this machine";
            vec![Finding::error(area(), format!("IAPHUB does not answer as it should: {}", failure.what), remedy)]
        }
    }
}

/// A write cannot be tried without writing.
fn written(of: &Iaphub) -> Vec<Finding> {
    let text = "web transactions are written to `iaphub.create_path`, a route that is not public and cannot be tried";
    let remedy = "see at IAPHUB that they arrive; without `iaphub.create_path` none is written";
    of.route.iter().map(|_| Finding::warning(area(), text, remedy)).collect()
}

fn area() -> Area {
    Area::Destination("iaphub".to_owned())
}
