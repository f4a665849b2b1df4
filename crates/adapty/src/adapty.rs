//! Adapty as the rest of the house uses it.

use entitlement::attributes::SetAttributes;
use entitlement::failure::{Class, Failure};
use entitlement::names::User;
use entitlement::plan::{GrantAccess, Refund, Refunded, RevokeAccess, Step};
use entitlement::profile::Profile;
use entitlement::same::{arrived, is_left};
use wire::upstream::{Answer, Call, Method, Upstream};

use crate::posting::Posting;
use crate::{objects, read, v1, v2};

const READING: &str = "reading the profile";
const CREATING: &str = "creating the profile";
const DESCRIBING: &str = "telling attributes";
const REFUNDING: &str = "telling the refund";
const REPORTING: &str = "reporting the transaction";

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
    /// `/api/v2/server-side-api`: transactions are reported, and a level that the product did not bring is granted.
    V2(Books),
    /// `/api/v2/server-side-api`, grant and revoke alone: chooses the level and records no revenue.
    V2Access,
}

/// How transactions are entered in Adapty's books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Books {
    /// `store_product_id` is the product, a colon and the price, not the product alone.
    pub with_price: bool,
    /// ISO 3166 code of the country that every price is told with, since the source's objects name none.
    pub country: String,
}

impl Api {
    fn reading(&self, user: &User) -> Result<Call, Failure> {
        match self {
            Self::V1 => Ok(v1::reading(user, READING)),
            Self::V2(_) | Self::V2Access => v2::reading(user, READING),
        }
    }

    fn reading_whole(&self, user: &User) -> Result<Call, Failure> {
        match self {
            Self::V1 => Ok(v1::reading_whole(user, READING)),
            Self::V2(_) | Self::V2Access => v2::reading(user, READING),
        }
    }

    fn creating(&self, user: &User) -> Result<Posting, Failure> {
        match self {
            Self::V1 => Ok(v1::creating(user, CREATING)),
            Self::V2(_) | Self::V2Access => v2::creating(user, CREATING),
        }
    }

    fn step(&self, user: &User, step: &Step) -> Result<Posting, Failure> {
        match self {
            Self::V1 => v1::step(user, step, doing(step)),
            Self::V2(_) | Self::V2Access => v2::access(user, step, doing(step)),
        }
    }

    fn describing(&self, user: &User, describe: &SetAttributes) -> Result<Vec<Posting>, Failure> {
        match self {
            Self::V1 => Ok(v1::describing(user, describe, DESCRIBING)),
            Self::V2(_) | Self::V2Access => v2::describing(user, describe, DESCRIBING),
        }
    }

