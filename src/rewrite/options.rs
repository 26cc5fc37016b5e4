//! What a rewrite is to do: plain data, from the command line or from a program that uses the library.

use std::sync::Arc;

use crate::clock::{Clock, DocumentTime};
use crate::document::TimeKeys;
use crate::error::{Error, Result};
use crate::image::Select;
use crate::image::base::Base;
use crate::layer::{self, Output};
use crate::media_type::Compression;
use crate::name::NewName;
use crate::repair::copies::CopyKind;
use crate::repair::own::{OwnFormats, OwnTimes};
use crate::repair::rules::{Compressor, LayerRules, Omitted, OwnMtimes, Repairs};
use crate::spool::Spools;
use crate::stamp::{Stamp, Stamps};

/// Everything that the bytes of the output depend on, besides the input.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The epoch or where it comes from, and whether it is set or clamped.
    pub clock: Clock,
    /// What the times of documents become.
    pub created: DocumentTime,
    /// Which labels and annotations hold times, besides those that are known.
    pub time_keys: TimeKeys,
    /// The names of owners and groups are removed from layers.
    pub numeric_owner: bool,
    /// Which images.
    pub select: Select,
    /// Which layers and history entries are left byte for byte as they are.
    pub base: Base,
    /// The layers of the base are where the result goes, or can be had there: they are not read.
    pub base_stays_there: bool,
    /// The names of the result; where there are none, it has those of the source.
    pub names: Vec<NewName>,
    /// How rewritten layers are compressed; `None`: as each layer was, by its media type.
    pub compression: Option<Compression>,
    /// `None`: the level of the canonical form.
    pub compression_level: Option<u32>,
    /// Times in the commands of history stay, also where the label that they repeat is rewritten.
    pub keep_commands: bool,
    pub attestations: Attestations,
    pub signatures: Signatures,
    pub repair: Repair,
    /// The entries of layers come in the order of their names.
    pub sorted: bool,
    /// Where temporary files are made that patching content needs.
    pub spools: Option<Spools>,
    /// Which entries are left out of layers.
    pub omit: Arc<Omitted>,
    /// Which files get mtimes of their own.
    pub mtimes: Arc<OwnMtimes>,
    /// Only the digests of the result are asked for: new layers are hashed, and not kept.
    pub are_discarded: bool,
}

/// Which times in the content of files are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repair {
    /// Updates copies of mtimes, which would be stale otherwise: Python bytecode, caches of fontconfig, bootsnap's
    /// compile cache. Only copies that were right before are updated; stale ones stay stale.
    pub copies: bool,
    /// Goes on where a stale copy would become right because its layer has to stay as it is.
    pub ignore_stale: bool,
    /// Copies of an mtime in files of PHP's opcache follow as well.
    pub opcache: bool,
    /// So do those in archives of Java's class data sharing.
    pub jsa: bool,
    /// The padding in the keys of bootsnap's compile cache is cleared: it holds what was in memory, and two builds differ in
    /// it.
    pub bootsnap: bool,
    /// Formats whose own times are replaced.
    pub own: OwnFormats,
}

impl Repair {
    /// Files keep their content to the byte, as with BuildKit's `rewrite-timestamp`. A stale copy of an mtime that becomes
    /// right by that is warned of.
    pub const NONE: Self =
        Self { copies: false, ignore_stale: false, opcache: false, jsa: false, bootsnap: false, own: OwnFormats::NONE };

    /// All of them.
    pub const ALL: Self =
        Self { copies: true, ignore_stale: false, opcache: true, jsa: true, bootsnap: true, own: OwnFormats::ALL };

    /// Are copies of this kind replaced?
    pub(crate) fn follows(&self, kind: CopyKind) -> bool {
        if kind == CopyKind::Opcache { self.opcache } else { self.copies }
    }
}

/// Copies of mtimes follow.
impl Default for Repair {
    fn default() -> Self {
        Self { copies: true, ..Self::NONE }
    }
}

/// What becomes of attestations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attestations {
    /// They follow the image that they are about.
    Update,
    /// They are left out.
    Drop,
}

/// What becomes of signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signatures {
    /// A signed image is an error.
    Refuse,
    /// They are left out.
    Drop,
}

impl Options {
    /// The defaults: copies of mtimes follow, nothing is a base, compression is kept, attestations follow, signatures are refused.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            created: DocumentTime::Epoch,
            time_keys: TimeKeys::default(),
            numeric_owner: false,
            select: Select::default(),
            base: Base::None,
            base_stays_there: false,
            names: Vec::new(),
            compression: None,
            compression_level: None,
            keep_commands: false,
            attestations: Attestations::Update,
            signatures: Signatures::Refuse,
            repair: Repair::default(),
            sorted: false,
            spools: None,
            omit: Arc::default(),
            mtimes: Arc::default(),
            are_discarded: false,
        }
    }

    /// What the times of files become.
    ///
    /// # Errors
    ///
    /// The epoch comes from the image, which was not asked yet.
    pub fn stamp(&self) -> Result<Stamp> {
        self.clock.stamp().ok_or_else(|| Error::missing(format!("the epoch that {} names", self.clock.epoch)))
    }

    /// What the times of files and of documents become.
    ///
    /// # Errors
    ///
    /// As for [`stamp`](Self::stamp).
    pub fn stamps(&self) -> Result<Stamps> {
        let files = self.stamp()?;
        Ok(Stamps { files, documents: self.created.stamp(files) })
    }

    /// What is done with the entries of layers beside the rule for their times.
    pub fn rules(&self) -> LayerRules {
        let Repair { copies, opcache, bootsnap, own, .. } = self.repair;
        let own_times = self.spools.clone().filter(|_| own.any()).map(|spools| OwnTimes::new(own, spools));
        let compress = own.tar.then_some(Compressor(layer::gzip));
        let repairs = Repairs { copies, opcache, bootsnap, own: own_times, compress };
        let (omit, mtimes) = (Arc::clone(&self.omit), Arc::clone(&self.mtimes));
        LayerRules { repairs, omit, mtimes, are_noted: true, ..LayerRules::default() }
    }

    /// How a layer is encoded that is to have this compression.
    pub fn output(&self, compression: Compression) -> Result<Output> {
        Output::new(compression, self.compression_level.filter(|_| self.compression.is_none_or(|c| c == compression)))
    }

    /// Refuses a level that no codec of this run accepts, before any work is done.
    pub fn check_level(&self) -> Result<()> {
        match (self.compression, self.compression_level) {
            (None, Some(_)) => {
                Err(Error::refused("--compression-level needs --compression gzip or --compression zstd"))
            }
            (Some(compression), level) => Output::new(compression, level).map(|_| ()),
            (None, None) => Ok(()),
        }
    }
}
