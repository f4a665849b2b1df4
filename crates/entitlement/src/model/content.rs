//! What a step sends, as fields: its key hashes them, and likeness compares them.

use crate::model::attributes::{AttributeValue, SetAttributes};
use crate::model::billing::Stop;
use crate::model::clock::Timestamp;
use crate::model::expected::Refund;
use crate::model::sale::{Offer, Sale, SaleStatus};
use crate::model::step::{GrantAccess, ReportSale, RevokeAccess, SaleEvent, Step};
use crate::model::until::Until;

/// The content of a step or a sale, field by field. When a refund or an end was learnt of is no part of it.
///
/// The texts are part of stored keys: to change one is to send what it describes again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content(Vec<String>);

impl Content {
    pub(crate) fn of_step(step: &Step) -> Self {
        let mut content = Self::default();
        content.step(step);
        content
    }

    pub(crate) fn of_sale(sale: &Sale) -> Self {
        let mut content = Self::default();
        content.sale(sale);
        content
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    fn add(&mut self, field: impl Into<String>) {
        self.0.push(field.into());
    }

    fn add_moment(&mut self, moment: Option<Timestamp>) {
        self.add(moment.map_or_else(String::new, |at| at.timestamp().to_string()));
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::GrantAccess(grant) => {
                self.add("grant");
                self.add(step.subject());
                self.grant(grant);
            }
            Step::RevokeAccess(revoke) => {
                self.add("revoke");
                self.add(step.subject());
                self.revoke(revoke);
            }
            Step::SetAttributes(set) => {
                self.add("describe");
                self.add(step.subject());
                self.attributes(set);
            }
            Step::ReportSale(report) => {
                self.add("report");
                self.add(step.subject());
                self.report(report);
            }
        }
    }

    fn grant(&mut self, grant: &GrantAccess) {
        self.right(grant.until, grant.starts_at, &grant.store, &grant.sale, grant.sandbox);
    }

    fn report(&mut self, report: &ReportSale) {
        self.right(report.until, report.starts_at, &report.store, &report.sale, report.sandbox);
        self.add(match report.event {
            // the same request: whether the id was reported before does not change what is sent
            SaleEvent::Sold | SaleEvent::Changed => "",
            SaleEvent::Refunded(_) => "refund",
            SaleEvent::Ended(_) => "end",
        });
    }

    fn right(&mut self, until: Until, starts_at: Option<Timestamp>, store: &str, sale: &Sale, sandbox: bool) {
        self.add(until.to_string());
        self.add_moment(starts_at);
        self.add(store);
        self.sale_terms(sale);
        self.add(if sandbox { "sandbox" } else { "production" });
        self.sale_status(sale.status.as_deref());
    }

    fn sale(&mut self, sale: &Sale) {
        self.sale_terms(sale);
        self.sale_status(sale.status.as_deref());
    }

    fn sale_terms(&mut self, sale: &Sale) {
        self.add(&sale.original);
        self.add(&sale.id);
        self.add(&sale.product);
        self.add(&sale.base_plan);
        self.add(sale.price.as_ref().map_or_else(String::new, |price| format!("{} {}", price.major(), price.code())));
        self.add(match &sale.offer {
            Some(Offer::FreeTrial) => "free_trial".to_owned(),
            Some(Offer::Coupon(id)) => format!("coupon {id}"),
            Some(Offer::Code(id)) => format!("code {id}"),
            None => String::new(),
        });
    }

    /// Adds nothing for a sale without one, so that keys of steps without it stay what they were.
    fn sale_status(&mut self, status: Option<&SaleStatus>) {
        let Some(status) = status else { return };
        self.add(&status.id);
        self.add(&status.original);
        self.add_moment(Some(status.bought_at));
        self.add_moment(Some(status.chain_began_at));
        self.add(status.paid_until.to_string());
        self.add(if status.renews { "renews" } else { "ends" });
        self.add_moment(status.payment_failed_at);
        self.add_moment(status.stopped_at);
        self.add_moment(status.grace_until);
        self.add(status.country.as_deref().unwrap_or_default());
        if let Some(stop) = status.stop {
            self.add("stop");
            self.add(match stop {
                Stop::Asked => "asked",
                Stop::PaymentFailed => "payment_failed",
                Stop::PaymentDisputed => "payment_disputed",
                Stop::Unknown => "unknown",
            });
        }
        if let Some(variation) = &status.variation {
            self.add("variation");
            self.add(variation);
        }
    }

    fn revoke(&mut self, revoke: &RevokeAccess) {
        self.add(match revoke.refund {
            Refund::Yes => "refund",
            Refund::No => "",
        });
    }

    fn attributes(&mut self, set: &SetAttributes) {
        for (name, value) in &set.attributes {
            self.add(name.as_str());
            self.add(match value {
                AttributeValue::Text(_) => "text",
                AttributeValue::Number(_) => "number",
            });
            self.add(value.as_str());
        }
        self.add("gone");
        set.gone.iter().for_each(|name| self.add(name.as_str()));
        if !set.stays_gone.is_empty() {
            self.add("stays gone");
            set.stays_gone.iter().for_each(|name| self.add(name.as_str()));
        }
        if set.deletes_only {
            self.add("deletions");
        }
    }
}
