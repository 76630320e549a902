//! Serves the API of a data directory: `serve <directory> <address>`; writes `<directory>/kubeconfig`.

use std::net::TcpListener;

use apiserver::{Kubeconfig, Options, Server};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("usage: serve DIRECTORY [ADDRESS]")?;
    let listener = TcpListener::bind(arguments.next().unwrap_or_else(|| "127.0.0.1:0".into()))?;
    let address = listener.local_addr()?;
    let mut options = Options::new(&directory);
    options.advertise = address;
    options.kubeconfig = Some(Kubeconfig {
        path: format!("{directory}/kubeconfig").into(),
        server: format!("https://{address}"),
        name: "ferromesh".into(),
    });
    let server = Server::open(options).await?;
    println!("{address}");
    server.serve(vec![listener]).await?;
    Ok(())
}
