//! One app at Adapty: reading a profile, and sending one step.

use entitlement::model::failure::{Class, Failure};
use entitlement::model::profile::Profile;
use entitlement::model::step::Step;
use entitlement::model::user::User;
use wire::call::Answer;
use wire::upstream::Upstream;

use crate::request::Request;
use crate::sale_format::SaleFormat;
use crate::{objects, read, v1, v2};

const READING: &str = "reading the profile";
const CREATING: &str = "creating the profile";

/// One app at Adapty; clones share its limits and pauses.
#[derive(Clone, Debug)]
pub struct Adapty {
    upstream: Upstream,
    api: Api,
}

/// Which of Adapty's APIs is spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Api {
    /// `/api/v1/sdk`: a grant chooses the level and records the revenue, in one call.
    V1,
    /// `/api/v2/server-side-api`: sales are reported, and a level that the product does not bring is granted.
    V2(SaleFormat),
    /// `/api/v2/server-side-api`, grant and revoke alone: chooses the level and records no revenue.
    V2Access,
}

impl Adapty {
    /// Adapty behind `upstream`, which [`crate::setup::setup`] describes.
    #[must_use]
    pub fn new(upstream: Upstream, api: Api) -> Self {
        Self { upstream, api }
    }

    /// The same for work in bulk, which may use `percent` of the rate.
    #[must_use]
    pub fn with_rate_share(&self, percent: u32) -> Self {
        Self { upstream: self.upstream.with_rate_share(percent), ..self.clone() }
    }

    /// The upstream, for its name and its pauses.
    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// The profile of `user`; one that Adapty does not know is [`Profile::absent`].
    ///
    /// # Errors
    /// [`Failure`]; an answer that cannot be read is transient.
    pub async fn profile(&self, user: &User) -> Result<Profile, Failure> {
        let call = match &self.api {
            Api::V1 => v1::reading(user, READING),
            Api::V2(_) | Api::V2Access => v2::reading(user, READING)?,
        };
        match self.upstream.get(call).await {
            Ok(answer) => read_answer(user, &answer, READING),
            Err(failure) if is_not_found(&failure) => Ok(Profile::absent(user.clone())),
            Err(failure) => Err(failure),
        }
    }

