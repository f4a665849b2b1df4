//! What a sync finds for a human, and what to do about it in a sentence.

use entitlement::model::account::Account;
use entitlement::model::failure::Failure;
use entitlement::model::key::StepKey;
use entitlement::model::plan::{Note, Plan};
use entitlement::model::reason::Reason;
use entitlement::model::step::{GrantAccess, RevokeAccess, Step};
use entitlement::model::user::User;
use entitlement::retry;
use source::sources::Sources;
use store::record::{Attention, AttentionKind};

use crate::outcome::Outcome;

/// An account whose user nobody knows.
pub(crate) fn unknown_user(account: &Account, reason: String, sources: &Sources) -> Outcome {
    let attention = Attention {
        kind: AttentionKind::UnknownUser,
        user: None,
        subject: account.as_str().to_owned(),
        reason,
        hint: format!("{}; it is released by itself", sources.how_to_name(account)),
    };
    Outcome { attention: vec![attention], ..Outcome::default() }
}

/// What needs attention after a decision, and when it wants another sync.
pub(crate) fn of_plan(user: &User, plan: &Plan) -> Outcome {
    let unknown = plan.expected.unknown.iter();
    let mut attention: Vec<Attention> =
        unknown.map(|unknown| of_unknown(user, unknown.chain.as_deref(), &unknown.because)).collect();
    attention.dedup();
    attention.extend(plan.refused.iter().map(|refused| refused_step(user, &refused.key, &refused.step, &refused.why)));
    attention.extend(plan.notes.iter().filter_map(|note| not_shown(user, note)));
    let waits_for_nothing = plan.sync_again_at.is_none() || plan.waits_for_other_stores_only;
    let is_settled = waits_for_nothing && plan.refused.is_empty() && plan.steps.is_empty();
    Outcome { attention, due: plan.sync_again_at, is_settled, ..Outcome::default() }
}

/// Accepted so often without being shown that a human should know.
fn not_shown(user: &User, note: &Note) -> Option<Attention> {
    match note.because {
        Reason::AcceptedButNotShown { times } if times >= 3 => Some(Attention {
            kind: AttentionKind::NotShown,
            user: Some(user.clone()),
            subject: note.level.0.clone(),
            reason: format!("`{}`: {}", note.level, note.because),
            hint: "check the profile in the destination's dashboard; another integration may write the same level"
                .into(),
        }),
        _ => None,
    }
}

fn of_unknown(user: &User, chain: Option<&str>, because: &Reason) -> Attention {
    let whole = || chain.unwrap_or("everything").to_owned();
    let (kind, subject, hint) = match because {
        Reason::UnmappedPrice { price, product, .. } => {
            let hint = format!(
                "add a [[catalog]] entry with `price = \"{price}\"` or `product = \"{product}\"` and its access_level, \
                 or `ignore = true` when it is to open nothing, then restart; it is released by itself"
            );
            (AttentionKind::UnmappedPrice, price.clone(), hint)
        }
        Reason::NoDuration { price, .. } => {
            let hint = "add `duration = \"30d\"` or `duration = \"lifetime\"` to its [[catalog]] entry, then restart";
            (AttentionKind::UnmappedPrice, price.clone(), hint.to_owned())
        }
        Reason::OtherMode => (
            AttentionKind::UnknownState,
            whole(),
            "set the source's key to one of the mode (test or live) that this account is in".to_owned(),
        ),
        Reason::SimulatedTime { .. } => (
            AttentionKind::UnknownState,
            whole(),
            "set `policy.test_clocks = \"allow\"` if it is meant to count".to_owned(),
        ),
        Reason::NotRead { .. } => (
            AttentionKind::UnknownState,
            whole(),
            "let the key read this: see `grantsync check`; where it may, update grantsync or report it".to_owned(),
        ),
        _ => (
            AttentionKind::UnknownState,
            whole(),
            "nothing is taken away meanwhile; update grantsync, or report it where that does not help".to_owned(),
        ),
    };
    Attention { kind, user: Some(user.clone()), subject, reason: because.sentence(), hint }
}