    /// What the books are told of `step` before; `None` where the step says it all, or there is nothing to enter.
    fn report(&self, user: &User, step: &Step) -> Result<Option<Posting>, Failure> {
        match self {
            Self::V1 | Self::V2Access => Ok(None),
            Self::V2(books) => v2::report(user, step, books, REPORTING),
        }
    }
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
        match self.upstream.get(self.api.reading(user)?).await {
            Ok(answer) => read_answer(user, &answer, READING),
            Err(failure) if failure.status == Some(404) || no_profile(&failure) => Ok(Profile::absent(user.clone())),
            Err(failure) => Err(failure),
        }
    }

    /// Everything that Adapty shows of `user`, for people; `None` when it does not know them.
    ///
    /// # Errors
    /// [`Failure`]; an answer that cannot be read is transient.
    pub async fn whole(&self, user: &User) -> Result<Option<objects::Profile>, Failure> {
        match self.upstream.get(self.api.reading_whole(user)?).await {
            Ok(answer) => objects::profile(&answer.body).map(Some).ok_or_else(|| {
                Failure::new(Class::Transient, format!("{READING} at adapty: the answer cannot be read"))
            }),
            Err(failure) if failure.status == Some(404) || no_profile(&failure) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Makes a profile for `user`, and answers with it; one that was there already, or that somebody made faster,
    /// is as good.
    ///
    /// # Errors
    /// [`Failure`]; what Adapty said against it, when the profile is still not there.
    pub async fn create(&self, user: &User) -> Result<Profile, Failure> {
        match self.post(self.api.creating(user)?).await {
            Ok(answer) => match read_answer(user, &answer, CREATING) {
                Ok(profile) => Ok(profile),
                Err(unreadable) => self.look(user, unreadable).await,
            },
            Err(failure) => match failure.class {
                Class::Transient | Class::Credentials => Err(failure),
                // A 404 here speaks of the address, not of a profile.
                Class::Permanent | Class::Missing => {
                    self.look(user, Failure { class: Class::Permanent, ..failure }).await
                }
            },
        }
    }

    /// Sends `step`, and answers with the profile as it is then; `None` when `is_ours` said no between two requests, since
    /// somebody else may carry out something newer by now. What Adapty's books refuse keeps nobody from their level.
    ///
    /// # Errors
    /// [`Failure`]: [`Missing`] when the profile must be created first, any other 404 is [`Permanent`]. After a
    /// [`Transient`] the step may have arrived; the profile will show it.
    ///
    /// [`Missing`]: entitlement::failure::Class::Missing
    /// [`Permanent`]: entitlement::failure::Class::Permanent
    /// [`Transient`]: entitlement::failure::Class::Transient
    pub async fn carry_out(
        &self,
        user: &User,
        step: &Step,
        is_ours: impl Fn() -> bool,
    ) -> Result<Option<Profile>, Failure> {
        if let Step::SetAttributes(describe) = step {
            return self.describe(user, describe, is_ours).await;
        }
        if matches!(step, Step::ReportSale(_)) {
            return self.enter(user, step).await.map(Some);
        }
        let mut refused = None;
        if let Step::GrantAccess(GrantAccess { refunded: Some(refunded), .. }) = step {
            match self.give_back(user, step, refunded).await {
                Err(failure) if failure.class == Class::Permanent => refused = Some(failure),
                told => told?,
            }
            if !is_ours() {
                return Ok(None);
            }
        }
        if let Some(report) = self.api.report(user, step)? {
            match self.report(user, step, report).await {
                Ok(profile) if is_done(&profile, step) => return Ok(Some(profile)),
                Ok(_) => {}
                Err(failure) if failure.class == Class::Permanent => refused = Some(failure),
                Err(failure) => return Err(failure),
            }
            if !is_ours() {
                return Ok(None);
            }
        }
        let profile = self.write(user, step, self.api.step(user, step)?, doing(step)).await?;
        refused.map_or(Ok(Some(profile)), Err)
    }

    /// Tells the books alone; where there is nothing to tell them, that is done.
    async fn enter(&self, user: &User, step: &Step) -> Result<Profile, Failure> {
        match self.api.report(user, step)? {
            Some(report) => self.report(user, step, report).await,
            None => self.profile(user).await,
        }
    }

    /// Tells that the money of what `step` takes the place of went back.
    async fn give_back(&self, user: &User, step: &Step, refunded: &Refunded) -> Result<(), Failure> {
        let Some(level) = step.level().cloned() else { return Ok(()) };
        let revoke = Step::RevokeAccess(RevokeAccess {
            level,
            refund: Refund::Yes,
            refunded: Some(refunded.clone()),
            ended: None,
        });
        let posting = match &self.api {
            Api::V1 => Some(self.api.step(user, &revoke)?),
            Api::V2(_) => self.api.report(user, &revoke)?,
            Api::V2Access => None,
        };
        let Some(posting) = posting else { return Ok(()) };
        self.write(user, &revoke, posting, REFUNDING).await.map(drop)
    }

    /// Tells the books, and reads back what that gave, since the answer alone need not show it.
    async fn report(&self, user: &User, step: &Step, report: Posting) -> Result<Profile, Failure> {
        let profile = self.write(user, step, report, REPORTING).await?;
        // an end that is told leaves the level to be taken
        let leaves = matches!(step, Step::RevokeAccess(RevokeAccess { refunded: None, .. }));
        if leaves || is_done(&profile, step) {
            return Ok(profile);
        }
        self.profile(user).await.map_err(of_look)
    }

    async fn write(&self, user: &User, step: &Step, posting: Posting, what: &str) -> Result<Profile, Failure> {
        match self.post(posting).await {
            Ok(answer) => match read_answer(user, &answer, what) {
                Ok(profile) => Ok(profile),
                Err(unreadable) => self.look(user, unreadable).await.map_err(of_look),
            },
            Err(failure) if is_revoked_already(step, &failure) => self.profile(user).await.map_err(of_look),
            Err(failure) => Err(of_write(failure)),
        }
    }

    /// Tells details, in as many requests as they need; each may be repeated.
    async fn describe(
        &self,
        user: &User,
        describe: &SetAttributes,
        is_ours: impl Fn() -> bool,
    ) -> Result<Option<Profile>, Failure> {
        let mut profile = None;
        for posting in self.api.describing(user, describe)? {
            if profile.is_some() && !is_ours() {
                return Ok(None);
            }
            profile = Some(self.patch(user, posting).await?);
        }
        Ok(profile)
    }

    async fn patch(&self, user: &User, posting: Posting) -> Result<Profile, Failure> {
        match self.upstream.send(Method::Patch, posting.call, &posting.body).await {
            Ok(answer) => match read_answer(user, &answer, DESCRIBING) {
                Ok(profile) => Ok(profile),
                Err(unreadable) => self.look(user, unreadable).await.map_err(of_look),
            },
            Err(failure) if failure.status == Some(404) => Err(Failure { class: Class::Missing, ..failure }),
            Err(failure) => Err(of_write(failure)),
        }
    }

    async fn post(&self, posting: Posting) -> Result<Answer, Failure> {
        self.upstream.send(Method::Post, posting.call, &posting.body).await
    }

    /// The profile as it stands; `otherwise` when it is not there.
    async fn look(&self, user: &User, otherwise: Failure) -> Result<Profile, Failure> {
        let profile = self.profile(user).await?;
        if profile.exists { Ok(profile) } else { Err(otherwise) }
    }
}

/// Whether what was reported of `step` did all that it asks for, so that nothing is left to send.
fn is_done(profile: &Profile, step: &Step) -> bool {
    let shown = step.level().and_then(|level| profile.level(level));
    match step {
        Step::GrantAccess(_) => arrived(shown, step),
        Step::RevokeAccess(revoke) => revoke.refunded.as_ref().is_some_and(|refunded| !is_left(shown, refunded)),
        Step::ReportSale(_) => true,
        Step::SetAttributes(_) => false,
    }
}

fn doing(step: &Step) -> &'static str {
    match step {
        Step::GrantAccess(_) => "granting the access level",
        Step::RevokeAccess(_) => "revoking the access level",
        Step::SetAttributes(_) => DESCRIBING,
        Step::ReportSale(_) => REPORTING,
    }
}

