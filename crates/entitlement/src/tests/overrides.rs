//! What operators override: promotions, blocks, and attributes.

use super::*;
use crate::model::attributes::{AttributeLimits, AttributeName, AttributeValue, Fact, SetAttributes, SourcedAttribute};
use crate::model::overrides::{Block, PromotionalGrant};
use crate::model::reason::Reason;
use crate::model::rules::Protocol;
use crate::status::{Carried, Status as SaleStatus};

/// The end of a paid first month that will renew.
fn month_end() -> Until {
    Until::At(day(30) + hours(2))
}

fn promotion(id: &str, until: Until) -> PromotionalGrant {
    let (by, why) = ("ops".to_owned(), "a week for free".to_owned());
    PromotionalGrant { id: id.into(), level: level("premium"), until, by, why, ended: false }
}

/// Nobody paid, and an operator gave a week.
fn given() -> Case {
    let mut case = of(day(3), []);
    case.overrides.promotions.push(promotion("promo_1", Until::At(day(10))));
    case
}

fn block(name: &str) -> Block {
    Block { level: level(name), by: "ops".into(), why: String::new() }
}

#[test]
fn a_promotion_gives_the_level_without_a_transaction_and_ends_by_itself() {
    for protocol in [Protocol::AccessWithSale, Protocol::SalesAndAccess, Protocol::AccessOnly] {
        let mut case = given();
        case.rules.protocol = protocol;
        let plan = decide(&case);
        let Step::GrantAccess(grant) = &plan.steps[0].step else { panic!("{plan:?}") };
        assert!(grant.is_bare() && grant.sale.price.is_none(), "{protocol:?}");
        assert_eq!((grant.until, plan.sync_again_at), (Until::At(day(10)), Some(day(10))));
        let status = SaleStatus::of(&case, &plan, Carried::Out);
        assert_eq!(status.levels[0].store.as_deref(), Some("adapty"));
        carry_out(&mut case);
        assert_eq!(steps(&case), [""; 0], "once is enough");
        case.now = day(10);
        assert_eq!(steps(&case), [""; 0], "nothing is left to take");
    }
}

#[test]
fn a_promotion_never_shortens_what_was_paid_and_is_never_shortened_by_it() {
    let mut case = of(day(3), [first_month()]);
    case.overrides.promotions.push(promotion("promo_1", Until::At(day(10))));
    assert_eq!(decide(&case).expected.entitlements[0].until, month_end());
    case.overrides.promotions[0].until = Until::At(day(60));
    let right = &decide(&case).expected.entitlements[0];
    assert_eq!((right.until, right.sale.id.as_str()), (Until::At(day(60)), "sub_1"), "and its money is reported");
    let cancelled = Subscription { status: Status::Canceled, ended_at: Some(day(4)), ..first_month() };
    let case = later(case, day(4), [cancelled]);
    let plan = decide(&case);
    assert!(plan.steps.iter().all(|planned| matches!(planned.step, Step::GrantAccess(_))), "{plan:?}");
    assert_eq!(plan.expected.entitlements[0].until, Until::At(day(60)), "the end of what was paid takes nothing");
}

#[test]
fn whoever_pays_after_a_promotion_is_reported_as_a_payer() {
    let case = later(given(), day(4), [first_month()]);
    assert_eq!(steps(&case), [format!("grant premium until {} by sub_1", month_end())]);
    // the same end does not hide the money
    let mut life = given();
    life.overrides.promotions[0].until = Until::Lifetime;
    let life = later(life, day(4), [first_month()]);
    assert_eq!(steps(&life), ["grant premium until for life by sub_1"]);
}

#[test]
fn the_longest_promotion_counts_and_ending_one_leaves_the_others() {
    let mut case = given();
    case.overrides.promotions.push(promotion("promo_2", Until::At(day(20))));
    carry_out(&mut case);
    case.now = day(4);
    case.overrides.promotions[1].ended = true;
    assert_eq!(steps(&case), [format!("grant premium until {} by promo_1", Until::At(day(10)))]);
    carry_out(&mut case);
    case.now = day(5);
    case.overrides.promotions[0].ended = true;
    let plan = decide(&case);
    assert_eq!(steps(&case), ["revoke premium"]);
    assert_eq!(plan.steps[0].because, Reason::PromotionEnded { promotion: "promo_1".into() });
}

#[test]
fn a_promotion_that_another_store_outlasts_needs_nothing_and_nobody_pays_twice() {
    let mut case = given();
    case.profile.levels = vec![foreign("premium", Until::At(day(90)))];
    let plan = decide(&case);
    assert_eq!((plan.steps.len(), plan.notes.len()), (0, 1));
    assert!(!plan.notes.iter().any(|note| matches!(note.because, Reason::PaidTwice { .. })));
}

