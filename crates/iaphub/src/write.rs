//! Reports sales of the web, by a route that is not public.
//!
//! Its paths are settings, and nothing of it was verified against IAPHUB.

use std::fmt::Write;

use entitlement::model::failure::{Class, Failure};
use entitlement::model::step::{ReportSale, SaleEvent};
use entitlement::model::user::User;
use serde_json::Value;
use wire::call::{Call, Method};

use crate::iaphub::{Iaphub, encoded};
use crate::{purchase, read};

const REPORTING: &str = "reporting the sale";

/// Where sales are reported to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The first report under a transaction id.
    pub create: Path,
    /// Any later one.
    pub update: Path,
}

/// A path with places for names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    App,
    User,
    Transaction,
}

impl Iaphub {
    /// Reports a sale, or what became of it: one request.
    ///
    /// # Errors
    /// [`Failure`]; an error inside an answer with 200 is transient, as is an answer that cannot be read. After a
    /// [`Class::Transient`] it may have arrived. Permanent for a sale without its status, and for a 404: users have no
    /// profile here that could be created first.
    pub async fn report(&self, route: &Route, user: &User, report: &ReportSale) -> Result<(), Failure> {
        let (call, body) = self.request(route, user, report)?;
        let answer = self.upstream.send(Method::Post, call, &body).await.map_err(of_write)?;
        if answer.body.is_empty() {
            return Ok(());
        }
        match read::answer(&answer.body) {
            Ok(_) => Ok(()),
            Err(why) => Err(unread(answer.status, &why)),
        }
    }

    fn request(&self, route: &Route, user: &User, report: &ReportSale) -> Result<(Call, Value), Failure> {
        let body = purchase::body(user, &self.environment, report).ok_or_else(without_status)?;
        let path = match report.event {
            SaleEvent::Sold => &route.create,
            SaleEvent::Changed | SaleEvent::Refunded(_) | SaleEvent::Ended(_) => &route.update,
        };
        let path = path.filled(&self.app, user.as_str(), &report.id());
        let about = Some(user.as_str().to_owned());
        Ok((Call { what: REPORTING.to_owned(), path, about, headers: Vec::new() }, body))
    }
}

fn without_status() -> Failure {
    Failure::new(
        Class::Permanent,
        format!("{REPORTING}: its status is not known, and no purchase is written without it"),
    )
}

fn unread(status: u16, why: &str) -> Failure {
    Failure { status: Some(status), ..Failure::new(Class::Transient, format!("{REPORTING} at iaphub: {why}")) }
}

/// A refused report, classified: a 404 speaks of the path, which no repeat makes right.
fn of_write(failure: Failure) -> Failure {
    match failure.class {
        Class::Missing => Failure { class: Class::Permanent, ..failure },
        Class::Transient | Class::Permanent | Class::Credentials | Class::Forbidden | Class::GateClosed => failure,
    }
}

impl Path {
    /// What a path has to look like, in words.
    pub const FORM: &str = "a path such as `/v1/app/{app}/user/{user}/transaction`, with no places but `{app}`, `{user}` and `{transaction}`";

    /// Reads `/v1/app/{app}/user/{user}`; `None` when it is no path, or names an unknown place.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if !text.starts_with('/') {
            return None;
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let (place, after) = behind.split_once('}')?;
            pieces.push(literal(before)?);
            pieces.push(match place {
                "app" => Piece::App,
                "user" => Piece::User,
                "transaction" => Piece::Transaction,
                _ => return None,
            });
            rest = after;
        }
        pieces.push(literal(rest)?);
        Some(Self(pieces))
    }

    fn filled(&self, app: &str, user: &str, transaction: &str) -> String {
        let mut path = String::new();
        for piece in &self.0 {
            // writing to a string cannot fail
            let _ = match piece {
                Piece::Text(text) => path.write_str(text),
                Piece::App => path.write_str(&encoded(app)),
                Piece::User => path.write_str(&encoded(user)),
                Piece::Transaction => path.write_str(&encoded(transaction)),
            };
        }
        path
    }
}

/// Text that stands in a path as it is; `None` when it cannot.
fn literal(text: &str) -> Option<Piece> {
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '{' | '}' | '#' | '\\' | '"' | '<' | '>');
    text.chars().all(is_plain).then(|| Piece::Text(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{at, iaphub, report, user};

    fn route() -> Route {
        let path = |text: &str| Path::parse(text).unwrap();
        Route {
            create: path("/v1/app/{app}/user/{user}/transaction"),
            update: path("/v1/app/{app}/user/{user}/transaction/{transaction}"),
        }
    }

    #[test]
    fn the_first_report_of_a_sale_creates_it_and_any_later_one_updates_it() {
        let path = |event| iaphub().request(&route(), &user(), &report(event)).unwrap().0.path;
        assert_eq!(path(SaleEvent::Sold), "/v1/app/app_1/user/u-1/transaction");
        let later = at("2026-02-10T00:00:00Z");
        for event in [SaleEvent::Changed, SaleEvent::Refunded(later), SaleEvent::Ended(later)] {
            assert_eq!(path(event), "/v1/app/app_1/user/u-1/transaction/in_2");
        }
    }

    #[test]
    fn a_sale_whose_status_is_not_known_is_refused_and_never_sent() {
        let mut report = report(SaleEvent::Sold);
        report.sale.status = None;
        let failure = iaphub().request(&route(), &user(), &report).err().unwrap();
        let expected = "reporting the sale: its status is not known, and no purchase is written without it";
        assert_eq!((failure.class, failure.to_string().as_str()), (Class::Permanent, expected));
    }

    #[test]
    fn a_report_that_is_answered_404_is_refused_for_good() {
        let class = |class| of_write(Failure::new(class, REPORTING)).class;
        assert_eq!(class(Class::Missing), Class::Permanent);
        assert_eq!(class(Class::Transient), Class::Transient);
        assert_eq!(class(Class::Credentials), Class::Credentials);
    }

    #[test]
    fn a_path_is_filled_with_what_means_itself() {
        let path = Path::parse("/v1/app/{app}/user/{user}/transaction/{transaction}?x=1").unwrap();
        assert_eq!(
            path.filled("a/b", "ann@example.com", "sub_1:si_2"),
            "/v1/app/a%2Fb/user/ann%40example%2Ecom/transaction/sub_1%3Asi_2?x=1"
        );
    }

    #[test]
    fn what_is_no_path_or_names_another_place_is_refused() {
        for odd in [
            "",
            "v1/app",
            "https://api.iaphub.com/v1",
            "/v1/{account}",
            "/v1/{user",
            "/v1/user}",
            "/v1/{ user}",
            "/a b",
            "/a#b",
        ] {
            assert_eq!(Path::parse(odd), None, "{odd}");
        }
    }
}
