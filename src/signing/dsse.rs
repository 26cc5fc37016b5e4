//! DSSE envelopes: a payload, its type, and signatures over both
//! (<https://github.com/secure-systems-lab/dsse>, envelope.md and protocol.md).

/// The payload type of in-toto statements.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// What is signed: the pre-authentication encoding of a payload and its type.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let start = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [start.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_encoding_is_that_of_the_protocol() {
        let expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world";
        assert_eq!(super::pae("http://example.com/HelloWorld", b"hello world"), expected);
    }
}
