//! A client of the kubelet API, as the API server is one.

use std::sync::Arc;

use futures::{SinkExt, StreamExt};
use net::tls::{Identity, IdentitySlot, Roots, SanRule};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use runtime::KubeletTls;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

pub struct Pki {
    ca: CertifiedIssuer<'static, KeyPair>,
}

pub type Socket = WebSocketStream<TlsStream<TcpStream>>;

impl Pki {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self {
            ca: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap(),
        }
    }

    fn issue(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = vec![SanType::IpAddress("10.244.0.1".parse().unwrap())];
        (
            params.signed_by(&key, &self.ca).unwrap().pem(),
            key.serialize_pem(),
        )
    }

    pub fn server(&self) -> KubeletTls {
        let (certificates, key) = self.issue();
        KubeletTls {
            certificates: certificates.into_bytes(),
            key: key.into_bytes(),
            client_ca: self.ca.pem().into_bytes(),
        }
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        let (certificate, key) = self.issue();
        let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
        let roots = Roots::from_pem(self.ca.pem().as_bytes()).unwrap();
        let config = net::tls::client_config(
            roots,
            SanRule::Any,
            Some(IdentitySlot::new(identity)),
            &[b"http/1.1"],
        )
        .unwrap();
        let stream = TcpStream::connect("10.244.0.1:10250").await.unwrap();
        let name = ServerName::try_from("10.244.0.1").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap()
    }

    /// Status and body of a GET.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let mut stream = self.connect().await;
        let request = format!("GET {path} HTTP/1.0\r\nHost: node\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    pub async fn web_socket(&self, path: &str, protocol: &str) -> Socket {
        let mut request = format!("wss://10.244.0.1{path}")
            .into_client_request()
            .unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol.parse().unwrap());
        let (socket, response) = tokio_tungstenite::client_async(request, self.connect().await)
            .await
            .unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], protocol);
        socket
    }

    /// An upgraded SPDY connection.
    pub async fn spdy(&self, path: &str, protocol: &str) -> TlsStream<TcpStream> {
        let mut stream = self.connect().await;
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: node\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: {protocol}\r\nContent-Length: 0\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        stream
    }
}

/// Sends `input` and collects the output channels until the end: (stdout, stderr, status).
pub async fn talk(
    mut socket: Socket,
    input: &[(u8, &[u8])],
) -> (String, String, serde_json::Value) {
    for (channel, bytes) in input {
        let frame = [&[*channel], *bytes].concat();
        socket.send(Message::Binary(frame.into())).await.unwrap();
    }
    let mut out = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Binary(bytes) = message {
            out[usize::from(bytes[0])].extend_from_slice(&bytes[1..]);
        }
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        text(&out[1]),
        text(&out[2]),
        serde_json::from_slice(&out[3]).unwrap_or_default(),
    )
}

/// SPDY frames of a client that compresses nothing.
pub fn syn_stream(id: u32, first: bool, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut block = (headers.len() as u32).to_be_bytes().to_vec();
    for (name, value) in headers {
        for text in [name, value] {
            block.extend_from_slice(&(text.len() as u32).to_be_bytes());
            block.extend_from_slice(text.as_bytes());
        }
    }
    let length = block.len() as u16;
    let mut body = id.to_be_bytes().to_vec();
    body.extend_from_slice(&[0; 6]);
    if first {
        body.extend_from_slice(&[0x78, 0x01]);
    }
    body.push(0);
    body.extend_from_slice(&length.to_le_bytes());
    body.extend_from_slice(&(!length).to_le_bytes());
    body.extend_from_slice(&block);
    let mut frame = vec![0x80, 3, 0, 1];
    frame.extend_from_slice(&(body.len() as u32).to_be_bytes());
    frame.extend_from_slice(&body);
    frame
}

pub fn spdy_data(id: u32, fin: bool, data: &[u8]) -> Vec<u8> {
    let mut frame = id.to_be_bytes().to_vec();
    frame.extend_from_slice(&((u32::from(fin) << 24) | data.len() as u32).to_be_bytes());
    frame.extend_from_slice(data);
    frame
}

/// Reads data frames until stream `id` ends; returns what each stream carried.
pub async fn spdy_read(
    mut stream: impl tokio::io::AsyncRead + Unpin,
    id: u32,
) -> std::collections::BTreeMap<u32, String> {
    let mut carried = std::collections::BTreeMap::<u32, String>::new();
    loop {
        let first = stream.read_u32().await.unwrap();
        let second = stream.read_u32().await.unwrap();
        let mut body = vec![0; (second & 0xff_ffff) as usize];
        stream.read_exact(&mut body).await.unwrap();
        if first >> 31 == 0 {
            carried
                .entry(first)
                .or_default()
                .push_str(&String::from_utf8_lossy(&body));
            if first == id && second >> 24 == 1 {
                return carried;
            }
        }
    }
}