#[test]
fn a_block_withholds_what_is_paid_until_it_is_lifted_whatever_is_known() {
    let mut case = later(of(day(3), [first_month()]), day(4), [first_month()]);
    case.overrides.blocks.push(block("premium"));
    assert_eq!(steps(&case), ["revoke premium"]);
    let plan = decide(&case);
    let status = SaleStatus::of(&case, &plan, Carried::Out);
    assert!(!status.levels[0].is_active(case.now, true), "{status:?}");
    assert!(status.levels[0].because.contains("blocked"));
    let mut unknown = case.clone();
    unknown.billing.subscriptions[0].status = Status::Unknown("dormant".into());
    assert_eq!(steps(&unknown), ["revoke premium"]);
    carry_out(&mut case);
    (case.now, case.overrides.blocks) = (day(5), vec![]);
    assert_eq!(steps(&case), [format!("grant premium until {} by sub_1", month_end())]);
}

#[test]
fn a_block_takes_nothing_from_another_store() {
    let mut case = of(day(3), []);
    case.profile.levels = vec![foreign("premium", Until::At(day(90)))];
    case.overrides.blocks.push(block("premium"));
    assert_eq!(steps(&case), [""; 0]);
}

/// `plan` comes from the customer's metadata.
fn sourced_attributes() -> Case {
    let mut case = of(day(3), [first_month()]);
    let name = AttributeName::parse("plan").unwrap();
    case.rules.sourced_attributes.push(SourcedAttribute { name, from: "customer.metadata.plan".into() });
    case.billing.facts.insert("customer.metadata.plan".into(), Fact("gold".into()));
    carry_out(&mut case);
    case
}

fn order(case: &mut Case, name: &str, value: Option<&str>) {
    case.overrides.attributes.insert(AttributeName::parse(name).unwrap(), value.map(AttributeValue::read));
}

#[test]
fn an_attribute_is_set_once_and_again_when_it_changes_or_is_gone() {
    let mut case = sourced_attributes();
    assert_eq!(steps(&case), [""; 0]);
    case.now = day(4);
    case.billing.facts.insert("customer.metadata.plan".into(), Fact("silver".into()));
    assert_eq!(steps(&case), ["set plan=silver"]);
    carry_out(&mut case);
    case.billing.facts.clear();
    assert_eq!(steps(&case), [""; 0], "unknown is not no");
    case.billing.facts.insert("customer.metadata.plan".into(), Fact(String::new()));
    assert_eq!(steps(&case), ["set no plan"]);
    carry_out(&mut case);
    assert_eq!(steps(&case), [""; 0]);
}

#[test]
fn an_operators_attribute_wins_and_stays_when_the_source_has_another() {
    let mut case = sourced_attributes();
    order(&mut case, "plan", Some("staff"));
    order(&mut case, "profile:email", Some("ann@example.com"));
    assert_eq!(steps(&case), ["set plan=staff profile:email=ann@example.com"]);
    carry_out(&mut case);
    order(&mut case, "plan", None);
    assert_eq!(steps(&case), ["set profile:email=ann@example.com no plan"]);
    let text = format!("{:?}", decide(&case));
    assert!(!text.contains("ann@"), "what is set of a user never prints");
    assert!(!crate::render::render(&case, &decide(&case)).contains("ann@"));
    assert!(!serde_json::to_string(&case.anonymous()).unwrap().contains("ann@"));
}

#[test]
fn what_was_sent_and_never_answered_is_taken_back_too() {
    let mut case = sourced_attributes();
    case.billing.facts.insert("customer.metadata.plan".into(), Fact("silver".into()));
    order(&mut case, "colour", Some("blue"));
    let plan = decide(&case);
    write_down(&mut case.ledger, &plan, case.now);
    assert_eq!(steps(&case), ["set colour=blue plan=silver"], "the same key again");
    assert_eq!(decide(&case).steps[0].key, plan.steps[0].key);
    order(&mut case, "colour", None);
    case.billing.facts.insert("customer.metadata.plan".into(), Fact("gold".into()));
    let plan = decide(&case);
    assert_eq!(steps(&case), ["set plan=gold no colour"], "though that was sent before");
    assert_eq!(plan.dropped.len(), 1);
}

