//! Application protocols of ports, as Istio names them (`pkg/config/protocol`).

/// What a port speaks. `Auto` asks the proxy to sniff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    Http,
    Http2,
    Grpc,
    GrpcWeb,
    Https,
    Tls,
    Tcp,
    Mongo,
    Redis,
    Mysql,
    Udp,
    Auto,
}

impl Protocol {
    /// Parses one of Istio's protocol names, in any case. `Auto` has no name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "http" | "http1" => Self::Http,
            "http2" | "h2c" => Self::Http2,
            "grpc" => Self::Grpc,
            "grpc-web" => Self::GrpcWeb,
            "https" => Self::Https,
            "tls" => Self::Tls,
            "tcp" => Self::Tcp,
            "mongo" => Self::Mongo,
            "redis" => Self::Redis,
            "mysql" => Self::Mysql,
            "udp" => Self::Udp,
            _ => return None,
        })
    }

    /// Protocol of a Kubernetes service port: `appProtocol` first, then the port name's prefix up to the
    /// first `-` (`grpc-web` first), else sniffed (Istio `kube.ConvertProtocol`).
    #[must_use]
    pub fn of_service_port(name: &str, app_protocol: Option<&str>, transport: &str) -> Self {
        if transport.eq_ignore_ascii_case("UDP") {
            return Self::Udp;
        }
        if let Some(app) = app_protocol {
            let app = match app {
                "kubernetes.io/h2c" => "http2",
                "kubernetes.io/ws" | "kubernetes.io/wss" => "http",
                other => other,
            };
            if let Some(protocol) = Self::from_name(app) {
                return protocol;
            }
        }
        let name = name.to_ascii_lowercase();
        if name == "grpc-web" || name.starts_with("grpc-web-") {
            return Self::GrpcWeb;
        }
        let prefix = name.split('-').next().unwrap_or_default();
        Self::from_name(prefix).unwrap_or(Self::Auto)
    }

    /// HTTP in any version, in plain text.
    #[must_use]
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Http2 | Self::Grpc | Self::GrpcWeb)
    }

    /// HTTP/2 with prior knowledge.
    #[must_use]
    pub fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Grpc | Self::GrpcWeb)
    }

    /// Handled as bytes.
    #[must_use]
    pub fn is_tcp(self) -> bool {
        matches!(
            self,
            Self::Tcp | Self::Https | Self::Tls | Self::Mongo | Self::Redis | Self::Mysql
        )
    }

    /// Carries TLS of the application.
    #[must_use]
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_names_and_app_protocol_select() {
        let of = |name, app| Protocol::of_service_port(name, app, "TCP");
        assert_eq!(of("http-web", None), Protocol::Http);
        assert_eq!(of("grpc-web-x", None), Protocol::GrpcWeb);
        assert_eq!(of("grpc", None), Protocol::Grpc);
        assert_eq!(of("web", None), Protocol::Auto);
        assert_eq!(of("", Some("kubernetes.io/h2c")), Protocol::Http2);
        assert_eq!(of("tcp-x", Some("http")), Protocol::Http);
        assert_eq!(Protocol::of_service_port("dns", None, "UDP"), Protocol::Udp);
    }
}
