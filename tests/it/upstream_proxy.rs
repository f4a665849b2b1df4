//! A company's network: a proxy that all must pass, and a certificate authority of its own.
//!
//! `tls/` was made for these tests; the key of its authority was thrown away.

use std::io::Write;
use std::sync::{Arc, Mutex};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::harness::final_checks::finish;
use crate::harness::world::{SLACK, World};

/// What the proxy does with the answers that it can see.
#[derive(Clone, Copy)]
enum Answers {
    AsTheyCome,
    /// Compressed, though nobody asked.
    Compressed,
}

/// A forward proxy on loopback, for plain requests and for `CONNECT`.
struct Proxy {
    address: String,
    /// The first line of each request.
    lines: Arc<Mutex<Vec<String>>>,
    /// The heads of all requests.
    heads: Arc<Mutex<String>>,
}

impl Proxy {
    async fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (lines, heads) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<String>>::default());
        let (seen, all) = (Arc::clone(&lines), Arc::clone(&heads));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, answers, Arc::clone(&seen), Arc::clone(&all)));
            }
        });
        Self { address, lines, heads }
    }

    /// How many requests began so.
    fn count(&self, begin: &str) -> usize {
        self.lines.lock().unwrap().iter().filter(|line| line.starts_with(begin)).count()
    }
}

/// Passes one request on.
async fn pass(mut client: TcpStream, answers: Answers, lines: Arc<Mutex<Vec<String>>>, heads: Arc<Mutex<String>>) {
    let Some((head, body)) = read_head(&mut client).await else { return };
    let line = head.lines().next().unwrap_or_default().to_owned();
    lines.lock().unwrap().push(line.clone());
    heads.lock().unwrap().push_str(&head);
    let target = line.split(' ').nth(1).unwrap();
    if line.starts_with("CONNECT ") {
        let Ok(mut server) = TcpStream::connect(target).await else { return };
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
        drop(copy_bidirectional(&mut client, &mut server).await);
        return;
    }
    let rest = target.strip_prefix("http://").expect("a proxy is asked for a whole address");
    let host = rest.split('/').next().unwrap();
    let Ok(mut server) = TcpStream::connect(host).await else { return };
    let head = head.replacen(&format!("http://{host}"), "", 1).replacen("\r\n", "\r\nconnection: close\r\n", 1);
    server.write_all(&[head.as_bytes(), b"\r\n\r\n", &body].concat()).await.unwrap();
    match answers {
        Answers::AsTheyCome => drop(copy_bidirectional(&mut client, &mut server).await),
        Answers::Compressed => compress(&mut client, &mut server, &head, body.len()).await,
    }
}

/// Everything up to the empty line, and what came of the body with it.
async fn read_head(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut whole = Vec::new();
    loop {
        if let Some(end) = whole.windows(4).position(|four| four == b"\r\n\r\n") {
            return Some((String::from_utf8_lossy(&whole[..end]).into_owned(), whole.split_off(end + 4)));
        }
        client.read_buf(&mut whole).await.ok().filter(|count| *count > 0)?;
    }
}

async fn compress(client: &mut TcpStream, server: &mut TcpStream, head: &str, came: usize) {
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut missing = vec![0; length.unwrap_or(0_usize).saturating_sub(came)];
    client.read_exact(&mut missing).await.unwrap();
    server.write_all(&missing).await.unwrap();
    let mut answer = Vec::new();
    drop(server.read_to_end(&mut answer).await);
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return };
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let kept: Vec<&str> = head.lines().filter(|line| !line.to_lowercase().starts_with("content-length")).collect();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&answer[end + 4..]).unwrap();
    let body = encoder.finish().unwrap();
    let head = format!("{}\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", kept.join("\r\n"), body.len());
    drop(client.write_all(&[head.as_bytes(), &body].concat()).await);
}

/// An `https` address that leads to a plain one, with a certificate of the company's authority.
async fn with_tls(to: &str) -> String {
    drop(rustls::crypto::ring::default_provider().install_default());
    let certificate = CertificateDer::from_pem_slice(include_bytes!("tls/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let to = to.strip_prefix("http://").unwrap().to_owned();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, to) = (acceptor.clone(), to.clone());
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(stream).await else { return };
                let mut server = TcpStream::connect(to).await.unwrap();
                drop(copy_bidirectional(&mut client, &mut server).await);
            });
        }
    });
    address
}