#[test]
fn what_is_too_long_or_too_many_is_left_out_with_an_alarm() {
    let mut case = sourced_attributes();
    case.rules.limits = AttributeLimits { attributes: 2, characters: 5 };
    order(&mut case, "plan", Some("plain"));
    order(&mut case, "aside", Some("far too long"));
    order(&mut case, "size", Some("9"));
    order(&mut case, "zone", Some("north"));
    order(&mut case, "profile:email", Some("somebody@example.com"));
    assert_eq!(steps(&case), ["set plan=plain profile:email=somebody@example.com size=9"]);
    let alarms: Vec<String> = decide(&case).expected.alarms.iter().map(ToString::to_string).collect();
    assert_eq!(
        alarms,
        [
            "attribute `aside` is left out, since its value is longer than 5 characters",
            "attribute `zone` is left out, since there are more than 2 attributes"
        ]
    );
}

#[test]
fn nobody_is_made_known_for_what_the_source_says_of_them_alone() {
    let mut case = sourced_attributes();
    (case.profile, case.ledger) = (Profile::absent(case.profile.user), crate::model::ledger::Ledger::default());
    case.billing.subscriptions.clear();
    assert_eq!(steps(&case), [""; 0]);
    order(&mut case, "colour", None);
    assert_eq!(steps(&case), [""; 0], "nor for what is to be gone");
    order(&mut case, "colour", Some("blue"));
    assert_eq!(steps(&case), ["set colour=blue plan=gold"]);
}

#[test]
fn what_arrived_unanswered_is_set_right_also_when_the_old_word_is_wanted_again() {
    let mut case = sourced_attributes();
    case.billing.facts.insert("customer.metadata.plan".into(), Fact("silver".into()));
    let plan = decide(&case);
    write_down(&mut case.ledger, &plan, case.now);
    case.billing.facts.insert("customer.metadata.plan".into(), Fact("gold".into()));
    assert_eq!(steps(&case), ["set plan=gold"], "silver may stand there");
    carry_out(&mut case);
    assert_eq!(steps(&case), [""; 0]);
}

#[test]
fn a_deletion_that_was_never_answered_is_made_again() {
    let mut case = of(day(3), [first_month()]);
    order(&mut case, "profile:email", Some("ann@example.com"));
    for _ in 0..3 {
        let plan = decide(&case);
        write_down(&mut case.ledger, &plan, case.now);
        case.now += seconds(60);
        order(&mut case, "profile:email", None);
    }
    assert!(steps(&case).contains(&"set no profile:email".to_owned()), "{:?}", steps(&case));
    carry_out(&mut case);
    case.now += seconds(60);
    assert_eq!(steps(&case), [""; 0]);
}

#[test]
fn what_another_wrote_is_deleted_on_an_operators_word_and_a_new_profile_gets_all() {
    let mut case = of(day(3), []);
    order(&mut case, "colour", None);
    assert_eq!(steps(&case), ["set no colour"]);
    carry_out(&mut case);
    assert_eq!(steps(&case), [""; 0]);
    order(&mut case, "size", Some("9"));
    assert_eq!(steps(&case), ["set size=9"], "it is gone");
    carry_out(&mut case);
    order(&mut case, "size", Some("10"));
    carry_out(&mut case);
    assert_eq!(steps(&case), [""; 0], "it is remembered, however much is sent after it");
    order(&mut case, "size", Some("9"));
    carry_out(&mut case);
    case.profile = Profile::absent(case.profile.user);
    assert_eq!(steps(&case), ["set size=9 no colour"], "it was deleted, and made anew");
}

#[test]
fn what_was_deleted_once_is_not_deleted_with_every_later_word() {
    let mut case = of(day(3), []);
    for number in 0..20 {
        order(&mut case, &format!("a{number:02}"), Some("1"));
        carry_out(&mut case);
        order(&mut case, &format!("a{number:02}"), None);
        assert_eq!(steps(&case), [format!("set no a{number:02}")]);
        carry_out(&mut case);
    }
    assert_eq!(steps(&case), [""; 0]);
    case.overrides.attributes.clear();
    assert_eq!(steps(&case), [""; 0], "an order that is forgotten leaves what is gone");
    order(&mut case, "plan", Some("gold"));
    assert_eq!(steps(&case), ["set plan=gold"]);
}

