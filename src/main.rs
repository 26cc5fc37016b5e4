//! The `restamp` command.

fn main() {}