async fn buys_and_is_granted(world: &World) {
    let bought = world.buys("u-1", "price_premium");
    world.deliver(&bought.events).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_used_for_plain_addresses() {
    let proxy = Proxy::start(Answers::AsTheyCome).await;
    let mut world = World::start().await;
    let address = format!("http://me:open%2Dsesame@{}", proxy.address);
    world.daemon.restart_among(&[("HTTP_PROXY", &address)]).await;
    buys_and_is_granted(&world).await;
    // a request is seen by the proxy before it is by the vendor
    world.daemon.until_idle().await;
    assert_eq!(proxy.lines.lock().unwrap().len(), world.simulator.journal.requests().len());
    let heads = proxy.heads.lock().unwrap().to_lowercase();
    assert!(heads.contains("proxy-authorization: basic bwu6b3blbi1zzxnhbwu="), "it learns who we are: {heads}");
    let log = world.daemon.log();
    assert!(log.contains(&format!("through the proxy `{}`", proxy.address)), "{log}");
    assert!(!log.contains("sesame") && !log.contains("me:"), "{log}");
    finish(world).await;
}

#[tokio::test]
async fn a_proxy_and_an_authority_of_the_environment_are_used_for_https() {
    let proxy = Proxy::start(Answers::AsTheyCome).await;
    let mut world = World::start().await;
    let (stripe, adapty) = (world.simulator.stripe.url(), world.simulator.adapty.url());
    let (stripe, adapty) = (with_tls(&stripe).await, with_tls(&adapty).await);
    let authority = world.directory.path().join("ca.pem");
    std::fs::write(&authority, include_bytes!("tls/ca.pem")).unwrap();
    let variables = [
        ("https_proxy", proxy.address.as_str()),
        ("SSL_CERT_FILE", authority.to_str().unwrap()),
        ("GRANTSYNC__STRIPE__API_BASE", &stripe),
        ("GRANTSYNC__ADAPTY__API_BASE", &adapty),
    ];
    world.daemon.restart_among(&variables).await;
    buys_and_is_granted(&world).await;
    let all = proxy.lines.lock().unwrap().len();
    assert!(all >= 2 && proxy.count("CONNECT localhost:") == all, "{:?}", proxy.lines.lock().unwrap());
    finish(world).await;
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_said_to_be() {
    let mut world = World::start().await;
    let adapty = with_tls(&world.simulator.adapty.url()).await;
    world.daemon.restart(&[("ADAPTY__API_BASE", &adapty)]).await;
    let checked = world.daemon.command(&["check"]).await;
    let all = format!("{}{}", checked.stdout, checked.stderr);
    assert!(all.contains("certificate is not trusted") && all.contains("SSL_CERT_FILE"), "{all}");
    world.daemon.restart(&[("ADAPTY__API_BASE", &world.simulator.adapty.url())]).await;
    finish(world).await;
}

#[tokio::test]
async fn a_host_that_needs_no_proxy_is_reached_without() {
    let proxy = Proxy::start(Answers::AsTheyCome).await;
    let mut world = World::start().await;
    world.daemon.restart_among(&[("ALL_PROXY", &proxy.address), ("NO_PROXY", "example.com, 127.0.0.1")]).await;
    buys_and_is_granted(&world).await;
    assert_eq!(proxy.lines.lock().unwrap().len(), 0);
    finish(world).await;
}

#[tokio::test]
async fn a_proxy_that_cannot_be_used_is_one_line_without_its_password() {
    let world = World::start().await;
    for address in ["socks5://me:hush@127.0.0.1:1", "http://", "http://me:hu/sh@proxy:1", "ftp://hush"] {
        let mut environment = world.daemon.environment(&[]);
        environment.insert("HTTPS_PROXY".into(), address.into());
        let ended = crate::harness::daemon::run(world.directory.path(), &environment, &["parked", "list"]).await;
        assert_eq!(ended.status.code(), Some(2), "{address}: {}", ended.stderr);
        assert!(ended.stderr.lines().count() == 1 && ended.stderr.contains("`HTTPS_PROXY`"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("hu"), "{}", ended.stderr);
    }
    finish(world).await;
}

#[tokio::test]
async fn answers_that_are_compressed_though_nobody_asked_are_read() {
    let proxy = Proxy::start(Answers::Compressed).await;
    let mut world = World::start().await;
    world.daemon.restart_among(&[("HTTP_PROXY", &proxy.address)]).await;
    buys_and_is_granted(&world).await;
    let heads = proxy.heads.lock().unwrap().to_lowercase();
    assert!(heads.contains("accept-encoding: identity\r\n") && !heads.contains("gzip"), "nobody asked: {heads}");
    finish(world).await;
}
