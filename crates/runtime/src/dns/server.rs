//! DNS over UDP and TCP for the pods of the node.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::DNSClass;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Semaphore, watch};

use super::upstream::Upstream;
use super::zone::{Answer, Zone};
use crate::cluster::Cluster;

/// What the server knows.
pub(crate) struct Dns {
    pub(crate) cluster: watch::Receiver<Option<Arc<Cluster>>>,
    pub(crate) domain: String,
    pub(crate) dns_ip: Ipv4Addr,
    pub(crate) networks: [(Ipv4Addr, u8); 2],
    pub(crate) upstream: Upstream,
}

const UDP_SIZE: u16 = 1232;
const PLAIN_SIZE: u16 = 512;
const CONNECTIONS: usize = 128;
const IDLE: Duration = Duration::from_secs(10);

/// Serves on each address, port 53, until dropped.
pub(crate) async fn serve(dns: Arc<Dns>, addresses: Vec<IpAddr>) -> std::io::Result<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for address in addresses {
        let udp = Arc::new(UdpSocket::bind(SocketAddr::new(address, 53)).await?);
        let tcp = TcpListener::bind(SocketAddr::new(address, 53)).await?;
        tasks.spawn(serve_udp(dns.clone(), udp));
        tasks.spawn(serve_tcp(dns.clone(), tcp));
    }
    while tasks.join_next().await.is_some() {}
    Ok(())
}

async fn serve_udp(dns: Arc<Dns>, socket: Arc<UdpSocket>) {
    let limit = Arc::new(Semaphore::new(1024));
    let mut buffer = vec![0; 4096];
    loop {
        let Ok((read, peer)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let Ok(permit) = limit.clone().try_acquire_owned() else {
            continue;
        };
        let (dns, socket, raw) = (dns.clone(), socket.clone(), buffer[..read].to_vec());
        tokio::spawn(async move {
            if let Some(answer) = dns.respond(&raw, Transport::Udp).await {
                let _ = socket.send_to(&answer, peer).await;
            }
            drop(permit);
        });
    }
}

async fn serve_tcp(dns: Arc<Dns>, listener: TcpListener) {
    let limit = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let Ok(permit) = limit.clone().try_acquire_owned() else {
            continue;
        };
        let dns = dns.clone();
        tokio::spawn(async move {
            let _ = converse(&dns, stream).await;
            drop(permit);
        });
    }
}

async fn converse(dns: &Dns, mut stream: TcpStream) -> std::io::Result<()> {
    loop {
        let length = tokio::time::timeout(IDLE, stream.read_u16()).await??;
        let mut raw = vec![0; length.into()];
        tokio::time::timeout(IDLE, stream.read_exact(&mut raw)).await??;
        let Some(answer) = dns.respond(&raw, Transport::Tcp).await else {
            return Ok(());
        };
        stream
            .write_u16(u16::try_from(answer.len()).unwrap_or(u16::MAX))
            .await?;
        stream.write_all(&answer).await?;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

impl Dns {
    /// The answer to one message; `None` when it deserves none.
    pub(super) async fn respond(&self, raw: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let request = match Message::from_vec(raw) {
            Ok(request) if request.metadata.message_type == MessageType::Query => request,
            Ok(_) => return None,
            Err(_) => {
                let id = u16::from_be_bytes([*raw.first()?, *raw.get(1)?]);
                return Message::error_msg(id, OpCode::Query, ResponseCode::FormErr)
                    .to_vec()
                    .ok();
            }
        };
        let mut response = Message::response(request.metadata.id, request.metadata.op_code);
        response.metadata.recursion_desired = request.metadata.recursion_desired;
        response.metadata.recursion_available = !self.upstream.is_empty();
        response.add_queries(request.queries.iter().cloned());
        let [query] = request.queries.as_slice() else {
            response.metadata.response_code = ResponseCode::FormErr;
            return response.to_vec().ok();
        };
        if request.metadata.op_code != OpCode::Query || query.query_class() != DNSClass::IN {
            response.metadata.response_code = ResponseCode::NotImp;
            return response.to_vec().ok();
        }
        let cluster = self.cluster.borrow().clone();
        let Some(cluster) = cluster else {
            response.metadata.response_code = ResponseCode::ServFail;
            return response.to_vec().ok();
        };
        let zone = Zone {
            cluster: &cluster,
            domain: &self.domain,
            dns_ip: self.dns_ip,
            networks: self.networks,
        };
        let answer = zone.answer(query.name(), query.query_type());
        if answer == Answer::Outside {
            return self.forward(&request, raw, response).await;
        }
        fill(&mut response, answer, &zone);
        finish(response, &request, transport)
    }

    async fn forward(
        &self,
        request: &Message,
        raw: &[u8],
        mut response: Message,
    ) -> Option<Vec<u8>> {
        if let Some(answer) = self.upstream.ask(request, raw).await {
            return Some(answer);
        }
        response.metadata.response_code = ResponseCode::ServFail;
        response.to_vec().ok()
    }
}

fn fill(response: &mut Message, answer: Answer, zone: &Zone<'_>) {
    response.metadata.authoritative = true;
    match answer {
        Answer::Found(records, glue) => {
            response.add_answers(records);
            response.add_additionals(glue);
        }
        // RFC 2308: the SOA says how long the absence may be remembered.
        Answer::NoData => _ = response.add_authorities(zone.soa()),
        Answer::NxDomain => {
            response.metadata.response_code = ResponseCode::NXDomain;
            response.add_authorities(zone.soa());
        }
        Answer::Outside => response.metadata.response_code = ResponseCode::ServFail,
    }
}

fn finish(mut response: Message, request: &Message, transport: Transport) -> Option<Vec<u8>> {
    let mut limit = PLAIN_SIZE;
    if let Some(edns) = &request.edns {
        limit = edns.max_payload().clamp(PLAIN_SIZE, UDP_SIZE);
        let mut own = hickory_proto::op::Edns::new();
        own.set_max_payload(UDP_SIZE);
        response.set_edns(own);
    }
    let bytes = response.to_vec().ok()?;
    if transport == Transport::Udp && bytes.len() > usize::from(limit) {
        return response.truncate().to_vec().ok();
    }
    Some(bytes)
}
