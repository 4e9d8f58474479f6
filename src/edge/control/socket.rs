//! The control socket: a file that commands ask the daemon over.
//!
//! Who may ask is decided by the file: it is made with mode 0660, so the kernel lets in the daemon's user, root, and
//! its group.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::domain::path::shown;

use super::server::{self, Accept, From, Handler, Limits};

/// Anybody of the group may write, which is what connecting needs; nobody else.
const MODE: u32 = 0o660;

/// Who asks, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    pub uid: u32,
    pub gid: u32,
    pub pid: Option<i32>,
}

/// Why the daemon cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("another daemon answers at {}", shown(.0))]
    Taken(PathBuf),
    #[error("{} is there and is no socket", shown(.0))]
    NoSocket(PathBuf),
    #[error("failed to listen at {}", shown(.path))]
    Listen {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// The daemon's side. Dropping it ends it and removes the socket.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    identity: (u64, u64),
    task: JoinHandle<()>,
}

impl Socket {
    /// Listens at `path`. A socket there that nobody answers at is replaced.
    ///
    /// # Errors
    /// When somebody answers there already, something else is there, or the folder cannot be written.
    pub fn start(runtime: &Handle, path: &Path, handler: Arc<dyn Handler>, limits: Limits) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Listen { path: path.into(), source };
        is_free(path)?;
        let (listener, identity) = bind(path).map_err(failed)?;
        let _inside = runtime.enter();
        let listener = UnixListener::from_std(listener).map_err(failed)?;
        let task = runtime.spawn(server::serve(Incoming(listener), handler, limits));
        Ok(Self { path: path.into(), identity, task })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.task.abort();
        // Only our own: another daemon may have put its socket there since.
        let ours = std::fs::symlink_metadata(&self.path).is_ok_and(|about| (about.dev(), about.ino()) == self.identity);
        if ours {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn is_free(path: &Path) -> Result<(), ServeError> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(ServeError::Listen { path: path.into(), source }),
        Ok(about) if !about.file_type().is_socket() => return Err(ServeError::NoSocket(path.into())),
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(ServeError::Taken(path.into())),
        Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => Ok(()),
        Err(source) => Err(ServeError::Listen { path: path.into(), source }),
    }
}

/// Made aside and renamed, so that whoever finds the socket finds it with its mode and somebody listening.
fn bind(path: &Path) -> io::Result<(std::os::unix::net::UnixListener, (u64, u64))> {
    let mut aside = path.as_os_str().to_owned();
    aside.push("~");
    let aside = PathBuf::from(aside);
    if std::fs::symlink_metadata(&aside).is_ok_and(|about| about.file_type().is_socket()) {
        std::fs::remove_file(&aside)?;
    }
    let listener = std::os::unix::net::UnixListener::bind(&aside)?;
    std::fs::set_permissions(&aside, std::fs::Permissions::from_mode(MODE))?;
    let about = std::fs::symlink_metadata(&aside)?;
    listener.set_nonblocking(true)?;
    std::fs::rename(&aside, path)?;
    Ok((listener, (about.dev(), about.ino())))
}

struct Incoming(UnixListener);

impl Accept for Incoming {
    type Stream = UnixStream;

    async fn accept(&mut self) -> io::Result<(UnixStream, From)> {
        let (stream, _) = self.0.accept().await?;
        let cred = stream.peer_cred()?;
        Ok((stream, From::Socket(Peer { uid: cred.uid(), gid: cred.gid(), pid: cred.pid() })))
    }
}