/// A step that the destination will not take, or did not in three days.
fn refused_step(user: &User, key: &StepKey, step: &Step, why: &str) -> Attention {
    let (what, hint) = match retry::is_given_up(why) {
        true => ("", "make sure that the destination answers (see `grantsync check`)".to_owned()),
        false => ("refused: ", remedy_of_refusal(step)),
    };
    Attention {
        kind: AttentionKind::RefusedStep,
        user: Some(user.clone()),
        subject: key.as_str().to_owned(),
        reason: format!("the {} of `{}` was {what}{why}", step.kind(), step.subject()),
        hint: format!("{hint}, then `grantsync parked release`"),
    }
}

fn remedy_of_refusal(step: &Step) -> String {
    match step {
        Step::GrantAccess(GrantAccess { level, .. }) | Step::RevokeAccess(RevokeAccess { level, .. }) => {
            format!("make the access level `{level}` known to the destination")
        }
        Step::SetAttributes(_) => "correct the user's attributes (`grantsync attributes`, or their source)".to_owned(),
        Step::ReportSale(_) => {
            "make store and product known to the destination (at IAPHUB, see that `iaphub.create_path` is right)"
                .to_owned()
        }
    }
}

/// One of several that cannot be synced as things are, while the others were.
pub(crate) fn not_synced(account: &Account, whom: &str, failure: &Failure) -> Attention {
    let hint = format!("remove the cause, then `grantsync resync {account}`; what was granted stays to its end");
    let (subject, reason) = (whom.to_owned(), format!("{whom} could not be synced: {failure}"));
    Attention { kind: AttentionKind::SyncFailed, user: None, subject, reason, hint }
}

/// A sync that cannot succeed as things are.
pub(crate) fn sync_failed(account: &Account, why: String, gone: bool) -> Attention {
    let hint = if gone {
        "the source does not know it: wrong key or mode, or deleted; what was granted stays to its end".to_owned()
    } else {
        format!("remove the cause, then `grantsync resync {account}`; what was granted stays to its end")
    };
    let subject = account.as_str().to_owned();
    Attention { kind: AttentionKind::SyncFailed, user: None, subject, reason: why, hint }
}

#[cfg(test)]
mod tests {
    use entitlement::model::access_level::AccessLevel;
    use entitlement::model::expected::Refund;

    use super::*;

    fn user() -> User {
        User::new("u-1").unwrap()
    }

    fn hint_for_revoke(why: &str) -> Attention {
        let step = Step::RevokeAccess(RevokeAccess { level: AccessLevel("premium".into()), refund: Refund::No });
        refused_step(&user(), &StepKey::stored("k".into()), &step, why)
    }

    #[test]
    fn what_the_key_may_not_read_asks_for_its_permission_and_not_for_an_update() {
        let because = Reason::NotRead { what: "subscriptions (status 403)".into() };
        let attention = of_unknown(&user(), None, &because);
        assert!(attention.reason.starts_with("grantsync could not read subscriptions (status 403); "), "{attention:?}");
        assert!(attention.hint.starts_with("let the key read this: see `grantsync check`"), "{attention:?}");
    }

    #[test]
    fn a_refused_step_asks_for_its_level_and_one_that_was_given_up_for_an_answer() {
        let refused = hint_for_revoke("revoking (status 400)");
        assert_eq!(refused.reason, "the revoke of `premium` was refused: revoking (status 400)");
        assert!(refused.hint.starts_with("make the access level `premium` known"), "{refused:?}");
        let given_up = hint_for_revoke(&retry::given_up("revoking (status 503)"));
        assert_eq!(
            given_up.reason,
            "the revoke of `premium` was given up after three days of tries: revoking (status 503)"
        );
        assert_eq!(
            given_up.hint,
            "make sure that the destination answers (see `grantsync check`), then `grantsync parked release`"
        );
    }
}
