//! The program: it owns the exit code, and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    cadenced::app::main()
}
