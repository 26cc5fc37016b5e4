//! What a rewrite is to do: plain data, from the command line or from a program that uses the library.

use crate::digest::Digest;
use crate::document::config::History;
use crate::media_type::Compression;
use crate::platform::Platform;
use crate::stamp::Stamp;

/// Everything that the bytes of the output depend on, besides the input.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The epoch, and whether it is set or clamped.
    pub stamp: Stamp,
    /// Which layers and history entries are left byte for byte as they are.
    pub base: Base,
    /// How rewritten layers are compressed.
    pub encoding: Encoding,
    /// Times in the commands of history stay, also where the label that they repeat is rewritten.
    pub keep_commands: bool,
    /// What becomes of attestations.
    pub attestations: Attestations,
    /// What becomes of signatures.
    pub signatures: Signatures,
    /// Only images of this platform.
    pub platform: Option<Platform>,
    /// Only the image of this name.
    pub reference: Option<String>,
}

impl Policy {
    /// The defaults: nothing is a base, compression is kept, attestations follow, signatures are refused.
    pub fn new(stamp: Stamp) -> Self {
        Self {
            stamp,
            base: Base::None,
            encoding: Encoding::default(),
            keep_commands: false,
            attestations: Attestations::Update,
            signatures: Signatures::Refuse,
            platform: None,
            reference: None,
        }
    }
}

/// The base image, whose layers and history entries stay as they are.
#[derive(Debug, Clone, Default)]
pub enum Base {
    /// Everything is rewritten.
    #[default]
    None,
    /// The first so many layers of every image.
    Layers(usize),
    /// The layers of another image.
    Images(Vec<BaseImage>),
}

/// What is known of an image that others were built on.
#[derive(Debug, Clone)]
pub struct BaseImage {
    /// What it was built for.
    pub platform: Platform,
    /// Its layers, uncompressed.
    pub diff_ids: Vec<Digest>,
    /// Its history: as far as an image's begins like that, it is the base's.
    pub history: Vec<History>,
}

/// How rewritten layers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Encoding {
    /// `None`: as the layer was, by its media type.
    pub compression: Option<Compression>,
    /// `None`: the level of the canonical form.
    pub level: Option<u32>,
}

/// `--attestations`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attestations {
    /// They follow the image that they are about.
    Update,
    /// They are left out.
    Drop,
}

/// `--signatures`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signatures {
    /// A signature is a reason not to begin.
    Refuse,
    /// They are left out.
    Drop,
}
