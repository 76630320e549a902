//! TLS on both sides, from the configuration's contexts and secrets.

use std::borrow::Cow;

use tokio::net::TcpStream;
use tokio_rustls::{client, server};

use crate::balance::Host;
use crate::config::Config;
use crate::config::tls::{DownstreamTls, UpstreamTls};
use crate::http::transport::Prefixed;
use crate::observe::record::TlsFacts;
use crate::shared::Shared;
use crate::upstream::ConnectOptions;

pub(crate) async fn connect(
    _shared: &Shared,
    _config: &Config,
    _context: &UpstreamTls,
    _host: &Host,
    _options: &ConnectOptions,
    _tcp: TcpStream,
) -> Result<(client::TlsStream<TcpStream>, TlsFacts), Cow<'static, str>> {
    Err("TLS_error:|not ready:TLS_error_end".into())
}

pub(crate) async fn accept(
    _shared: &Shared,
    _config: &Config,
    _context: &DownstreamTls,
    _tcp: Prefixed<TcpStream>,
) -> Result<(server::TlsStream<Prefixed<TcpStream>>, TlsFacts), Cow<'static, str>> {
    Err("TLS_error:|not ready:TLS_error_end".into())
}
