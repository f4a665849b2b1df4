//! `[[catalog]]`: which price or product opens which access level, or none.

use std::time::Duration;

use super::adapty::Adapty;
use super::duration;
use super::error::{Origin, SettingError};
use super::reader::{Raw, Reader};

/// One `[[catalog]]` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CatalogEntry {
    /// The app it is for; `None`: for each.
    pub(crate) app: Option<String>,
    /// A price's id; exactly one of `price` and `product` is there.
    pub(crate) price: Option<String>,
    /// A product's id, for all its prices.
    pub(crate) product: Option<String>,
    /// The level it opens, never empty; `None`: it is sold, and is to open nothing (`ignore = true`).
    pub(crate) access_level: Option<String>,
    /// The product's id at the destination; by default the destination's own rule.
    pub(crate) vendor_product_id: Option<String>,
    /// How long a one-time purchase lasts; not for subscriptions, which have their periods.
    pub(crate) duration: Option<Term>,
}

/// How long a one-time purchase lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Term {
    /// It does not end.
    Lifetime,
    /// So long from the payment; above zero.
    For(Duration),
}

/// Takes every entry; the environment may replace them all by an array of tables in `GRANTSYNC__CATALOG`.
pub(super) fn read(reader: &mut Reader<'_>, apps: &[Adapty]) -> Vec<CatalogEntry> {
    refuse_other_shapes(reader);
    let mut catalog: Vec<CatalogEntry> = Vec::new();
    for index in 0.. {
        let key = format!("catalog[{index}]");
        let Some(item) = reader.take_item(&key) else {
            break;
        };
        let Some(entry) = read_entry(reader, &key, &item.origin) else {
            continue;
        };
        if entry.app.as_ref().is_some_and(|of| apps.iter().all(|app| app.name != *of)) {
            let names: Vec<String> = apps.iter().map(|app| format!("`{}`", app.name)).collect();
            reader.note(SettingError::Invalid {
                key: format!("{key}.app"),
                origin: item.origin.clone(),
                found: "an entry for an app that is not there".to_owned(),
                write: names.join(" or "),
            });
        }
        if let Some((found, write)) = clash(&catalog, &entry) {
            let found = found.to_owned();
            let write = write.to_owned();
            reader.note(SettingError::Invalid { key, origin: item.origin, found, write });
        }
        catalog.push(entry);
    }
    catalog
}

/// Why an entry cannot stand beside those before it, and what to write.
fn clash(before: &[CatalogEntry], entry: &CatalogEntry) -> Option<(&'static str, &'static str)> {
    let of_one_app = |other: &CatalogEntry| other.app.is_none() || entry.app.is_none() || other.app == entry.app;
    let same =
        |other: &&CatalogEntry| of_one_app(other) && (&other.price, &other.product) == (&entry.price, &entry.product);
    let mut same = before.iter().filter(same).peekable();
    same.peek()?;
    let levels: Vec<_> = same.map(|other| &other.access_level).collect();
    if levels.contains(&&entry.access_level) {
        return Some(("the same price or product with the same level as an entry before it", "each pair once"));
    }
    (entry.access_level.is_none() || levels.contains(&&None))
        .then_some(("a price or product that is both ignored and opens a level", "one of the two entries"))
}

/// Refuses a catalog that is not an array of tables, as one line instead of one for each key.
fn refuse_other_shapes(reader: &mut Reader<'_>) {
    let Some(entry) = reader.take("catalog") else {
        return;
    };
    let empty = matches!(&entry.raw, Raw::List(items) if items.is_empty());
    if !empty {
        reader.note(SettingError::Invalid {
            key: "catalog".to_owned(),
            origin: entry.origin,
            found: "not a list of tables".to_owned(),
            write: "`[[catalog]]` above each entry, or `[{ price = \"…\", access_level = \"…\" }]`".to_owned(),
        });
    }
}

