//! What the invoices of a customer sold once: with a subscription, with its renewal, or by hand.

use entitlement::model::account::Account;
use entitlement::model::billing::{About, Gap, Purchase};
use entitlement::model::failure::{Failure, brief};
use futures_util::future::try_join_all;
use stripe_billing::InvoiceStatus;
use stripe_billing::invoice::ListInvoice;
use stripe_client_core::StripeRequest;

use super::object::InvoiceObject;
use super::{read_further_lines, readable};
use crate::api::Api;
use crate::partial::Partial;
use crate::shape::{Object, id_of};

/// A purchase on a paid invoice.
#[derive(Clone, Debug)]
pub(crate) struct SoldOnce {
    pub(crate) purchase: Purchase,
    pub(crate) livemode: Option<bool>,
}

/// The purchases on all paid invoices of the customer; one that cannot be read leaves a gap.
pub(crate) async fn of_customer(api: Api<'_>, account: &Account) -> Result<Partial<Vec<SoldOnce>>, Failure> {
    let customer = account.id();
    let request = |after: Option<String>| {
        let list = ListInvoice::new().customer(customer).status(InvoiceStatus::Paid).limit(100);
        after.into_iter().fold(list, ListInvoice::starting_after).build()
    };
    let list = api.all(&format!("paid invoices of `{customer}`"), request).await?;
    let mut sold = Partial::default();
    for invoice in try_join_all(list.data.iter().map(|object| whole(api, object))).await? {
        match invoice.and_then(|invoice| sold_once(&invoice, account)) {
            Ok(None) => {}
            Ok(Some(purchase)) => sold.add(Ok(purchase)),
            Err(gap) => sold.add(Err(gap)),
        }
    }
    Ok(sold)
}

/// With the lines that the invoice does not carry.
async fn whole(api: Api<'_>, object: &Object) -> Result<Result<InvoiceObject, Gap>, Failure> {
    match readable(object) {
        Ok(mut invoice) => {
            read_further_lines(api, &mut invoice).await?;
            Ok(Ok(invoice))
        }
        Err(why) => Ok(Err(gap(id_of(object), why))),
    }
}

fn sold_once(invoice: &InvoiceObject, account: &Account) -> Result<Option<SoldOnce>, Gap> {
    let purchase = invoice.purchase(account).map_err(|why| gap(Some(invoice.id.clone()), why))?;
    Ok(purchase.map(|purchase| SoldOnce { purchase, livemode: invoice.livemode }))
}

fn gap(id: Option<String>, why: String) -> Gap {
    Gap { about: id.map_or(About::Everything, About::Chain), what: brief(why) }
}
