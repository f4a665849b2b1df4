//! Damaged headers, events and objects: nothing stumbles over them, and what is said of them names nobody.

use entitlement::model::reading::{AccountReading, Scope};
use std::panic::AssertUnwindSafe;

use bolero::check;
use entitlement::case::Case;
use entitlement::decide::decide;
use entitlement::model::account::Account;
use entitlement::model::attributes::AttributeLimits;
use entitlement::model::catalog::Catalog;
use entitlement::model::ledger::Ledger;
use entitlement::model::mode::Mode;
use entitlement::model::overrides::Overrides;
use entitlement::model::profile::Profile;
use entitlement::model::rules::{Policy, Protocol, Rules};
use entitlement::model::user::User;
use entitlement::status::{Carried, Status};
use mangle::{Corpus, Damage, span};
use serde_json::json;

use crate::account;
use crate::envelope;
use crate::signature::Verifier;
use crate::test_server::{START, TestServer, list};

/// One sentence that a log may hold.
fn is_sayable(said: &str) {
    assert!(!said.is_empty() && said.chars().count() <= 501 && !said.contains(['\n', '\r', '@']), "{said:?}");
}

#[test]
fn no_damaged_signature_is_believed() {
    let (corpus, verifier) = (Corpus::of("fuzz/signature"), Verifier::new(&["whsec_1"]));
    let now = chrono::DateTime::from_timestamp(START, 0).unwrap();
    check!().with_test_time(span()).with_type::<Damage>().for_each(|damage| {
        let header = String::from_utf8_lossy(&corpus.text(damage)).into_owned();
        is_sayable(&verifier.verify(&header, b"{}", now).unwrap_err().to_string());
    });
}

#[test]
fn a_damaged_event_is_read_or_refused_in_a_sentence() {
    let corpus = Corpus::of("fuzz/event");
    for whole in corpus.whole() {
        assert!(envelope::read(whole).unwrap().account().is_some());
    }
    check!().with_test_time(span()).with_type::<Damage>().for_each(|damage| {
        match envelope::read(&corpus.json(damage)) {
            Ok(event) => {
                let Some(account) = event.account() else { return };
                assert_eq!(Account::parse(&account.to_string()).ok(), Some(account), "the worklist could not name it");
            }
            Err(refused) => is_sayable(&refused.to_string()),
        }
    });
}

/// What is expected after this reading, decided as the daemon does.
fn decided(reading: AccountReading) {
    reading.billing.gaps.iter().for_each(|gap| is_sayable(&gap.what));
    let catalog: Catalog = serde_json::from_value(json!([{"sold": {"price": "price_1"}, "level": "premium"}])).unwrap();
    let (mode, store, destination) = (Mode::Test, "stripe".to_owned(), "adapty".to_owned());
    let protocol = Protocol::AccessWithSale;
    let (sourced_attributes, limits, policy) = (Vec::new(), AttributeLimits::default(), Policy::default());
    let rules = Rules { destination, mode, store, protocol, catalog, sourced_attributes, limits, policy };
    let profile = Profile::absent(User::new("u-1").unwrap());
    let ways = [Protocol::AccessWithSale, Protocol::SalesAndAccess, Protocol::AccessOnly];
    for (protocol, later) in ways.into_iter().flat_map(|protocol| [0, 20, 400].map(|days| (protocol, days * 86_400))) {
        let now = chrono::DateTime::from_timestamp(START + later, 0).unwrap();
        let (billing, profile, rules) = (reading.billing.clone(), profile.clone(), Rules { protocol, ..rules.clone() });
        let case = Case { billing, profile, ledger: Ledger::default(), overrides: Overrides::default(), rules, now };
        let status = Status::of(&case, &decide(&case), Carried::Out);
        serde_json::to_string(&status).unwrap();
    }
}

#[test]
fn damaged_objects_are_read_or_refused_and_what_was_read_can_be_decided() {
    let paths = ["/v1/subscriptions", "/v1/charges", "/v1/customers/cus_1", "/v1/invoices", "/v1/invoice_payments"];
    let corpora = ["subscriptions", "charges", "customers", "invoices", "invoice_payments"];
    let corpora = corpora.map(|name| Corpus::of(&format!("fuzz/{name}")));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let empty = ["/v1/checkout/sessions", "/v1/refunds", "/v1/disputes"];
    let server = empty.into_iter().fold(TestServer::new(), |server, path| server.with(path, list(&[])));
    let identity = ["subscription.metadata.customer_user_id", "customer.metadata.uid"];
    let stripe = runtime.block_on(server.stripe(&identity));
    for (path, corpus) in paths.iter().zip(&corpora) {
        server.set(path, 200, corpus.whole()[0].clone());
    }
    for whole in corpora[0].whole() {
        server.set(paths[0], 200, whole.clone());
        let reading = runtime.block_on(stripe.read(&account::of(None, "cus_1"), Scope { one_time: true })).unwrap();
        assert_eq!(reading.billing.subscriptions.len(), 1, "{:?}", reading.billing.gaps);
        decided(reading);
    }
    for whole in corpora[3].whole() {
        server.set(paths[3], 200, whole.clone());
        let reading = runtime.block_on(stripe.read(&account::of(None, "cus_1"), Scope { one_time: true })).unwrap();
        assert_eq!(reading.billing.purchases.len(), 1, "{:?}", reading.billing.gaps);
        decided(reading);
    }
    let judge = AssertUnwindSafe(|damages: &[Damage; 5]| {
        for ((path, corpus), damage) in paths.iter().zip(&corpora).zip(damages) {
            server.set(path, 200, corpus.json(damage));
        }
        match runtime.block_on(stripe.read(&account::of(None, "cus_1"), Scope { one_time: true })) {
            Ok(reading) => decided(reading),
            Err(failure) => is_sayable(&failure.to_string()),
        }
    });
    check!().with_test_time(span()).with_type::<[Damage; 5]>().for_each(|damages| judge(damages));
}
