//! All vendors started together, with one journal between them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::adapty::Adapty;
use crate::iaphub::Iaphub;
use crate::journal::Journal;
use crate::server::{Desk, serve};
use crate::stripe::Stripe;

/// A Stripe, an Adapty and an IAPHUB that listen until this is dropped.
#[derive(Debug)]
pub struct Simulator {
    /// The Stripe: its state, its moves and its faults.
    pub stripe: Stripe,
    /// The Adapty: its state and its faults.
    pub adapty: Adapty,
    /// The IAPHUB: its state and its faults.
    pub iaphub: Iaphub,
    /// Every request that any of them has received.
    pub journal: Journal,
    /// The servers stop when these are dropped.
    _open: [oneshot::Sender<()>; 3],
}

impl Simulator {
    /// Starts all on free ports of the loopback interface.
    pub async fn start() -> io::Result<Simulator> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Simulator::start_on(any, any).await
    }

    /// Starts Stripe and Adapty on given addresses; port 0 takes a free one.
    pub async fn start_on(stripe: SocketAddr, adapty: SocketAddr) -> io::Result<Simulator> {
        let stripe_door = TcpListener::bind(stripe).await?;
        let adapty_door = TcpListener::bind(adapty).await?;
        let iaphub_door = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let journal = Journal::default();
        let stripe = Stripe::new(stripe_door.local_addr()?);
        let adapty = Adapty::new(adapty_door.local_addr()?);
        let stripe_desk = Desk::stripe(stripe.clone(), journal.clone());
        let adapty_desk = Desk::adapty(adapty.clone(), journal.clone());
        let iaphub = Iaphub::new(iaphub_door.local_addr()?);
        let iaphub_desk = Desk::iaphub(iaphub.clone(), journal.clone());
        let (iaphub_open, iaphub_closed) = oneshot::channel();
        tokio::spawn(serve(iaphub_door, iaphub_desk, iaphub_closed));
        let (stripe_open, stripe_closed) = oneshot::channel();
        let (adapty_open, adapty_closed) = oneshot::channel();
        tokio::spawn(serve(stripe_door, stripe_desk, stripe_closed));
        tokio::spawn(serve(adapty_door, adapty_desk, adapty_closed));
        let _open = [stripe_open, adapty_open, iaphub_open];
        Ok(Simulator { stripe, adapty, iaphub, journal, _open })
    }
}
