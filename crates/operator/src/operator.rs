//! What the operations work on: the database, the apps, and the upstreams where there are keys.

use entitlement::model::attributes::{AttributeLimits, AttributeName};
use entitlement::model::clock::{Clock, Timestamp};
use entitlement::model::rules::Rules;
use store::open::Store;
use sync::controller::Controller;
use sync::store_reader::StoreReader;

use crate::error::OperatorError;
use crate::task_lease::TaskLeases;

/// Carries out what an operator asks for. Each operation is in the file of its name.
#[derive(Clone, Debug)]
pub struct Operator {
    pub store: Store,
    /// The apps that overrides are made for, at least one.
    pub apps: Vec<App>,
    /// Reads sources and destinations. `None` in a process without their keys, which only takes in webhooks.
    pub controller: Option<Controller>,
    /// Reads what the app's stores sold, where that is set up.
    pub store_reader: Option<StoreReader>,
    /// The names of stores under which destinations show what the web sold.
    pub web_stores: Vec<String>,
    pub task_leases: TaskLeases,
    /// Share of the rate limits that backfill and reconciliation may use, in per cent.
    pub bulk_percent: u32,
    pub clock: Clock,
}

/// An app, as far as overrides depend on it.
#[derive(Clone, Debug)]
pub struct App {
    pub(crate) name: String,
    pub(crate) limits: AttributeLimits,
    /// The attributes that a source fills.
    pub(crate) sourced: Vec<AttributeName>,
}

impl App {
    /// The app that `rules` hold for.
    #[must_use]
    pub fn of(rules: &Rules) -> Self {
        let sourced = rules.sourced_attributes.iter().map(|attribute| attribute.name.clone()).collect();
        Self { name: rules.destination.clone(), limits: rules.limits, sourced }
    }
}

impl Operator {
    /// What reads the upstreams.
    ///
    /// # Errors
    /// In a process without keys.
    pub fn controller(&self) -> Result<&Controller, OperatorError> {
        self.controller.as_ref().ok_or(OperatorError::NoKeys)
    }

    /// The app called `name`; without a name the only one.
    pub(crate) fn app(&self, name: Option<&str>) -> Result<&App, OperatorError> {
        match (name, self.apps.as_slice()) {
            (None, [only]) => Ok(only),
            (None, apps) => {
                let names = list(apps.iter().map(|app| app.name.as_str()));
                Err(OperatorError::Invalid(format!("there are several apps: say which, {names}")))
            }
            (Some(name), apps) => {
                let found = apps.iter().find(|app| app.name == name);
                found.ok_or_else(|| unknown_app(name, apps.iter().map(|app| app.name.as_str())))
            }
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }
}

/// No app is called `name`, but `known`.
pub(crate) fn unknown_app<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> OperatorError {
    OperatorError::Invalid(format!("there is no app `{name}`: write {}", list(known)))
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
}
