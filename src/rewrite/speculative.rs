//! Layers that are worked on while the archive they are in still arrives.
//!
//! An archive on a pipe may have its `manifest.json` last, so what a file in it is can only be guessed by its name and
//! its first bytes. A wrong guess costs only the work: a result is used only for a layer that is asked for with exactly
//! the same options afterwards, and its digest, size and diff_id are compared then as for any other. An error is
//! dropped: if the file matters, the same work will fail again, with a proper message.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::blob::{Extent, ExtentId, NewBlobs};
use crate::context::{RunContext, new_blobs};
use crate::digest::{Algorithm, Digest};
use crate::error::Result;
use crate::image::base::Base;
use crate::layer::{self, EncodeOptions, LayerExpected, Outcome, Pool};
use crate::media_type::Compression;
use crate::rewrite::options::Options;
use crate::stamp::Rule;
use crate::store::location::{Location, Where};
use crate::store::open::Source;
use crate::sync::{lock, start};

/// What became of files that were taken for layers.
#[derive(Debug, Default)]
pub struct SpeculativeLayers {
    done: BTreeMap<ExtentId, (EncodeOptions, Outcome)>,
}

/// Opens an image; from standard input, its layers are worked on as they arrive.
pub fn open(location: &Location, options: &Options, context: &RunContext) -> Result<(Source, SpeculativeLayers)> {
    let spools = &context.spools;
    // With a base, the first layers are not to be encoded; of a name or platform, only some are. Which these are is known
    // only at the end.
    let is_all =
        matches!(options.base, Base::None) && options.select.reference.is_none() && options.select.platform.is_none();
    // The same goes for an epoch that the image names. What is put in order is read twice.
    let is_useful = location.place == Where::Stdio && is_all && options.clock.stamp().is_some() && !options.sorted;
    if !is_useful {
        return Ok((Source::open(location, context)?, SpeculativeLayers::default()));
    }
    let (sender, receiver) = unbounded::<(String, Extent)>();
    let pool = &context.pool.batch();
    let done = Mutex::new(BTreeMap::new());
    let blobs = new_blobs(spools);
    let opened = std::thread::scope(|scope| {
        for _ in 0..pool.jobs() {
            // Where there can be no threads, layers are worked on when they all are here.
            let _ = start(scope, "layer", || work(&receiver, options, pool, &blobs, &done));
        }
        let opened = Source::open_with(location, context, &mut |name, extent| offer(&sender, name, extent));
        if opened.is_err() {
            pool.cancel();
        }
        drop(sender);
        opened
    });
    Ok((opened?, SpeculativeLayers { done: done.into_inner().unwrap_or_else(PoisonError::into_inner) }))
}

fn offer(sender: &Sender<(String, Extent)>, name: &str, extent: &Extent) {
    let layer = name.starts_with("blobs/") || name.ends_with(".tar") || name.ends_with(".tar.gz");
    if layer && !extent.is_empty() {
        // Fails only when the workers have gone, and then there is nothing to be gained.
        let _ = sender.send((name.to_owned(), extent.clone()));
    }
}

fn work(
    receiver: &Receiver<(String, Extent)>,
    options: &Options,
    pool: &Pool,
    blobs: &NewBlobs,
    done: &Mutex<BTreeMap<ExtentId, (EncodeOptions, Outcome)>>,
) {
    while let Ok((name, extent)) = receiver.recv() {
        if let Ok(Some(result)) = try_layer(&name, &extent, options, pool, blobs) {
            lock(done).insert(extent.id(), result);
        }
    }
}

fn try_layer(
    name: &str,
    extent: &Extent,
    options: &Options,
    pool: &Pool,
    blobs: &NewBlobs,
) -> Result<Option<(EncodeOptions, Outcome)>> {
    let mut head = [0; 4];
    let count = extent.head(&mut head)?;
    let first = head[..count].first().copied().unwrap_or(b'{');
    if matches!(first, b'{' | b'[' | b' ' | b'\n') {
        return Ok(None); // a document
    }
    let compression = options.compression.unwrap_or(Compression::sniff(&head[..count]));
    let digest = Digest::from_path(name);
    let spec = spec(options, compression, digest.map_or(Algorithm::Sha256, |digest| digest.algorithm()))?;
    let expect = LayerExpected { digest, size: None, diff_id: None };
    let outcome = layer::rewrite(extent, &expect, &spec, pool, blobs)?;
    Ok(Some((spec, outcome)))
}

/// How a layer is to be encoded.
pub(super) fn spec(options: &Options, compression: Compression, algorithm: Algorithm) -> Result<EncodeOptions> {
    let stamp = options.stamp()?;
    Ok(EncodeOptions {
        stamp,
        numeric_owner: options.numeric_owner,
        rules: options.rules(),
        output: options.output(compression)?,
        keep_unchanged: stamp.rule == Rule::Clamp,
        digest_algorithm: algorithm,
        diff_id_algorithm: Algorithm::Sha256,
    })
}

impl SpeculativeLayers {
    /// What became of these bytes, if just this was done with them; verified as if it were done now.
    pub(super) fn take(
        &mut self,
        extent: &Extent,
        expect: &LayerExpected,
        spec: &EncodeOptions,
    ) -> Option<Result<Outcome>> {
        let (done, outcome) = self.done.remove(&extent.id())?;
        if done != *spec {
            return None;
        }
        let facts = match &outcome {
            Outcome::Unchanged(facts, _) | Outcome::Rewritten(facts, ..) => facts,
        };
        let checked = facts.check(expect);
        Some(checked.map(|()| outcome))
    }
}