#[test]
fn a_deletion_sent_by_a_version_that_repeated_each_counts_as_sent() {
    let mut case = of(day(3), []);
    let name = |text: &str| AttributeName::parse(text).unwrap();
    order(&mut case, "plan", Some("gold"));
    order(&mut case, "zone", None);
    let attributes = [(name("plan"), AttributeValue::read("gold"))].into();
    let sent = SetAttributes { attributes, gone: ["old", "zone"].map(name).into(), ..SetAttributes::default() };
    let key = crate::model::key::StepKey::stored("k".into());
    let state = crate::model::ledger::State::Confirmed { at: day(2) };
    case.ledger.entries.push(crate::model::ledger::Entry { seq: 1, key, step: Step::SetAttributes(sent), state });
    assert_eq!(steps(&case), [""; 0]);
    order(&mut case, "plan", Some("silver"));
    assert_eq!(steps(&case), ["set plan=silver"]);
}

#[test]
fn a_field_is_sent_only_what_it_takes() {
    let name = |text: &str| AttributeName::parse(text).unwrap();
    let fits = |of: &str, text: &str| name(of).unfit(&AttributeValue::read(text)).is_none();
    for (of, sound, odd) in [
        ("profile:birthday", "1990-02-28", "1990-02-30"),
        ("profile:birthday", "2000-12-01", "tomorrow"),
        ("profile:gender", "o", "woman"),
        ("profile:ip_country", "DE", "Germany"),
        ("profile:ip_country", "de", "D1"),
    ] {
        assert!(fits(of, sound) && !fits(of, odd), "{of}");
    }
    assert!(fits("birthday", "tomorrow"), "an attribute is the app's own");
    let mut case = of(day(3), [first_month()]);
    for (of, value) in [("profile:gender", "woman"), ("profile:email", "ann@example.com")] {
        case.rules.sourced_attributes.push(SourcedAttribute { name: name(of), from: of.into() });
        case.billing.facts.insert(of.into(), Fact(value.into()));
    }
    let plan = decide(&case);
    assert!(steps(&case).contains(&"set profile:email=ann@example.com".to_owned()), "{plan:?}");
    let alarms: Vec<String> = plan.expected.alarms.iter().map(ToString::to_string).collect();
    assert_eq!(alarms, ["attribute `profile:gender` is left out, since its value is not f, m or o"]);
}

#[test]
fn a_refund_with_a_promotion_is_reported_before_the_promotion() {
    for protocol in [Protocol::AccessWithSale, Protocol::SalesAndAccess] {
        let mut case = of(day(3), [first_month()]);
        case.rules.protocol = protocol;
        let mut case = later(case, day(4), [first_month()]);
        case.billing.subscriptions[0].invoices[0].money_back = refund(999);
        case.overrides.promotions.push(promotion("promo_1", Until::At(day(11))));
        // what reports the refund would take the promotion too
        let first = match protocol {
            Protocol::SalesAndAccess => "report sub_1 as refund",
            _ => "revoke premium as refund",
        };
        let sent = [first, "grant premium until 2026-01-12T00:00:00Z by promo_1"];
        assert_eq!(steps(&case), sent);
        carry_out(&mut case);
        assert_eq!(steps(&case), [""; 0], "once");
    }
}

#[test]
fn the_names_of_attributes_are_those_that_adapty_takes() {
    for name in ["plan", "a.b-c_D9", "profile:email", "profile:birthday", &"x".repeat(30)] {
        assert_eq!(AttributeName::parse(name).unwrap().as_str(), name);
    }
    for name in ["", "two words", "profile:shoe_size", "email@work", "é", &"x".repeat(31)] {
        assert!(AttributeName::parse(name).unwrap_err().to_string().contains("is no attribute; write"), "{name}");
    }
    let numbers = ["12", "-0.5", "0", "10.00", "123456789012345"];
    assert!(numbers.iter().all(|text| matches!(AttributeValue::read(text), AttributeValue::Number(_))));
    let texts = ["", "-", "1.", ".5", "007", "1e5", "+1", "1 2", "1234567890123456"];
    assert!(texts.iter().all(|text| matches!(AttributeValue::read(text), AttributeValue::Text(_))));
}

#[test]
fn what_may_have_arrived_is_not_forgotten_while_its_deletion_is_refused() {
    let mut case = of(day(3), []);
    order(&mut case, "plan", Some("gold"));
    let plan = decide(&case);
    write_down(&mut case.ledger, &plan, case.now);
    order(&mut case, "plan", None);
    let deletion = decide(&case).steps.remove(0);
    let state = crate::model::ledger::State::Refused { at: day(3), why: "no".into() };
    case.ledger.entries.push(crate::model::ledger::Entry { seq: 9, key: deletion.key, step: deletion.step, state });
    let plan = decide(&case);
    assert_eq!((plan.steps.len(), plan.dropped.len(), plan.refused.len()), (0, 0, 1));
}
