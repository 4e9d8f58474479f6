//! Calls that a command makes by itself, one after another or side by side, each waited for.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::cli::exit::{Failure, Kind};
use crate::edge::caller::Dispatcher;
use crate::edge::files;
use crate::edge::http::Http;
use crate::edge::relay::Relays;
use crate::parts::Caller as _;
use crate::platform::contract::{Call, Reply};

pub struct Calls {
    /// The caller's threads.
    _runtime: Runtime,
    caller: Dispatcher,
}

impl Calls {
    pub fn new() -> Result<Self, Failure> {
        let internal = |what: &str, error: &dyn std::fmt::Display| {
            Failure::new(Kind::Internal, format!("failed to {what}: {error}"))
        };
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| internal("start the runtime", &error))?;
        let agent = concat!("cadenced/", env!("CARGO_PKG_VERSION"));
        let http = Http::new(agent, &[]).map_err(|error| internal("set up HTTP", &error))?;
        let relays = Relays::new(agent, &[]).map_err(|error| internal("set up WebSocket", &error))?;
        let caller = Dispatcher::new(runtime.handle().clone(), http, relays, Arc::new(files::carry_out));
        Ok(Self { _runtime: runtime, caller })
    }

    /// Makes a call once and waits for its answer.
    pub fn make(&self, call: Call, timeout: Duration) -> Result<Reply, String> {
        let (tell, told) = std::sync::mpsc::channel();
        self.caller.call(call, timeout, Box::new(move |result| drop(tell.send(result))));
        told.recv().map_err(|_| "the call was broken off".to_owned())?.map_err(|failure| failure.to_string())
    }
}
