//! A decision as text: what is expected, why, and what is done.

use std::fmt;

use crate::case::Case;
use crate::model::attributes::SetAttributes;
use crate::model::clock::Timestamp;
use crate::model::expected::{Entitlement, Expected, Refund, Withheld};
use crate::model::key::StepKey;
use crate::model::plan::{Plan, PlannedStep, RefusedStep};
use crate::model::sale::{Offer, Sale};
use crate::model::step::{SaleEvent, Step};
use crate::model::until::Until;

/// `plan` of `case`, line by line. It names no user.
#[must_use]
pub fn render(case: &Case, plan: &Plan) -> String {
    let mut text = Text(String::new());
    let Case { rules, now, .. } = case;
    text.line(0, format_args!("at {}: {}, {} mode", time(*now), rules.destination, rules.mode.as_str()));
    expected(&plan.expected, &mut text);
    steps(plan, &mut text);
    text.list("why nothing is sent", &plan.notes, |note| format!("{}: {}", note.level, note.because));
    let next = plan.sync_again_at.map_or_else(|| "on the next event, or `grantsync resync`".to_owned(), time);
    text.line(0, format_args!("next sync: {next}"));
    text.0
}

/// What is expected and why, line by line, when nothing can be said of what is done about it.
#[must_use]
pub fn render_expected(of: &Expected) -> String {
    let mut text = Text(String::new());
    expected(of, &mut text);
    text.0
}

fn expected(expected: &Expected, text: &mut Text) {
    let title = if expected.entitlements.is_empty() { "expected: nothing" } else { "expected:" };
    text.line(0, format_args!("{title}"));
    expected.entitlements.iter().for_each(|right| entitlement(right, text));
    text.list("withheld", &expected.withheld, withheld);
    text.list("unknown", &expected.unknown, |unknown| unknown.because.to_string());
    text.list("warnings", &expected.alarms, ToString::to_string);
}

fn entitlement(right: &Entitlement, text: &mut Text) {
    text.line(1, format_args!("{} {}", right.level, lasting(right.until)));
    text.line(2, format_args!("because {}", right.because));
    text.line(2, format_args!("sale {}", sale(&right.sale)));
    let renews = if right.will_renew { "will renew" } else { "will not renew" };
    let grace = if right.in_grace { ", in grace" } else { "" };
    text.line(2, format_args!("{renews}{grace}"));
}

fn withheld(no: &Withheld) -> String {
    let refund = if no.refund == Refund::Yes { " (refund)" } else { "" };
    format!("{}{refund}: {}", no.level, no.because)
}

fn sale(of: &Sale) -> String {
    let Sale { original, id, product, base_plan, price, offer, status: _ } = of;
    let place = if id == original { "first payment".to_owned() } else { format!("a later payment of {original}") };
    let price = match price {
        Some(price) => format!("{} {}", price.major(), price.code()),
        None => "price unknown".to_owned(),
    };
    let offer = match offer {
        Some(Offer::FreeTrial) => ", free trial".to_owned(),
        Some(Offer::Coupon(id)) => format!(", coupon {id}"),
        Some(Offer::Code(id)) => format!(", code {id}"),
        None => String::new(),
    };
    format!("{id}, {place}, {price}{offer}, product {product}, plan {base_plan}")
}

fn steps(plan: &Plan, text: &mut Text) {
    text.list("already there (the profile shows it)", &plan.settled, short);
    text.list("no longer wanted (dropped)", &plan.dropped, short);
    if plan.steps.is_empty() {
        text.line(0, format_args!("steps: nothing to send"));
    }
    text.list("steps", &plan.steps, step);
    text.list("refused", &plan.refused, refused);
}

fn step(planned: &PlannedStep) -> String {
    let PlannedStep { key, step, because, .. } = planned;
    let what = match step {
        Step::GrantAccess(grant) => lasting(grant.until),
        Step::RevokeAccess(revoke) => {
            if revoke.refund == Refund::Yes { "as a refund" } else { "without a refund" }.to_owned()
        }
        Step::SetAttributes(set) => names(set),
        Step::ReportSale(report) => event(report.event).to_owned(),
    };
    format!("{} {} {} {what}: {because}", short(key), step.kind(), step.subject())
}

fn refused(of: &RefusedStep) -> String {
    format!("{} {} {}: {}", short(&of.key), of.step.kind(), of.step.subject(), of.why)
}

fn event(event: SaleEvent) -> &'static str {
    match event {
        SaleEvent::Sold => "as sold",
        SaleEvent::Changed => "as changed",
        SaleEvent::Refunded(_) => "as a refund",
        SaleEvent::Ended(_) => "as ended",
    }
}

/// Names alone: values may be personal.
fn names(set: &SetAttributes) -> String {
    let named = set.attributes.keys().filter(|_| !set.deletes_only).map(ToString::to_string);
    named.chain(set.gone.iter().map(|name| format!("no {name}"))).collect::<Vec<_>>().join(", ")
}

fn lasting(until: Until) -> String {
    match until {
        Until::At(_) => format!("until {until}"),
        Until::Lifetime => until.to_string(),
    }
}

fn short(key: &StepKey) -> String {
    key.as_str().chars().take(12).collect()
}

fn time(at: Timestamp) -> String {
    Until::At(at).to_string()
}

/// Lines, indented by two blanks a depth.
struct Text(String);

impl Text {
    fn line(&mut self, depth: usize, line: fmt::Arguments<'_>) {
        self.0.extend(std::iter::repeat_n("  ", depth));
        // an id from elsewhere ends no line
        for sign in line.to_string().chars() {
            if sign.is_control() { self.0.extend(sign.escape_default()) } else { self.0.push(sign) }
        }
        self.0.push('\n');
    }

    fn list<T>(&mut self, title: &str, of: &[T], line: impl Fn(&T) -> String) {
        if of.is_empty() {
            return;
        }
        self.line(0, format_args!("{title}:"));
        of.iter().for_each(|one| self.line(1, format_args!("{}", line(one))));
    }
}