fn read_entry(reader: &mut Reader<'_>, key: &str, origin: &Origin) -> Option<CatalogEntry> {
    let sub = |name: &str| format!("{key}.{name}");
    let [price, product, level] = ["price", "product", "access_level"].map(|name| {
        let written = reader.has_section(&sub(name));
        (written, reader.name(&sub(name)))
    });
    let opens = level.0 || ["vendor_product_id", "duration"].iter().any(|name| reader.has_section(&sub(name)));
    let vendor_product_id = reader.name(&sub("vendor_product_id"));
    let app = reader.name(&sub("app"));
    let duration = reader.parsed(&sub("duration"), "`lifetime`, or a duration such as `30d`", term);
    let ignored = reader.parsed(&sub("ignore"), "`true` or `false`", |text| text.parse().ok()).unwrap_or(false);
    let found = match (price.0, product.0) {
        (true, true) => "an entry with both `price` and `product`",
        (false, false) => "an entry with neither `price` nor `product`",
        (true, false) | (false, true) => match (ignored, opens, level.0) {
            (true, true, _) => "an entry that is ignored and says what it opens",
            (false, _, false) => "an entry without `access_level`",
            (true, false, _) | (false, _, true) => {
                let (price, product) = (price.1, product.1);
                if price.is_none() && product.is_none() {
                    return None;
                }
                let access_level = if ignored { None } else { Some(level.1?) };
                return Some(CatalogEntry { app, price, product, access_level, vendor_product_id, duration });
            }
        },
    };
    reader.note(SettingError::Invalid {
        key: key.to_owned(),
        origin: origin.clone(),
        found: found.to_owned(),
        write: "one of `price` and `product`, and one of `access_level` and `ignore = true`".to_owned(),
    });
    None
}

