//! Where access is granted and sales are reported.

use adapty::adapty::Adapty;
use entitlement::model::failure::{Class, Failure};
use entitlement::model::profile::Profile;
use entitlement::model::step::Step;
use entitlement::model::user::User;
use iaphub::iaphub::Iaphub;
use iaphub::write::Route;
use wire::upstream::Upstream;

/// A destination. Clones share its limits and pauses.
#[derive(Clone, Debug)]
pub enum Destination {
    Adapty(Adapty),
    /// It keeps sales and knows no levels ([`entitlement::model::rules::Protocol::SalesOnly`]).
    Iaphub(Iaphub, Route),
}

impl Destination {
    /// What it shows of `user`. One that knows sales alone shows nothing, and has a profile for everybody.
    ///
    /// # Errors
    /// The failed request; an answer that cannot be read is transient.
    pub async fn observe(&self, user: &User) -> Result<Profile, Failure> {
        match self {
            Self::Adapty(adapty) => adapty.profile(user).await,
            Self::Iaphub(..) => Ok(without_levels(user)),
        }
    }

    /// Makes a profile for `user`, unless there is one. It gives nothing, so it is no step.
    ///
    /// # Errors
    /// The failed request.
    pub async fn create_profile(&self, user: &User) -> Result<Profile, Failure> {
        match self {
            Self::Adapty(adapty) => adapty.create_profile(user).await,
            Self::Iaphub(..) => Ok(without_levels(user)),
        }
    }

    /// Sends `step`, one request, and answers with the profile as it is shown then.
    ///
    /// # Errors
    /// The failed request: `Class::Missing` when the user has no profile. After a `Class::Transient` the step may have
    /// arrived.
    pub async fn send(&self, user: &User, step: &Step) -> Result<Profile, Failure> {
        match (self, step) {
            (Self::Adapty(adapty), step) => adapty.send(user, step).await,
            (Self::Iaphub(iaphub, route), Step::ReportSale(report)) => {
                iaphub.report(route, user, report).await.map(|()| without_levels(user))
            }
            (Self::Iaphub(..), Step::GrantAccess(_) | Step::RevokeAccess(_) | Step::SetAttributes(_)) => Err(
                Failure::new(Class::Permanent, format!("sending a {} to iaphub: it takes sales alone", step.kind())),
            ),
        }
    }

    /// The same for work in bulk, which may use `percent` of the rate.
    #[must_use]
    pub fn with_rate_share(&self, percent: u32) -> Self {
        match self {
            Self::Adapty(adapty) => Self::Adapty(adapty.with_rate_share(percent)),
            Self::Iaphub(iaphub, route) => Self::Iaphub(iaphub.with_rate_share(percent), route.clone()),
        }
    }

    /// What its requests go through: rate limit, state, failures.
    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        match self {
            Self::Adapty(adapty) => adapty.upstream(),
            Self::Iaphub(iaphub, _) => iaphub.upstream(),
        }
    }

    /// What people call it.
    #[must_use]
    pub fn title(&self) -> &'static str {
        match self {
            Self::Adapty(_) => "Adapty",
            Self::Iaphub(..) => "IAPHUB",
        }
    }
}

fn without_levels(user: &User) -> Profile {
    Profile { exists: true, ..Profile::absent(user.clone()) }
}
