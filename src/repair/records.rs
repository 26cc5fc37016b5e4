//! Records in a temporary file: numbers and byte strings, one after the other.
//!
//! Only this program writes and reads them, in one run; a record that can't be read is an error all the same.

use std::io::{BufReader, Read};

use crate::blob::{Extent, ExtentReader, NewBlob, NewBlobs};
use crate::error::{Error, Result};

/// Writes records.
#[derive(Debug)]
pub(super) struct Writer<'b> {
    out: NewBlob<'b>,
    record: Vec<u8>,
    count: u64,
}

impl<'b> Writer<'b> {
    pub(super) fn new(blobs: &'b NewBlobs) -> Self {
        Self { out: blobs.writer(), record: Vec::new(), count: 0 }
    }

    /// Writes one record.
    pub(super) fn record(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        self.record.clear();
        write(&mut self.record);
        self.count += 1;
        self.out.write(&self.record)
    }

    /// All of them.
    pub(super) fn finish(self) -> Result<Records> {
        let extent = (self.count > 0).then(|| self.out.finish()).transpose()?;
        Ok(Records { extent, count: self.count })
    }
}

/// Records that were written.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    extent: Option<Extent>,
    pub(super) count: u64,
}

impl Records {
    /// Has every record read by `read`, in their order.
    pub(super) fn each(&self, mut read: impl FnMut(&mut Reader) -> Result<()>) -> Result<()> {
        let Some(extent) = &self.extent else { return Ok(()) };
        let mut reader = Reader(BufReader::with_capacity(64 << 10, extent.reader()?));
        for _ in 0..self.count {
            read(&mut reader)?;
        }
        Ok(())
    }
}

/// Appends a number.
pub(super) fn put_number(record: &mut Vec<u8>, number: u64) {
    record.extend(number.to_le_bytes());
}

/// Appends a byte string with its length.
pub(super) fn put_bytes(record: &mut Vec<u8>, bytes: &[u8]) {
    put_number(record, bytes.len() as u64);
    record.extend_from_slice(bytes);
}

/// Reads a record.
#[derive(Debug)]
pub(super) struct Reader(BufReader<ExtentReader>);

impl Reader {
    pub(super) fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.0.read_exact(&mut byte).map_err(cannot_read)?;
        Ok(byte[0])
    }

    pub(super) fn number(&mut self) -> Result<u64> {
        let mut number = [0; 8];
        self.0.read_exact(&mut number).map_err(cannot_read)?;
        Ok(u64::from_le_bytes(number))
    }

    /// Reads a byte string, over what is in `bytes`.
    pub(super) fn bytes(&mut self, bytes: &mut Vec<u8>) -> Result<()> {
        let length = self.number()?;
        bytes.clear();
        self.0.by_ref().take(length).read_to_end(bytes).map_err(cannot_read)?;
        if bytes.len() as u64 == length { Ok(()) } else { Err(cannot_read(std::io::ErrorKind::UnexpectedEof.into())) }
    }
}

pub(super) fn cannot_read(error: std::io::Error) -> Error {
    Error::io("cannot read what was noted of a layer", error)
}
