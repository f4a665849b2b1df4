//! The proxies of the environment, in the variables that other programs read.

use wire::client::Proxies;

use super::error::{Origin, SettingError};
use super::reader::Reader;

const HTTP: [&str; 4] = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
const HTTPS: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const EXCEPT: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// Reads the proxies; the first variable of each kind that is set and not empty counts.
pub(super) fn read(reader: &mut Reader<'_>) -> Proxies {
    Proxies {
        http: proxy(reader, &HTTP),
        https: proxy(reader, &HTTPS),
        except: first(reader, &EXCEPT).map(|(_, hosts)| hosts).unwrap_or_default(),
    }
}

fn first(reader: &Reader<'_>, names: &[&'static str]) -> Option<(&'static str, String)> {
    let set = names.iter().map(|name| (*name, reader.variable(name)));
    set.filter_map(|(name, value)| Some((name, value?.to_owned()))).find(|(_, value)| !value.is_empty())
}

fn proxy(reader: &mut Reader<'_>, names: &[&'static str]) -> Option<String> {
    let (name, value) = first(reader, names)?;
    let address = usable(&value);
    if address.is_none() {
        // the value may hold a password
        let write = "`http://HOST:PORT`, or `http://USER:PASSWORD@HOST:PORT` with `%` codes for signs in the password";
        reader.note(SettingError::Invalid {
            key: name.to_owned(),
            origin: Origin::Variable(name.to_owned()),
            found: "no address of an HTTP proxy".to_owned(),
            write: write.to_owned(),
        });
    }
    address
}

/// The whole address, `http` where no scheme is written.
fn usable(value: &str) -> Option<String> {
    let whole = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let url = reqwest::Url::parse(&whole).ok()?;
    let is_root = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    (matches!(url.scheme(), "http" | "https") && url.has_host() && is_root).then_some(whole)
}

#[cfg(test)]
mod tests {
    use crate::settings::fixture::{complaints, read};

    #[test]
    fn the_first_variable_that_says_something_counts() {
        let proxies = |variables: &[(&str, &str)]| read("", variables).unwrap().proxies;
        assert_eq!(proxies(&[]).https, None);
        let both = proxies(&[("HTTPS_PROXY", ""), ("https_proxy", "one:1"), ("ALL_PROXY", "http://two:2")]);
        assert_eq!((both.https.as_deref(), both.http.as_deref()), (Some("http://one:1"), Some("http://two:2")));
        assert_eq!(proxies(&[("no_proxy", "a, b")]).except, "a, b");
    }

    #[test]
    fn an_address_that_is_none_is_refused_without_being_repeated() {
        for address in ["socks5://u:hush@h:1", "http://", "u:hu/sh@h:1", "ftp://hush", "http://h:1/hush"] {
            let faults = complaints("", &[("HTTPS_PROXY", address)]);
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].starts_with("`HTTPS_PROXY` is no address of an HTTP proxy"), "{faults:?}");
            assert!(!faults[0].contains("hu"), "{faults:?}");
        }
    }
}
