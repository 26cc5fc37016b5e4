//! Where files of well-known formats keep times and private keys, and how they are laid out.
//!
//! It is pure: it takes bytes and returns places and values. The caller decides what is done with a time.

pub mod ar;
pub mod bootsnap;
pub mod cpio;
pub mod date;
pub mod elf;
pub mod fontconfig;
pub mod gzip;
pub mod jks;
pub mod jsa;
pub mod opcache;
pub mod private_key;
pub mod pyc;
pub mod stargz;
pub mod zip;
