//! The Stripe: its objects, its GET API and the moves that change it.
//!
//! Objects are kept as JSON in one canonical form, that of today's API with plain arrays where Stripe
//! embeds a page; `shape` turns them into what one API version shows. `moves` holds the methods by which
//! a test or the demo lets something happen.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::fault::Faults;

mod billing;
pub mod event;
mod expand;
mod filter;
mod invoice_item;
mod list;
pub mod moves;
mod object;
mod route;
pub mod shape;
mod world;

use event::Event;
pub(crate) use route::answer;
use shape::Shape;
use world::World;

/// A handle on the Stripe; clones share its state.
#[derive(Debug, Clone)]
pub struct Stripe {
    /// What goes wrong.
    pub faults: Faults,
    address: SocketAddr,
    world: Arc<Mutex<World>>,
}

impl Stripe {
    pub(crate) fn new(address: SocketAddr) -> Stripe {
        Stripe { faults: Faults::default(), address, world: Arc::new(Mutex::new(World::new())) }
    }

    /// `http://127.0.0.1:port`; the API is below `/v1`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a secret key that is accepted.
    pub fn add_key(&self, key: &str) {
        self.with(|world| world.keys.insert(key.to_owned()));
    }

    /// Adds a restricted key: it may read everything but what is below these paths, for example `prices`.
    pub fn add_restricted_key(&self, key: &str, closed: &[&str]) {
        let closed = closed.iter().map(|&path| path.to_owned()).collect();
        self.with(|world| {
            world.keys.insert(key.to_owned());
            world.closed.insert(key.to_owned(), closed);
        });
    }

    /// Takes a secret key away.
    pub fn remove_key(&self, key: &str) {
        self.with(|world| {
            world.keys.remove(key);
            world.closed.remove(key);
        });
    }

    /// Sets the API version that answers and events are written in from now on.
    pub fn set_shape(&self, shape: Shape) {
        self.with(|world| world.shape = shape);
    }

    /// Sets how many items or lines an object embeds before it says `has_more`.
    pub fn set_embedded_page(&self, length: usize) {
        self.with(|world| world.embedded_page = length);
    }

    /// Sets the `account` that events carry, as on a Connect endpoint.
    pub fn set_account(&self, account: Option<&str>) {
        self.with(|world| world.account = account.map(str::to_owned));
    }

    /// Sets the `livemode` of objects and events made from now on.
    pub fn set_livemode(&self, livemode: bool) {
        self.with(|world| world.livemode = livemode);
    }

    /// An object as the API shows it now.
    #[must_use]
    pub fn object(&self, id: &str) -> Option<Value> {
        self.with(|world| Some(shape::render(world, world.get(id)?)))
    }

    /// The ids of all objects of a kind (`subscription`, `invoice`, `charge`, …), oldest first.
    #[must_use]
    pub fn ids(&self, object: &str) -> Vec<String> {
        self.with(|world| world.all(object).iter().map(|row| world::text(row, "/id").to_owned()).collect())
    }

    /// The newest invoice of a subscription.
    #[must_use]
    pub fn latest_invoice(&self, subscription: &str) -> Option<String> {
        let found = self.with(|world| world.get(subscription)?.get("latest_invoice").cloned());
        found?.as_str().map(str::to_owned)
    }

    /// The charge behind an invoice, a payment intent or a checkout session.
    #[must_use]
    pub fn charge_of(&self, id: &str) -> Option<String> {
        self.with(|world| world.charge_of(id))
    }

    /// Patches a stored object in place; items, lines and line items are plain arrays here.
    ///
    /// # Panics
    ///
    /// If there is no such object.
    pub fn edit(&self, id: &str, change: impl FnOnce(&mut Value)) {
        self.with(|world| change(world.get_mut(id)));
    }

    /// An event of any type around an object as it is now.
    ///
    /// # Panics
    ///
    /// If there is no such object.
    pub fn event(&self, kind: &str, id: &str) -> Event {
        let mut events = self.act(|world| world.emit(kind, id));
        events.pop().expect("one event was sent")
    }

    /// The thin form of an event, as an event destination of the v2 API gets it.
    #[must_use]
    pub fn thin(&self, event: &Event) -> Event {
        event::thin(event)
    }

    fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        act(&mut self.world.lock().expect("no holder of the world panics"))
    }

    /// Lets something happen and returns the events of it.
    fn act<T>(&self, act: impl FnOnce(&mut World) -> T) -> Vec<Event> {
        self.with(|world| {
            world.outbox.clear();
            act(world);
            std::mem::take(&mut world.outbox)
        })
    }
}
