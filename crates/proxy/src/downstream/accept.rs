//! From an accepted socket to the filter chain that serves it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use tokio::net::TcpStream;

use super::drain::DrainGuard;
use super::listener::{Active, Listeners};
use crate::config::chain_match::ConnectionFacts as ChainFacts;
use crate::config::hcm::CodecType;
use crate::config::{FilterChain, Hcm, Listener, NetworkFilter};
use crate::http::transport::{Prefixed, Transport};
use crate::observe::counted::{Accepted, HttpConnection};
use crate::observe::record::{ConnectionFacts, RequestRecord, ResponseFlags, TlsFacts};
use crate::observe::{handshakes, hooks};
use crate::sniff::{self, Sniffed};
use crate::tls;
use crate::worker::Worker;

static CONNECTION_IDS: AtomicU64 = AtomicU64::new(0);

/// Serves one accepted connection to its end.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    listeners: Rc<Listeners>,
    active: Rc<Active>,
    tcp: TcpStream,
    remote: SocketAddr,
) {
    let mut active = active;
    let mut guard = active.early().join();
    let mut listener = active.listener();
    let Ok(direct_local) = tcp.local_addr() else {
        return;
    };
    if let Some(keepalive) = &listener.keepalive {
        let _ = crate::upstream::connect::set_keepalive(&socket2::SockRef::from(&tcp), keepalive);
    }
    let _ = tcp.set_nodelay(true);
    let mut local = canonical(direct_local);
    // Envoy: `use_original_dst` brings the original_dst listener filter with it.
    if (listener.inspection.original_dst || listener.use_original_dst)
        && let Ok(original) = net::socket::original_dst(&tcp, direct_local)
    {
        local = canonical(original);
    }
    if listener.use_original_dst
        && local != canonical(direct_local)
        && let Some(other) = listeners.for_destination(local)
        && !Rc::ptr_eq(&other, &active)
    {
        guard = other.early().join();
        active = Rc::clone(&other);
        listener = other.listener();
    }
    let facts = ConnectionFacts {
        id: CONNECTION_IDS.fetch_add(1, Ordering::Relaxed),
        direct_remote: canonical(remote),
        direct_local: canonical(direct_local),
        local,
        sni: None,
        tls: None,
        listener,
        chain: None,
        started: Instant::now(),
        started_wall: SystemTime::now(),
    };
    Incoming {
        active,
        worker,
        facts,
        guard,
        counted: None,
    }
    .serve(tcp)
    .await;
}

/// IPv4 in IPv6 clothes is IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

struct Incoming {
    active: Rc<Active>,
    worker: Rc<Worker>,
    facts: ConnectionFacts,
    guard: DrainGuard,
    /// Once a connection manager was chosen.
    counted: Option<HttpConnection>,
}

impl Incoming {
    async fn serve(mut self, mut tcp: TcpStream) {
        let listener = Arc::clone(&self.facts.listener);
        let sniffed =
            match sniff::inspect(&listener.inspection, self.facts.local.port(), &mut tcp).await {
                Ok(sniffed) => sniffed,
                Err(cause) => return self.closed(cause),
            };
        self.facts.sni = sniffed.server_name.clone();
        let Some(chain) = self.select(&listener, &sniffed) else {
            return self.no_chain(tcp, &sniffed).await;
        };
        self.facts.chain = Some(Arc::clone(&chain));
        self.guard.keep(Accepted::new(&self.worker, &listener));
        if let NetworkFilter::Hcm(hcm) = &chain.filter {
            self.counted = Some(HttpConnection::new(hcm, chain.tls.is_some()));
        }
        let early = std::mem::replace(&mut self.guard, self.active.of_chain(chain.version).join());
        self.guard.succeed(early);
        match &chain.tls {
            None => self.plain(chain, tcp, sniffed).await,
            Some(context) => {
                let mut sniffed = sniffed;
                if let Err(cause) =
                    sniff::first_bytes(&mut sniffed, &mut tcp, chain.handshake_timeout).await
                {
                    return self.closed(cause);
                }
                if sniffed.is_plain() {
                    return self.plaintext_on_tls(tcp, &sniffed).await;
                }
                let config = self.worker.shared.config();
                let handshake = tls::accept(
                    &self.worker.shared,
                    &config,
                    context,
                    Prefixed::new(sniffed.bytes, tcp),
                );
                let limited =
                    async {
                        match chain.handshake_timeout {
                            None => handshake.await,
                            Some(limit) => tokio::time::timeout(limit, handshake)
                                .await
                                .unwrap_or_else(|_| {
                                    Err("TLS_error:|handshake timeout:TLS_error_end".into())
                                }),
                        }
                    };
                match limited.await {
                    Ok((stream, facts)) => {
                        handshakes::downstream(&self.facts.listener, Ok(&facts));
                        self.secured(chain, Transport::TlsServer(Box::new(stream)), facts)
                            .await;
                    }
                    Err(reason) => {
                        handshakes::downstream(&self.facts.listener, Err(&reason));
                        tracing::debug!(%reason, remote = %self.facts.direct_remote, "TLS handshake failed");
                        let mut record = RequestRecord::ended(&self.facts);
                        record.downstream_failure = Some(reason.replace(' ', "_").into());
                        hooks::on_connection_end(&self.facts, &record);
                    }
                }
            }
        }
    }

    /// Ends without a word from the proxy.
    fn closed(&self, cause: &'static str) {
        hooks::closed_without_response(&self.worker, &self.facts, cause);
        hooks::on_connection_end(&self.facts, &RequestRecord::ended(&self.facts));
    }

