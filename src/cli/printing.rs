//! What goes to standard output: the one place that knows what becomes of a pipe that is closed.

use std::io::{self, BufWriter, Write};

use anyhow::{Context, Result};

/// Prints a result. A closed pipe is not an error; what was found is shown by the exit
/// status all the same.
pub fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let result = write(&mut out).and_then(|()| out.flush());
    // After an error, what is still in the buffer must not be tried once more.
    let _ = out.into_parts();
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

/// Prints a result as JSON, and a newline.
pub fn print_json(value: &impl serde::Serialize) -> Result<()> {
    print(|out| restamp::internals::json_writer::write(value, out))
}
