//! The listener over TCP, where one is configured.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::server::{self, Accept, From, Handler, Limits};

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listener {
    /// Listens at `address`; port 0 is any that is free.
    ///
    /// # Errors
    /// The address is in use, or not ours.
    pub fn start(runtime: &Handle, address: SocketAddr, handler: Arc<dyn Handler>, limits: Limits) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let _inside = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        let task = runtime.spawn(server::serve(Incoming(listener), handler, limits));
        Ok(Self { address, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Incoming(TcpListener);

impl Accept for Incoming {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, From)> {
        let (stream, from) = self.0.accept().await?;
        // Answers are written in whole pieces.
        let _ = stream.set_nodelay(true);
        Ok((stream, From::Tcp(from)))
    }
}
