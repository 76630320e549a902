//! Addresses, as access logs print them.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use super::context::number;
use crate::config::cluster::EndpointAddress;
use crate::config::format::{Address, Rendered};

pub(super) fn address(address: Option<SocketAddr>, part: Address, out: &mut Vec<u8>) -> Rendered {
    let Some(address) = address else {
        return Rendered::Absent;
    };
    match part {
        Address::WithPort => socket(address, out),
        Address::WithoutPort => ip(address.ip(), out),
        Address::Port => return number(u64::from(address.port()), out),
    }
    Rendered::Text
}

fn socket(address: SocketAddr, out: &mut Vec<u8>) {
    if address.is_ipv4() {
        ip(address.ip(), out);
        out.push(b':');
        number(address.port().into(), out);
    } else {
        let _ = write!(out, "{address}");
    }
}

/// Several addresses stand in each line, and the formatting machinery costs more than the rest of the line.
fn ip(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                number(octet.into(), out);
            }
        }
        IpAddr::V6(address) => _ = write!(out, "{address}"),
    }
}

pub(super) fn endpoint(address: &EndpointAddress, port: bool, out: &mut Vec<u8>) -> Rendered {
    let _ = match address {
        EndpointAddress::Socket(address) if port => {
            socket(*address, out);
            Ok(())
        }
        EndpointAddress::Socket(address) => {
            ip(address.ip(), out);
            Ok(())
        }
        EndpointAddress::Name { host, port: number } if port => write!(out, "{host}:{number}"),
        EndpointAddress::Name { host, .. } => write!(out, "{host}"),
        EndpointAddress::Pipe(path) => write!(out, "{}", path.display()),
    };
    Rendered::Text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_printed_as_the_standard_library_does() {
        for text in [
            "10.0.200.7:65535",
            "0.0.0.0:0",
            "[fe80::1]:80",
            "[::ffff:1.2.3.4]:9",
        ] {
            let parsed: SocketAddr = text.parse().unwrap();
            let print = |part| {
                let mut out = Vec::new();
                address(Some(parsed), part, &mut out);
                String::from_utf8(out).unwrap()
            };
            assert_eq!(print(Address::WithPort), parsed.to_string());
            assert_eq!(print(Address::WithoutPort), parsed.ip().to_string());
            assert_eq!(print(Address::Port), parsed.port().to_string());
        }
    }
}
