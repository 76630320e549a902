//! The Bookinfo sample: the topology, names, ports and paths of Istio's sample application, as one
//! program with a role per service.

mod page;
mod roles;
mod upstream;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

pub use roles::Role;

const USAGE: &str =
    "usage: bookinfo productpage|details|ratings|reviews-v1|reviews-v2|reviews-v3 [PORT]";

/// Runs a role until SIGTERM. `args` are the role and, optionally, a port (default 9080).
#[must_use]
pub fn run(args: &[String]) -> ExitCode {
    let port = args.get(1).map_or(Ok(9080), |port| port.parse::<u16>());
    let (Some(role), Ok(port)) = (args.first().and_then(|name| Role::parse(name)), port) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime.map(|runtime| runtime.block_on(serve(role, port))) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) | Err(error) => {
            eprintln!("bookinfo {role:?} on port {port}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(role: Role, port: u16) -> std::io::Result<()> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await?;
    let app = Arc::new(roles::App::new(role));
    let mut end = signal(SignalKind::terminate())?;
    eprintln!("bookinfo {role:?} listens on port {port}");
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted?.0,
            _ = end.recv() => return Ok(()),
        };
        let app = app.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let app = app.clone();
                async move { Ok::<_, Infallible>(app.answer(&request).await) }
            });
            // A client that goes away is no news.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
