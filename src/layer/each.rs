//! Many pieces of work side by side, as many at a time as a pool has jobs.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Kind, Result};
use crate::layer::Pool;
use crate::sync::{lock, start};

impl Pool {
    /// Works on every item, begun in their order and as many at a time as there are jobs; the results in that order.
    ///
    /// After an error no other item is begun and the pool is [cancelled](Pool::cancel). The first cause is what is
    /// returned: items that were stopped because of it are no news.
    pub fn each<T: Sync, R: Send>(&self, items: &[T], work: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
        let next = AtomicUsize::new(0);
        let results = Mutex::new(items.iter().map(|_| None).collect::<Vec<Option<R>>>());
        let failed = Mutex::new(None::<Error>);
        std::thread::scope(|scope| {
            for count in 0..self.jobs().min(items.len()) {
                let started = start(scope, "layer", || {
                    while lock(&failed).is_none() {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(item) = items.get(number) else { break };
                        match work(item) {
                            Ok(result) => {
                                if let Some(place) = lock(&results).get_mut(number) {
                                    *place = Some(result);
                                }
                            }
                            Err(error) => {
                                let mut failed = lock(&failed);
                                if failed.as_ref().is_none_or(|first| matches!(first.kind(), Kind::Interrupted)) {
                                    *failed = Some(error);
                                }
                                self.cancel();
                            }
                        }
                    }
                });
                match started {
                    Ok(_) => {}
                    Err(error) if count == 0 => return Err(error),
                    // Fewer do it as well.
                    Err(_) => break,
                }
            }
            Ok(())
        })?;
        if let Some(error) = lock(&failed).take() {
            return Err(error);
        }
        let results = std::mem::take(&mut *lock(&results));
        // A result is missing only where a thread has panicked, which the scope passes on.
        results.into_iter().map(|result| result.ok_or_else(Error::interrupted)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..100).collect();
        for jobs in [1, 3, 200] {
            let pool = Pool::new(jobs).unwrap();
            let squares = pool.each(&items, |n| Ok(n * n)).unwrap();
            assert!(squares.iter().zip(&items).all(|(square, n)| *square == n * n) && squares.len() == 100);
            assert_eq!(pool.each(&[0_u8; 0], |_| Ok(())).unwrap(), []);
        }
    }

    #[test]
    fn the_first_cause_is_told_and_nothing_else_is_begun() {
        let pool = Pool::new(2).unwrap();
        let begun = AtomicUsize::new(0);
        let items: Vec<usize> = (0..1000).collect();
        let error = pool
            .each(&items, |n| {
                begun.fetch_add(1, Ordering::Relaxed);
                match n {
                    0 => {
                        while begun.load(Ordering::Relaxed) < 2 {
                            std::thread::yield_now();
                        }
                        Err(Error::missing("first"))
                    }
                    _ => loop {
                        // The other thread works until it is told to stop.
                        pool.check()?;
                        std::thread::yield_now();
                    },
                }
            })
            .map(|_: Vec<()>| ())
            .unwrap_err();
        assert!(error.to_string().contains("first"), "{error}");
        assert_eq!(begun.load(Ordering::Relaxed), 2);
    }
}
