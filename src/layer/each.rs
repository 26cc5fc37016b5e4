//! Many pieces of work side by side, as many at a time as a pool has jobs.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Kind, Result};
use crate::layer::Pool;
use crate::sync::{lock, start};

impl Pool {
    /// Works on every item, begun in their order and as many at a time as there are jobs; the results in that order.
    ///
    /// The work is given a [batch](Pool::batch) of this pool. After an error or a panic no other item is begun and the
    /// batch is cancelled. The first cause is what is returned; the errors of items that were stopped because of it are
    /// dropped. A panic goes on in the calling thread, once all others have ended.
    ///
    /// # Errors
    ///
    /// The first error of the work, or that the run is to stop.
    pub fn each<T: Sync, R: Send>(&self, items: &[T], work: impl Fn(&T, &Self) -> Result<R> + Sync) -> Result<Vec<R>> {
        let batch = self.batch();
        let next = AtomicUsize::new(0);
        let results = Mutex::new(items.iter().map(|_| None).collect::<Vec<Option<R>>>());
        let failed = Mutex::new(None::<Failure>);
        let fail = |failure: Failure| {
            let mut failed = lock(&failed);
            if failed.as_ref().is_none_or(|first| failure.outranks(first)) {
                *failed = Some(failure);
            }
            batch.cancel();
        };
        std::thread::scope(|scope| {
            for count in 0..self.jobs().min(items.len()) {
                let started = start(scope, "layer", || {
                    while lock(&failed).is_none() {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(item) = items.get(number) else { break };
                        // What a panic leaves unfinished is not looked at again: all of the batch fails.
                        match catch_unwind(AssertUnwindSafe(|| work(item, &batch))) {
                            Ok(Ok(result)) => {
                                if let Some(place) = lock(&results).get_mut(number) {
                                    *place = Some(result);
                                }
                            }
                            Ok(Err(error)) => fail(Failure::Error(error)),
                            Err(panic) => fail(Failure::Panic(panic)),
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
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(Failure::Panic(panic)) => resume_unwind(panic),
            Some(Failure::Error(error)) => return Err(error),
            None => {}
        }
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        // Without a failure every item has a result.
        results.into_iter().map(|result| result.ok_or_else(Error::interrupted)).collect()
    }
}

/// Why a batch was stopped.
enum Failure {
    Error(Error),
    Panic(Box<dyn Any + Send>),
}

impl Failure {
    /// A panic is always reported; an error that says more than that the work was stopped, before one that does not.
    fn outranks(&self, first: &Self) -> bool {
        match (self, first) {
            (Self::Panic(_), Self::Error(_)) => true,
            (Self::Error(_), Self::Error(first)) => matches!(first.kind(), Kind::Interrupted),
            (_, Self::Panic(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..100).collect();
        for jobs in [1, 3, 200] {
            let pool = Pool::new(jobs).unwrap();
            let squares = pool.each(&items, |n, _| Ok(n * n)).unwrap();
            assert!(squares.iter().zip(&items).all(|(square, n)| *square == n * n) && squares.len() == 100);
            assert_eq!(pool.each(&[0_u8; 0], |_, _| Ok(())).unwrap(), []);
        }
    }

    #[test]
    fn the_first_cause_is_told_and_nothing_else_is_begun() {
        let pool = Pool::new(2).unwrap();
        let begun = AtomicUsize::new(0);
        let items: Vec<usize> = (0..1000).collect();
        let error = pool
            .each(&items, |n, batch| {
                begun.fetch_add(1, Ordering::Relaxed);
                match n {
                    0 => {
                        while begun.load(Ordering::Relaxed) < 2 {
                            std::thread::yield_now();
                        }
                        Err(Error::missing("first"))
                    }
                    _ => loop {
                        // The other thread works until it is asked to stop.
                        batch.check()?;
                        std::thread::yield_now();
                    },
                }
            })
            .map(|_: Vec<()>| ())
            .unwrap_err();
        assert!(error.to_string().contains("first"), "{error}");
        assert_eq!(begun.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_pool_works_on_after_a_batch_has_failed() {
        let interrupt = Arc::new(AtomicBool::new(false));
        let pool = Pool::with_interrupt(2, Arc::clone(&interrupt)).unwrap();
        pool.each(&[1, 2, 3], |_, _| Err::<(), _>(Error::missing("layer"))).unwrap_err();
        assert!(!interrupt.load(Ordering::Relaxed), "the caller's flag is the caller's");
        pool.check().unwrap();
        assert_eq!(pool.each(&[1, 2, 3], |n, batch| batch.check().map(|()| n + 1)).unwrap(), [2, 3, 4]);
        interrupt.store(true, Ordering::Relaxed);
        let error = pool.each(&[1], |_, batch| batch.check()).unwrap_err();
        assert!(matches!(error.kind(), Kind::Interrupted));
    }

    #[test]
    fn a_panic_stops_the_other_items_and_goes_on_in_the_caller() {
        let pool = Pool::new(2).unwrap();
        let caught = catch_unwind(AssertUnwindSafe(|| {
            pool.each(&[0, 1], |n, batch| match n {
                0 => resume_unwind(Box::new("a defect")),
                _ => loop {
                    batch.check()?;
                    std::thread::yield_now();
                },
            })
            .map(|_: Vec<()>| ())
        }));
        assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "a defect");
        pool.check().unwrap();
    }
}
