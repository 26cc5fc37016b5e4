//! placeholder
pub struct Decoder;
