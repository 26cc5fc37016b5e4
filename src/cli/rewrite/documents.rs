//! What a rewrite writes besides the image: its report, and the digest to deploy by.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Result, bail};
use restamp::rewrite::report::Report;
use restamp::{Digest, Spools};

use super::super::output::{Inputs, OutputFile, WriteAll, one_digest, print, print_json};
use super::Arguments;

/// What was asked for.
pub(super) struct Documents<'a> {
    report: Option<&'a Path>,
    digest: Option<&'a Path>,
    prints_report: bool,
    prints_digest: bool,
}

/// Those of them that are files.
pub(super) struct Files {
    report: Option<OutputFile>,
    digest: Option<OutputFile>,
    /// Is the one digest of the result wanted, in a file or not?
    wants_digest: bool,
}

impl<'a> Documents<'a> {
    /// What the arguments ask for. `-` is standard output unless the new image goes there.
    pub(super) fn of(arguments: &'a Arguments, is_on_stdout: bool) -> Result<Self> {
        if arguments.json && is_on_stdout {
            bail!("--json: the new image goes to standard output: give DEST, or use --report FILE");
        }
        let [report, digest] = [&arguments.report, &arguments.digest_file].map(Option::as_deref);
        if report.is_some() && report == digest {
            bail!("--report and --digest-file can't be the same file");
        }
        let is_printed = |path: Option<&Path>| path == Some(Path::new("-")) && !is_on_stdout;
        let (prints_report, prints_digest) = (arguments.json || is_printed(report), is_printed(digest));
        if prints_report && prints_digest {
            bail!("--digest-file -: standard output has the report: give a file");
        }
        let in_file = |path: Option<&'a Path>| path.filter(|_| !is_printed(path));
        Ok(Self { report: in_file(report), digest: in_file(digest), prints_report, prints_digest })
    }

    /// Does one of them go to standard output?
    pub(super) fn are_printed(&self) -> bool {
        self.prints_report || self.prints_digest
    }

    /// Opens the files, before the work: a path that can't be written is an error at once.
    pub(super) fn open(&self, inputs: &Inputs, spools: &Spools) -> Result<Files> {
        let open =
            |option, path: Option<&Path>| path.map(|path| OutputFile::open(option, path, inputs, spools)).transpose();
        Ok(Files {
            report: open("--report", self.report)?,
            digest: open("--digest-file", self.digest)?,
            wants_digest: self.prints_digest || self.digest.is_some(),
        })
    }

    /// Prints what goes to standard output.
    pub(super) fn print(&self, report: &Report) -> Result<()> {
        if self.prints_report {
            print_json(report)?;
        }
        if self.prints_digest {
            let digest = digest_of(report)?;
            print(|out| writeln!(out, "{digest}"))?;
        }
        Ok(())
    }
}

impl Files {
    /// Writes all of them, to where they do not have their names yet.
    pub(super) fn write(self, report: &Report) -> Result<Self> {
        let Self { report: in_file, digest, wants_digest } = self;
        let text = if wants_digest { format!("{}\n", digest_of(report)?) } else { String::new() };
        let json = |out: &mut dyn Write| -> io::Result<()> {
            out.write_all(&restamp::internals::json_writer::to_vec(report)?)
        };
        let write = |file: Option<OutputFile>, all: &WriteAll<'_>| file.map(|file| file.write(all)).transpose();
        Ok(Self {
            report: write(in_file, &json)?,
            digest: write(digest, &|out| out.write_all(text.as_bytes()))?,
            wants_digest,
        })
    }

    /// Gives them their names.
    pub(super) fn publish(self) -> Result<()> {
        self.report.map_or(Ok(()), OutputFile::publish)?;
        self.digest.map_or(Ok(()), OutputFile::publish)
    }
}

fn digest_of(report: &Report) -> Result<Digest> {
    one_digest(report.names.iter().map(|name| (name.name.as_deref(), name.digest.new)), "--digest-file")
}