fn term(text: &str) -> Option<Term> {
    match text {
        "lifetime" => Some(Term::Lifetime),
        _ => duration::duration(text).filter(|span| !span.is_zero()).map(Term::For),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Term;
    use crate::settings::fixture::{complaints, read};

    #[test]
    fn entries_keep_their_order_and_one_price_may_open_two_levels() {
        let file = "[[catalog]]\nprice = \"price_1\"\naccess_level = \"premium\"\nduration = \"30d\"\n\
                    [[catalog]]\nprice = \"price_1\"\naccess_level = \"extra\"\nduration = \"lifetime\"\n\
                    [[catalog]]\nproduct = \"prod_1\"\naccess_level = \"premium\"\nvendor_product_id = \"v\"";
        let catalog = read(file, &[]).unwrap().catalog;
        let levels: Vec<&str> = catalog.iter().filter_map(|entry| entry.access_level.as_deref()).collect();
        assert_eq!(levels, ["premium", "extra", "premium"]);
        assert_eq!(catalog[0].duration, Some(Term::For(Duration::from_secs(30 * 86_400))));
        assert_eq!(catalog[1].duration, Some(Term::Lifetime));
        assert_eq!(catalog[2].product.as_deref(), Some("prod_1"));
    }

    #[test]
    fn an_entry_names_one_thing_and_one_level_once() {
        let file = "[[catalog]]\naccess_level = \"a\"\n[[catalog]]\nprice = \"p\"\nproduct = \"q\"\naccess_level = \"a\"\n\
                    [[catalog]]\nprice = \"p\"\naccess_level = \"\"\n[[catalog]]\nprice = \"p\"\n\
                    [[catalog]]\nprice = \"p\"\naccess_level = \"a\"\n[[catalog]]\nprice = \"p\"\nacces_level = \"a\"\naccess_level = \"a\"\n";
        let found = [
            "`catalog[0]` is an entry with neither `price` nor `product` (`grantsync.toml` line 1)",
            "`catalog[1]` is an entry with both `price` and `product` (`grantsync.toml` line 3)",
            "`catalog[2].access_level` is empty (`grantsync.toml` line 9)",
            "`catalog[3]` is an entry without `access_level` (`grantsync.toml` line 10)",
            "`catalog[5]` is the same price or product with the same level as an entry before it (`grantsync.toml` line 15)",
            "unknown key `catalog[5].acces_level` (`grantsync.toml` line 17): write `catalog[5].access_level`",
        ];
        let faults = complaints(file, &[]);
        assert_eq!(faults.len(), found.len(), "{faults:#?}");
        for (fault, found) in faults.iter().zip(found) {
            assert!(fault.starts_with(found), "{fault}");
        }
    }

    #[test]
    fn an_entry_may_say_that_what_is_sold_opens_nothing() {
        let file = "[[catalog]]\nproduct = \"q\"\naccess_level = \"a\"\nignore = false\n\
                    [[catalog]]\nprice = \"p\"\nignore = true";
        let catalog = read(file, &[]).unwrap().catalog;
        assert_eq!(catalog[0].access_level.as_deref(), Some("a"));
        assert_eq!((catalog[1].price.as_deref(), catalog[1].access_level.as_deref()), (Some("p"), None));
        let file = "[[catalog]]\nprice = \"p\"\nignore = true\naccess_level = \"a\"\n\
                    [[catalog]]\nprice = \"p\"\nignore = true\nduration = \"30d\"\n\
                    [[catalog]]\nprice = \"p\"\nignore = false\n[[catalog]]\nprice = \"p\"\nignore = \"maybe\"\n\
                    [[catalog]]\nprice = \"q\"\nignore = true\n[[catalog]]\nprice = \"q\"\naccess_level = \"a\"\n\
                    [[catalog]]\nprice = \"q\"\nignore = true";
        let found = [
            "`catalog[0]` is an entry that is ignored and says what it opens (`grantsync.toml` line 1): write one of `price`",
            "`catalog[1]` is an entry that is ignored and says what it opens (`grantsync.toml` line 5)",
            "`catalog[2]` is an entry without `access_level` (`grantsync.toml` line 9)",
            "`catalog[3].ignore` is `maybe` (`grantsync.toml` line 14): write `true` or `false`",
            "`catalog[3]` is an entry without `access_level` (`grantsync.toml` line 12)",
            "`catalog[5]` is a price or product that is both ignored and opens a level (`grantsync.toml` line 18)",
            "`catalog[6]` is the same price or product with the same level as an entry before it (`grantsync.toml` line 21)",
        ];
        let faults = complaints(file, &[]);
        assert_eq!(faults.len(), found.len(), "{faults:#?}");
        for (fault, found) in faults.iter().zip(found) {
            assert!(fault.starts_with(found), "{fault}");
        }
    }

    #[test]
    fn an_entry_may_be_for_one_app_alone() {
        let apps = "[[adapty]]\nname = \"ios\"\nsecret_key = \"secret_a\"\n[[adapty]]\nname = \"tv\"\nsecret_key = \"secret_b\"\n";
        let entry = |app: &str| format!("[[catalog]]\nprice = \"p\"\naccess_level = \"a\"\napp = \"{app}\"\n");
        let catalog = read(&format!("{apps}{}{}", entry("ios"), entry("tv")), &[]).unwrap().catalog;
        assert_eq!([catalog[0].app.as_deref(), catalog[1].app.as_deref()], [Some("ios"), Some("tv")]);
        let faults = complaints(&format!("{apps}{}{}", entry("ios"), entry("ios")), &[]);
        assert!(faults[0].starts_with("`catalog[1]` is the same price or product with the same level"), "{faults:?}");
        let faults = complaints(&format!("{apps}{}", entry("web")), &[]);
        assert_eq!(faults.len(), 1);
        assert!(
            faults[0]
                .ends_with("is an entry for an app that is not there (`grantsync.toml` line 7): write `ios` or `tv`"),
            "{faults:?}"
        );
    }

    #[test]
    fn the_environment_replaces_the_whole_catalog() {
        let file = "[[catalog]]\nprice = \"p\"\naccess_level = \"a\"\n[[catalog]]\nprice = \"q\"\naccess_level = \"a\"";
        let one = "[{ product = \"prod\", access_level = \"b\" }]";
        let catalog = read(file, &[("GRANTSYNC__CATALOG", one)]).unwrap().catalog;
        assert_eq!((catalog.len(), catalog[0].access_level.as_deref()), (1, Some("b")));
        assert!(read(file, &[("GRANTSYNC__CATALOG", "[]")]).unwrap().catalog.is_empty());
        let faults = complaints("[catalog]\nprice = \"p\"", &[]);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with("`catalog` is not a list of tables"), "{faults:?}");
    }
}
