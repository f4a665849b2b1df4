//! The rules as sentences, laws, saved cases and a small world.

mod arbitrary;
mod cached_profile;
mod cases;
mod ids;
mod lag;
mod laws;
mod ledger_and_profile;
mod make;
mod money_covers;
mod order_of_steps;
mod other_stores;
mod overrides;
mod purchases;
mod refunds;
mod renewal;
mod reports;
mod sale_status;
mod sales;
mod saved;
mod saved_more;
mod several;
mod simulation;
mod statuses;
mod transactions;
mod unknown;
mod world;

use crate::case::Case;
use crate::decide::decide;
use crate::model::account::Account;
use crate::model::billing::{
    About, Collection, DisputeState, Gap, InvoiceReason, InvoiceStatus, MoneyBack, PurchaseState, Status, Subscription,
};
use crate::model::expected::{MayGive, Refund};
use crate::model::ledger::State;
use crate::model::mode::Mode;
use crate::model::plan::Plan;
use crate::model::profile::Profile;
use crate::model::rules::{Choice, TestClocks, Unpaid};
use crate::model::sale::Offer;
use crate::model::step::Step;
use crate::model::until::Until;
use make::{
    called, carry_out, case, day, dispute, entitled, execute, first_month, foreign, hours, ignored, intend, invoice,
    item, later, level, notes, of, offering, period, purchase, refund, second_month, seconds, show, steps, sub, trial,
    until, withheld, write_down,
};

/// A number that a longer run asks for by the variable `name`.
#[expect(clippy::disallowed_methods, reason = "a switch of the tests, no setting of the program")]
fn asked<N: std::str::FromStr<Err: std::fmt::Debug>>(name: &str, usual: N) -> N {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}
