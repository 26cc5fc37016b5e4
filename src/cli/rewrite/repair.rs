//! `--repair` and `--omit`: which times in the content of files are replaced, and which files are left out.

use anyhow::{Result, bail};
use clap::ValueEnum;
use restamp::rewrite::Repair;

/// One word of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum RepairWord {
    /// Nothing: files keep their content to the byte, so copies of mtimes become stale
    None,
    /// Copies of an mtime, by which a program sees if a file is stale: Python bytecode, caches of fontconfig and
    /// bootsnap. The default; the other words add to it
    Copies,
    /// Times of gzip members
    Gzip,
    /// Times of the members of zip archives, jars and wheels
    Zip,
    /// Times of the members of ar archives: static libraries, Debian's packages
    Ar,
    /// Times of the entries of tar archives that are files; also of apk's scripts.tar.gz, which is compressed again
    Tar,
    /// Times of the entries of Java key stores whose password is changeit
    Jks,
    /// Mtimes of jars in archives of Java's class data sharing
    Jsa,
    /// Mtimes of scripts in files of PHP's opcache
    Opcache,
    /// The padding in the keys of bootsnap's compile cache, which holds what was in memory
    Bootsnap,
    /// All of these
    All,
    /// Go on where a stale file in a base layer would be taken for up to date
    IgnoreStale,
}

/// What the words ask for.
pub(super) fn repair(words: &[RepairWord]) -> Result<Repair> {
    if words.contains(&RepairWord::None) {
        if words.len() > 1 {
            bail!("--repair none can't be combined with another word");
        }
        return Ok(Repair::NONE);
    }
    let mut repair = Repair::default();
    for word in words {
        match word {
            RepairWord::None | RepairWord::Copies => {}
            RepairWord::Gzip => repair.own.gzip = true,
            RepairWord::Zip => repair.own.zip = true,
            RepairWord::Ar => repair.own.ar = true,
            RepairWord::Tar => repair.own.tar = true,
            RepairWord::Jks => repair.own.jks = true,
            RepairWord::Jsa => repair.jsa = true,
            RepairWord::Opcache => repair.opcache = true,
            RepairWord::Bootsnap => repair.bootsnap = true,
            RepairWord::All => {
                let ignore_stale = repair.ignore_stale;
                repair = Repair::ALL;
                repair.ignore_stale = ignore_stale;
            }
            RepairWord::IgnoreStale => repair.ignore_stale = true,
        }
    }
    Ok(repair)
}

/// The words of a list with commas between them; those within the braces of a glob are part of it.
pub(super) fn words(list: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let is_end = |byte: char| {
        match byte {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        byte == ',' && depth == 0
    };
    list.split(is_end).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_braces_end_no_word() {
        assert_eq!(words("logs,a/{b,c}/*,caches"), ["logs", "a/{b,c}/*", "caches"]);
        assert_eq!(words("a}{b,c"), ["a}{b,c"]);
        assert_eq!(words(""), [""; 0]);
    }
}
