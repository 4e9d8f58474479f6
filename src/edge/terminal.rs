//! Reading what a person types, without showing it.

use std::io::{self, BufRead as _, IsTerminal as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Longest line that is read, in bytes. Addresses with a code in them have some hundred.
const LINE_BYTES: u64 = 64 * 1024;

/// Reads a line of stdin; where that is a terminal, without an echo.
///
/// # Errors
/// Nothing can be read, the line is no text, or it was broken off.
pub fn hidden_line() -> io::Result<String> {
    let stdin = io::stdin();
    let _quiet = stdin.is_terminal().then(Quiet::begin).transpose()?;
    let mut line = String::new();
    io::Read::take(stdin.lock(), LINE_BYTES).read_line(&mut line)?;
    if line.contains('\u{3}') {
        return Err(io::Error::new(io::ErrorKind::Interrupted, "it was broken off"));
    }
    Ok(line)
}

/// A terminal without echo, until this is dropped. Nor does Ctrl-C end the program meanwhile, or the terminal would stay
/// like that; it is read as a character.
struct Quiet(Termios);

impl Quiet {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        quiet.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Nothing is left to do where that fails.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
