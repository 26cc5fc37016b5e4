//! What a registry was sent, for reports.

/// What was sent, or would be.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Sent {
    /// Blobs that were in the repository.
    pub present: u64,
    /// Blobs that the registry took from another repository.
    pub mounted: u64,
    /// Blobs that were sent.
    pub sent: u64,
    /// Bytes of those.
    pub sent_bytes: u64,
}