    fn select(&self, listener: &Listener, sniffed: &Sniffed) -> Option<Arc<FilterChain>> {
        let protocols: smallvec::SmallVec<[&[u8]; 4]> =
            sniffed.protocols.iter().map(|p| &**p).collect();
        let facts = ChainFacts {
            destination: (self.facts.local.ip(), self.facts.local.port()),
            source: (
                self.facts.direct_remote.ip(),
                self.facts.direct_remote.port(),
            ),
            direct_source: self.facts.direct_remote.ip(),
            server_name: sniffed.server_name.as_deref(),
            // Envoy's default where no listener filter detected another.
            transport_protocol: if sniffed.transport.is_empty() {
                "raw_buffer"
            } else {
                sniffed.transport
            },
            application_protocols: &protocols,
        };
        match listener.index.select(&facts) {
            Some(at) => listener.chains.get(at).cloned(),
            None => listener.default_chain.clone(),
        }
    }

    async fn plain(self, chain: Arc<FilterChain>, tcp: TcpStream, sniffed: Sniffed) {
        let h2 = sniffed.speaks_h2();
        self.dispatch(chain, Transport::Tcp(tcp), sniffed.bytes, h2)
            .await;
    }

    async fn secured(mut self, chain: Arc<FilterChain>, io: Transport, tls: TlsFacts) {
        if self.facts.sni.is_none() {
            self.facts.sni = tls.sni.clone();
        }
        let h2 = match tls.alpn.as_deref() {
            Some(b"h2") => Some(true),
            Some(_) => Some(false),
            None => None,
        };
        self.facts.tls = Some(Arc::new(tls));
        self.dispatch(chain, io, Vec::new(), h2).await;
    }

    /// `h2`: what ALPN or sniffing said of the protocol.
    async fn dispatch(
        self,
        chain: Arc<FilterChain>,
        mut io: Transport,
        mut prefix: Vec<u8>,
        h2: Option<bool>,
    ) {
        let Self {
            worker,
            facts,
            guard,
            counted,
            active: _,
        } = self;
        let facts = Arc::new(facts);
        match &chain.filter {
            NetworkFilter::Close => {
                hooks::closed_without_response(&worker, &facts, "no_network_filter");
                hooks::on_connection_end(&facts, &RequestRecord::ended(&facts));
            }
            NetworkFilter::TcpProxy(proxy) => {
                let proxy = Arc::clone(proxy);
                tokio::task::spawn_local(crate::tcp::serve(
                    worker, facts, proxy, io, prefix, guard,
                ));
            }
            NetworkFilter::Hcm(hcm) => {
                let h2 = match (hcm.codec, h2) {
                    (CodecType::Http1, _) => false,
                    (CodecType::Http2, _) | (CodecType::Auto, Some(true)) => true,
                    (CodecType::Auto, Some(false)) => false,
                    (CodecType::Auto, None) => {
                        match sniff::preface(&mut io, &mut prefix, sniff_limit(hcm)).await {
                            Ok(h2) => h2,
                            Err(cause) => {
                                hooks::closed_without_response(&worker, &facts, cause);
                                return hooks::on_connection_end(
                                    &facts,
                                    &RequestRecord::ended(&facts),
                                );
                            }
                        }
                    }
                };
                // A task of its own: what accepting needed is not kept for the connection's life.
                let hcm = Arc::clone(hcm);
                let counted =
                    counted.unwrap_or_else(|| HttpConnection::new(&hcm, facts.tls.is_some()));
                if h2 {
                    tokio::task::spawn_local(super::h2::serve(
                        worker, facts, hcm, io, prefix, guard, counted,
                    ));
                } else {
                    tokio::task::spawn_local(super::h1::serve(
                        worker, facts, hcm, io, prefix, guard, counted,
                    ));
                }
            }
        }
    }

    /// Nobody serves this connection: Envoy resets it; a client that evidently speaks HTTP is told.
    async fn no_chain(self, tcp: TcpStream, sniffed: &Sniffed) {
        hooks::no_filter_chain(&self.worker, &self.facts.listener);
        hooks::closed_without_response(&self.worker, &self.facts, "filter_chain_not_found");
        let mut record = RequestRecord::ended(&self.facts);
        record.flags.insert(ResponseFlags::NO_ROUTE_FOUND);
        record.details = "filter_chain_not_found".into();
        // `raw_buffer` is what the TLS inspector says of bytes that are no TLS.
        if sniffed.transport == "raw_buffer" {
            record.downstream_failure = Some(tls::not_tls(&sniffed.bytes).into());
        }
        hooks::on_connection_end(&self.facts, &record);
        if sniffed.is_http() {
            let text = "no filter chain of this listener matches the connection (server name, protocol or address)\n";
            answer(tcp, "421 Misdirected Request", text).await;
        } else if !sniffed.bytes.is_empty() {
            // What the client sent is not read: it learns so as Envoy's clients do.
            let _ = tcp.set_zero_linger();
        }
    }

    /// Plain HTTP where TLS is required.
    async fn plaintext_on_tls(self, tcp: TcpStream, sniffed: &Sniffed) {
        self.closed("plaintext_on_tls");
        if sniffed.is_http() {
            answer(
                tcp,
                "400 Bad Request",
                "this port requires TLS, the request came in plain text\n",
            )
            .await;
        }
    }
}

fn sniff_limit(hcm: &Hcm) -> Option<std::time::Duration> {
    hcm.timeouts.connection_idle
}

/// Answers a client whose request will not be read.
async fn answer(mut tcp: TcpStream, status: &str, text: &str) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    );
    let talk = async {
        tcp.write_all(head.as_bytes()).await?;
        tcp.shutdown().await?;
        let mut sink = [0_u8; 1024];
        while tcp.read(&mut sink).await? > 0 {}
        Ok::<(), std::io::Error>(())
    };
    // The peer reads it or not; a second is enough for it to arrive.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), talk).await;
}
