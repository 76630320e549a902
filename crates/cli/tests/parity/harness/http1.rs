//! HTTP/1 as it is on the wire: what was received, byte for byte, and where it stopped. Judges nothing.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// Nothing that a case waits for takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Plain or encrypted bytes.
pub(crate) trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

/// How a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Open,
    /// FIN
    Closed,
    /// RST
    Reset,
    /// Neither bytes nor an end within [`PATIENCE`].
    Silent,
}

/// A request or a response.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message {
    pub(crate) start: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Head and body arrived as announced.
    pub(crate) complete: bool,
}

impl Message {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        all.find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Of a response; 0 without one.
    pub(crate) fn status(&self) -> u16 {
        let mut words = self.start.split(' ');
        words.nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding")
            .is_some_and(|value| value.to_ascii_lowercase().contains("chunked"))
    }

    fn length(&self) -> Option<usize> {
        self.header("content-length")?.trim().parse().ok()
    }
}

/// A connection from this address.
pub(crate) fn dial(from: Ipv4Addr, to: (Ipv4Addr, u16)) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect(&SocketAddr::from(to).into())?;
    Ok(TcpStream::from(socket))
}

/// One end of a connection.
pub(crate) struct Conn {
    socket: TcpStream,
    wire: Box<dyn Wire>,
    buffer: Vec<u8>,
    ending: Ending,
}

impl Conn {
    /// A client with this address.
    pub(crate) fn connect(from: Ipv4Addr, to: (Ipv4Addr, u16)) -> io::Result<Self> {
        let socket = dial(from, to)?;
        let wire = socket.try_clone()?;
        Ok(Self::over(socket, Box::new(wire)))
    }

    /// `wire` carries the bytes over `socket`, whose state says how the connection ended.
    pub(crate) fn over(socket: TcpStream, wire: Box<dyn Wire>) -> Self {
        let _ = socket.set_nodelay(true);
        let _ = socket.set_read_timeout(Some(PATIENCE));
        let _ = socket.set_write_timeout(Some(PATIENCE));
        Self {
            socket,
            wire,
            buffer: Vec::new(),
            ending: Ending::Open,
        }
    }

    /// Writes as far as the peer takes it.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.wire.write_all(bytes).and_then(|()| self.wire.flush());
    }

    /// No more is sent; answers can still come.
    pub(crate) fn finish(&mut self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Write);
    }

    /// Ends with RST.
    pub(crate) fn reset(self) {
        let _ = socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
    }

    /// How the connection stands by now.
    pub(crate) fn ending(&mut self) -> Ending {
        if self.ending != Ending::Open {
            return self.ending;
        }
        let _ = self.socket.set_nonblocking(true);
        let mut byte = [0];
        self.ending = match self.socket.peek(&mut byte) {
            Ok(0) => Ending::Closed,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ending::Open,
            Err(_) => Ending::Reset,
            Ok(_) => Ending::Open,
        };
        let _ = self.socket.set_nonblocking(false);
        self.ending
    }

    fn more(&mut self) -> bool {
        let mut chunk = [0; 16 << 10];
        match self.wire.read(&mut chunk) {
            Ok(0) => self.ending = Ending::Closed,
            Ok(n) => {
                self.buffer.extend_from_slice(&chunk[..n]);
                return true;
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.ending = Ending::Closed;
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                self.ending = Ending::Silent;
            }
            Err(_) => self.ending = Ending::Reset,
        }
        false
    }

    /// Exactly `n` bytes, fewer at the end.
    pub(crate) fn take(&mut self, n: usize) -> Vec<u8> {
        while self.buffer.len() < n && self.more() {}
        let n = n.min(self.buffer.len());
        self.buffer.drain(..n).collect()
    }

    /// Everything until the end of the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.buffer)
    }

    /// A line without its end; `None` when the connection ends first.
    fn line(&mut self) -> Option<String> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.buffer[searched..].iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=searched + end).collect();
                let text = String::from_utf8_lossy(&line);
                return Some(text.trim_end_matches(['\r', '\n']).to_owned());
            }
            searched = self.buffer.len();
            if !self.more() {
                return None;
            }
        }
    }

    fn fields(&mut self) -> Option<Vec<(String, String)>> {
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Some(fields);
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// The next head; its body is still to be read. `None` when nothing (more) came.
    pub(crate) fn head(&mut self) -> Option<Message> {
        let start = self.line()?;
        let headers = self.fields();
        Some(Message {
            complete: headers.is_some(),
            start,
            headers: headers.unwrap_or_default(),
            ..Message::default()
        })
    }

    /// The body of a request.
    pub(crate) fn request_body(&mut self, message: &mut Message) {
        if message.is_chunked() {
            self.chunks(message);
        } else if let Some(length) = message.length() {
            message.body = self.take(length);
            message.complete = message.body.len() == length;
        }
    }

    /// The body of a response to a request with this method.
    pub(crate) fn response_body(&mut self, message: &mut Message, method: &str) {
        let status = message.status();
        if method == "HEAD" || matches!(status, 100..=199 | 204 | 304) {
            return;
        }
        if message.is_chunked() {
            self.chunks(message);
        } else if let Some(length) = message.length() {
            message.body = self.take(length);
            message.complete = message.body.len() == length;
        } else {
            message.body = self.rest();
            message.complete = self.ending == Ending::Closed;
        }
    }

    fn chunks(&mut self, message: &mut Message) {
        message.complete = false;
        loop {
            let Some(line) = self.line() else { return };
            let size = line.split(';').next().unwrap_or_default().trim();
            let Ok(size) = usize::from_str_radix(size, 16) else {
                return;
            };
            if size == 0 {
                if let Some(trailers) = self.fields() {
                    message.trailers = trailers;
                    message.complete = true;
                }
                return;
            }
            let data = self.take(size);
            let whole = data.len() == size;
            message.body.extend(data);
            if !whole || self.line().is_none() {
                return;
            }
        }
    }
}