fn read_answer(user: &User, answer: &Answer, what: &str) -> Result<Profile, Failure> {
    read::profile(user, &answer.body).map_err(|unreadable| {
        let words = format!("{what} at adapty: {unreadable}");
        Failure { status: Some(answer.status), ..Failure::new(Class::Transient, words) }
    })
}

/// Whether Adapty says that it does not know the customer; its pages give the code with 400 as well as with 404.
fn no_profile(failure: &Failure) -> bool {
    let named = matches!(failure.code.as_deref(), Some("profile_does_not_exist" | "profile_not_found"));
    named && matches!(failure.status, Some(400 | 404))
}

fn is_revoked_already(step: &Step, failure: &Failure) -> bool {
    let codes = ["profile_paid_access_level_does_not_exist", "revocation_date_more_than_expiration_date"];
    let gone = failure.code.as_deref().is_some_and(|code| codes.contains(&code));
    gone && matches!(step, Step::RevokeAccess(_)) && matches!(failure.status, Some(400 | 404))
}

/// A refused write, classified: a missing profile can be created, anything else that is missing cannot.
fn of_write(failure: Failure) -> Failure {
    if no_profile(&failure) {
        return Failure { class: Class::Missing, ..failure };
    }
    match failure.class {
        Class::Missing => Failure { class: Class::Permanent, ..failure },
        Class::Transient | Class::Permanent | Class::Credentials => failure,
    }
}

/// A failed look after a write that arrived: whatever it says, the write was not refused, so it is looked at again.
fn of_look(failure: Failure) -> Failure {
    match failure.class {
        Class::Permanent | Class::Missing => Failure { class: Class::Transient, ..failure },
        Class::Transient | Class::Credentials => failure,
    }
}
