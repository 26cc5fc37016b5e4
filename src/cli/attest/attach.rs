//! `restamp attach`

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use anyhow::{Context, Result};
use restamp::attest::attach;
use restamp::signing::bundle;

use super::super::context::{self, RunOptions};
#[cfg(feature = "registry")]
use super::super::registry::RegistryArguments;
use super::super::{DONE, output};

/// Attach signed statements to the image that they are about
///
/// Each becomes a referrer: in a layout (oci:DIR) a descriptor in index.json and the tag that stands in for a list of
/// referrers, in a registry what the registry keeps. Who has signed a bundle is not looked at.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  restamp attach docker://registry.example/app:1 proof/linux-amd64/*.sigstore.json
  restamp attach oci:app svr.sigstore.json equivalence.sigstore.json

Exit status: 0 done, 2 an error.")]
pub struct Arguments {
    /// The image: a layout in a directory, or a name in a registry
    #[arg(value_name = "IMAGE")]
    image: String,

    /// Bundles, as attest --key and cosign attest-blob write them
    #[arg(value_name = "BUNDLE", required = true)]
    bundles: Vec<PathBuf>,

    #[cfg(feature = "registry")]
    #[command(flatten)]
    registry: RegistryArguments,

    #[command(flatten)]
    running: RunOptions,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let image = context::source(&arguments.image, "attach - BUNDLE")?;
    let bundles = arguments.bundles.iter().map(|path| {
        let mut bytes = Vec::new();
        let file = File::open(path).and_then(|file| file.take(bundle::MAX as u64 + 1).read_to_end(&mut bytes));
        file.with_context(|| format!("cannot read {}", path.display()))?;
        Ok((path.display().to_string(), bytes))
    });
    let bundles: Vec<(String, Vec<u8>)> = bundles.collect::<Result<_>>()?;
    let (context, progress) = arguments.running.start(None, None)?;
    #[cfg(feature = "registry")]
    let context = arguments.registry.of(context);
    let added = attach::attach(&image, &bundles, &context)?;
    drop(progress);
    if !arguments.running.quiet {
        output::print(|out| out.write_all(said(added, bundles.len(), &arguments.image).as_bytes()))?;
    }
    Ok(DONE)
}

/// What was done, as a line.
pub fn said(added: usize, all: usize, image: &str) -> String {
    let bundles = if all == 1 { "bundle" } else { "bundles" };
    let there = all.saturating_sub(added);
    let there = if there > 0 { format!(" ({there} of them attached before)") } else { String::new() };
    // Tools that take the only image of a layout find several entries there now.
    let hint =
        if image.starts_with("docker://") { "" } else { "; skopeo and podman need the tag of its image named now" };
    restamp::error::escaped(&format!("{all} {bundles} attached to {image}{there}{hint}")).into_owned() + "\n"
}
