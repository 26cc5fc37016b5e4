//! SIGINT and SIGTERM: unfinished outputs are removed before the process ends.

use anyhow::{Context, Result};
use restamp::spool::Spools;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// From here on a signal removes what the spools have a name for, then ends the process as the shell expects it.
pub fn clean_up_on_signal(spools: &Spools) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen for signals")?;
    let spools = spools.clone();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                spools.remove_all();
                // Dies of the signal itself, so that a shell script around it stops as well.
                let _ = signal_hook::low_level::emulate_default_handler(signal);
                std::process::exit(128 + signal);
            }
        })
        .context("cannot start a thread")?;
    Ok(())
}