    /// Everything that Adapty shows of `user`, for people; `None` when it does not know them.
    ///
    /// # Errors
    /// [`Failure`]; an answer that cannot be read is transient.
    pub async fn whole_profile(&self, user: &User) -> Result<Option<objects::Profile>, Failure> {
        let call = match &self.api {
            Api::V1 => v1::reading_whole(user, READING),
            Api::V2(_) | Api::V2Access => v2::reading(user, READING)?,
        };
        match self.upstream.get(call).await {
            Ok(answer) => objects::profile(&answer.body).map(Some).ok_or_else(|| {
                Failure::new(Class::Transient, format!("{READING} at adapty: the answer cannot be read"))
            }),
            Err(failure) if is_not_found(&failure) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Makes a profile for `user`, and answers with it; one that is there already is as good.
    ///
    /// # Errors
    /// [`Failure`]; Adapty's refusal, when the profile is still not there.
    pub async fn create_profile(&self, user: &User) -> Result<Profile, Failure> {
        let request = match &self.api {
            Api::V1 => v1::creating(user, CREATING),
            Api::V2(_) | Api::V2Access => v2::creating(user, CREATING)?,
        };
        match self.request(request).await {
            Ok(answer) => match read_answer(user, &answer, CREATING) {
                Ok(profile) => Ok(profile),
                Err(unreadable) => self.read_back(user, unreadable).await,
            },
            Err(failure) => match failure.class {
                Class::Transient | Class::Credentials | Class::Forbidden | Class::GateClosed => Err(failure),
                // a 404 here speaks of the address, not of a profile
                Class::Permanent | Class::Missing => {
                    self.read_back(user, Failure { class: Class::Permanent, ..failure }).await
                }
            },
        }
    }

    /// Sends `step`, one request, and answers with the profile as Adapty shows it then.
    ///
    /// # Errors
    /// [`Failure`]: [`Missing`] when the profile must be created first, which is asked where a 404 does not say it; any
    /// other 404 is [`Permanent`]. After a [`Transient`] the step may have arrived; the profile will show it.
    ///
    /// [`Missing`]: entitlement::model::failure::Class::Missing
    /// [`Permanent`]: entitlement::model::failure::Class::Permanent
    /// [`Transient`]: entitlement::model::failure::Class::Transient
    pub async fn send(&self, user: &User, step: &Step) -> Result<Profile, Failure> {
        let request = match &self.api {
            Api::V1 => v1::step(user, step, doing(step))?,
            Api::V2(format) => v2::step(user, step, Some(format), doing(step))?,
            Api::V2Access => v2::step(user, step, None, doing(step))?,
        };
        match self.request(request).await {
            Ok(answer) => match read_answer(user, &answer, doing(step)) {
                Ok(profile) => Ok(profile),
                Err(unreadable) => self.read_back(user, unreadable).await.map_err(after_write),
            },
            Err(failure) if is_revoked_already(step, &failure) => self.profile(user).await.map_err(after_write),
            Err(failure) => match of_write(step, failure) {
                Ok(failure) => Err(failure),
                Err(unclear) => Err(self.of_missing(user, unclear).await),
            },
        }
    }

    /// A 404 that does not say what is missing: where it is not the profile, the write is refused for good.
    async fn of_missing(&self, user: &User, failure: Failure) -> Failure {
        match self.profile(user).await {
            Ok(profile) if profile.exists => Failure { class: Class::Permanent, ..failure },
            Ok(_) => Failure { class: Class::Missing, ..failure },
            Err(unread) => after_write(unread),
        }
    }

    async fn request(&self, request: Request) -> Result<Answer, Failure> {
        self.upstream.send(request.method, request.call, &request.body).await
    }

    /// The profile as it stands; `otherwise` when it is not there.
    async fn read_back(&self, user: &User, otherwise: Failure) -> Result<Profile, Failure> {
        let profile = self.profile(user).await?;
        if profile.exists { Ok(profile) } else { Err(otherwise) }
    }
}

fn doing(step: &Step) -> &'static str {
    match step {
        Step::GrantAccess(_) => "granting the access level",
        Step::RevokeAccess(_) => "revoking the access level",
        Step::ReportSale(_) => "reporting the sale",
        Step::SetAttributes(_) => "setting attributes",
    }
}

fn read_answer(user: &User, answer: &Answer, what: &str) -> Result<Profile, Failure> {
    read::profile(user, &answer.body).map_err(|unreadable| {
        let words = format!("{what} at adapty: {unreadable}");
        Failure { status: Some(answer.status), ..Failure::new(Class::Transient, words) }
    })
}

fn is_not_found(failure: &Failure) -> bool {
    failure.status == Some(404) || says_no_profile(failure)
}

/// Whether Adapty says that it does not know the user; its pages give the code with 400 as well as with 404.
fn says_no_profile(failure: &Failure) -> bool {
    let is_named = matches!(failure.code.as_deref(), Some("profile_does_not_exist" | "profile_not_found"));
    is_named && matches!(failure.status, Some(400 | 404))
}

fn is_revoked_already(step: &Step, failure: &Failure) -> bool {
    let codes = ["profile_paid_access_level_does_not_exist", "revocation_date_more_than_expiration_date"];
    let is_gone = failure.code.as_deref().is_some_and(|code| codes.contains(&code));
    is_gone && matches!(step, Step::RevokeAccess(_)) && matches!(failure.status, Some(400 | 404))
}

/// A refused write, classified: a missing profile can be created, anything else that is missing cannot.
///
/// # Errors
/// A 404 that says neither.
fn of_write(step: &Step, failure: Failure) -> Result<Failure, Failure> {
    // the address of attributes is the profile itself
    let is_of_profile = matches!(step, Step::SetAttributes(_)) && failure.status == Some(404);
    if says_no_profile(&failure) || is_of_profile {
        return Ok(Failure { class: Class::Missing, ..failure });
    }
    match failure.class {
        Class::Missing => Err(failure),
        Class::Transient | Class::Permanent | Class::Credentials | Class::Forbidden | Class::GateClosed => Ok(failure),
    }
}

/// A failed read after a write that arrived: whatever it says, the write was not refused, so it is tried again.
fn after_write(failure: Failure) -> Failure {
    match failure.class {
        Class::Permanent | Class::Missing => Failure { class: Class::Transient, ..failure },
        Class::Transient | Class::Credentials | Class::Forbidden | Class::GateClosed => failure,
    }
}
