//! `restamp check`: every time that is not the epoch, every link that does not hold, and nothing else.

mod archives;
mod layers;
mod links;
mod made;
mod references;
mod report;
mod times;
