//! A decision as text: what is owed, why, and what is done.

use std::fmt::{self, Write};

use crate::attributes::SetAttributes;
use crate::clock::Timestamp;
use crate::decide::Case;
use crate::key::StepKey;
use crate::plan::{Entitlement, Expected, Offer, Plan, PlannedStep, Refund, Sale, SaleEvent, Step, Until};

/// `plan` of `case`, line by line. It names no customer.
#[must_use]
pub fn explain(case: &Case, plan: &Plan) -> String {
    let mut text = Text(String::new());
    let Case { rules, now, .. } = case;
    text.line(0, format_args!("at {}: {}, {} mode", day(*now), rules.destination, rules.mode.as_str()));
    expected(&plan.expected, &mut text);
    steps(plan, &mut text);
    text.list("notes", &plan.notes, |note| format!("{}: {}", note.level, note.because));
    let next = plan.sync_again_at.map_or_else(|| "only when something changes".to_owned(), day);
    text.line(0, format_args!("next look: {next}"));
    text.0
}

/// What is owed and why, line by line, when nothing can be said of what is done about it.
#[must_use]
pub fn owed_alone(of: &Expected) -> String {
    let mut text = Text(String::new());
    expected(of, &mut text);
    text.0
}

fn expected(expected: &Expected, text: &mut Text) {
    if expected.owed.is_empty() {
        text.line(0, format_args!("owed: nothing"));
    } else {
        text.line(0, format_args!("owed:"));
    }
    expected.owed.iter().for_each(|right| owed(right, text));
    text.list("withheld", &expected.withheld, |no| {
        let refund = if no.refund == Refund::Yes { " (refund)" } else { "" };
        format!("{}{refund}: {}", no.level, no.because)
    });
    text.list("unsure", &expected.unknown, |unsure| unsure.because.to_string());
    text.list("alarms", &expected.alarms, ToString::to_string);
}

fn owed(right: &Entitlement, text: &mut Text) {
    text.line(1, format_args!("{} {}", right.level, lasting(right.until)));
    text.line(2, format_args!("because {}", right.because));
    text.line(2, format_args!("transaction {}", sale(&right.sale)));
    let renews = if right.will_renew { "will renew" } else { "will not renew" };
    let grace = if right.in_grace { ", in grace" } else { "" };
    text.line(2, format_args!("{renews}{grace}"));
}

fn sale(of: &Sale) -> String {
    let Sale { original, id, product, base_plan, price, offer, status: _ } = of;
    let place = if id == original { "first of its chain".to_owned() } else { format!("in the chain of {original}") };
    let price =
        price.as_ref().map_or_else(|| "price not told".to_owned(), |of| format!("{} {}", of.major(), of.code()));
    let offer = match offer {
        Some(Offer::FreeTrial) => ", free trial".to_owned(),
        Some(Offer::Coupon(id)) => format!(", coupon {id}"),
        Some(Offer::Code(id)) => format!(", code {id}"),
        None => String::new(),
    };
    format!("{id}, {place}, {price}{offer}, product {product}, plan {base_plan}")
}

fn steps(plan: &Plan, text: &mut Text) {
    text.list("seen by now", &plan.settled, short);
    text.list("no longer wanted", &plan.dropped, short);
    if plan.steps.is_empty() {
        text.line(0, format_args!("steps: none"));
    }
    text.list("steps", &plan.steps, step);
    text.list("refused", &plan.refused, |of| {
        format!("{} {} {}: {}", short(&of.key), of.step.kind(), of.step.subject(), of.why)
    });
}

fn step(planned: &PlannedStep) -> String {
    let PlannedStep { key, step, because, .. } = planned;
    let what = match step {
        Step::GrantAccess(grant) => lasting(grant.until),
        Step::RevokeAccess(revoke) => {
            if revoke.refund == Refund::Yes { "as a refund" } else { "without a refund" }.to_owned()
        }
        Step::SetAttributes(describe) => names(describe),
        Step::ReportSale(report) => match report.word() {
            SaleEvent::Sold => "without its level".to_owned(),
            SaleEvent::Refunded(_) => "as a refund".to_owned(),
            SaleEvent::Ended(_) => "as ended".to_owned(),
        },
    };
    format!("{} {} {} {what}: {because}", short(key), step.kind(), step.subject())
}

/// Names alone: what they say is nobody's business.
fn names(describe: &SetAttributes) -> String {
    let told = describe.attributes.keys().map(ToString::to_string);
    told.chain(describe.gone.iter().map(|name| format!("no {name}"))).collect::<Vec<_>>().join(", ")
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

fn day(at: Timestamp) -> String {
    Until::At(at).to_string()
}

/// Lines, indented by two blanks a depth.
struct Text(String);

impl Text {
    fn line(&mut self, depth: usize, line: fmt::Arguments<'_>) {
        // writing to a string cannot fail
        let _ = writeln!(self.0, "{:width$}{line}", "", width = 2 * depth);
    }

    fn list<T>(&mut self, title: &str, of: &[T], line: impl Fn(&T) -> String) {
        if of.is_empty() {
            return;
        }
        self.line(0, format_args!("{title}:"));
        of.iter().for_each(|one| self.line(1, format_args!("{}", line(one))));
    }
}
