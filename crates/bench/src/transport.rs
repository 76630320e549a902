//! A non-blocking connection, plain or TLS.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use rustls::{ClientConfig, ClientConnection};

pub(crate) struct Transport {
    pub(crate) stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Transport {
    /// Connects and, with `tls`, completes the handshake; blocking until then.
    pub(crate) fn connect(
        address: SocketAddr,
        tls: Option<&Arc<ClientConfig>>,
    ) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address).with_context(|| address.to_string())?;
        stream.set_nodelay(true)?;
        let mut tls = match tls {
            Some(config) => {
                let name = rustls_pki_types::ServerName::try_from("bench.example")?;
                Some(Box::new(ClientConnection::new(config.clone(), name)?))
            }
            None => None,
        };
        while let Some(connection) = tls.as_mut().filter(|c| c.is_handshaking()) {
            connection.complete_io(&mut stream)?;
        }
        stream.set_nonblocking(true)?;
        Ok(Self { stream, tls })
    }

    /// Sends everything; requests are far smaller than a socket's buffer.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        match &mut self.tls {
            None => {
                let sent = self.stream.write(bytes)?;
                ensure!(sent == bytes.len(), "a short write of a request");
            }
            Some(tls) => {
                tls.writer().write_all(bytes)?;
                while tls.wants_write() {
                    tls.write_tls(&mut self.stream)?;
                }
            }
        }
        Ok(())
    }

    /// Appends what has arrived.
    pub(crate) fn receive(&mut self, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
        let mut chunk = [0_u8; 16 * 1024];
        let Some(tls) = &mut self.tls else {
            match self.stream.read(&mut chunk) {
                Ok(0) => bail!("the proxy closed a connection"),
                Ok(count) => buffer.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
            return Ok(());
        };
        match tls.read_tls(&mut self.stream) {
            Ok(0) => bail!("the proxy closed a connection"),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        tls.process_new_packets()?;
        loop {
            match tls.reader().read(&mut chunk) {
                Ok(0) => bail!("the proxy closed a connection"),
                Ok(count) => buffer.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
