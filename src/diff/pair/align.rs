//! Pairing the elements of two sequences: what is equal first, then what is in the same gap.

/// Beyond this many pairs of elements only the positions count: the table would take too much time.
const TABLE_MAX: usize = 1 << 22;

/// A pair of indices; one of them is `None` where there is no counterpart.
pub(crate) type Pair = (Option<usize>, Option<usize>);

/// Pairs by a longest common subsequence of equal keys; what lies between is left for `fill`, which is given the two
/// gaps and pairs what is in them.
pub(crate) fn align<K: PartialEq>(
    a: &[K],
    b: &[K],
    fill: &mut dyn FnMut(&[usize], &[usize]) -> Vec<Pair>,
) -> Vec<Pair> {
    let mut pairs = Vec::with_capacity(a.len().max(b.len()));
    let (mut gap_a, mut gap_b) = (Vec::new(), Vec::new());
    let (mut next_a, mut next_b) = (0, 0);
    for (i, j) in common(a, b).into_iter().chain([(a.len(), b.len())]) {
        gap_a.extend(next_a..i);
        gap_b.extend(next_b..j);
        if !gap_a.is_empty() || !gap_b.is_empty() {
            pairs.append(&mut fill(&gap_a, &gap_b));
            gap_a.clear();
            gap_b.clear();
        }
        if i < a.len() {
            pairs.push((Some(i), Some(j)));
        }
        (next_a, next_b) = (i + 1, j + 1);
    }
    pairs
}

/// Pairs by position; what is left over has no counterpart.
pub(crate) fn by_position(a: &[usize], b: &[usize]) -> Vec<Pair> {
    let count = a.len().max(b.len());
    (0..count).map(|number| (a.get(number).copied(), b.get(number).copied())).collect()
}

/// A longest common subsequence, as pairs of indices.
fn common<K: PartialEq>(a: &[K], b: &[K]) -> Vec<(usize, usize)> {
    let front = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (rest_a, rest_b) = (a.get(front..).unwrap_or_default(), b.get(front..).unwrap_or_default());
    let back = rest_a.iter().rev().zip(rest_b.iter().rev()).take_while(|(a, b)| a == b).count();
    let (n, m) = (rest_a.len() - back, rest_b.len() - back);
    let mut pairs: Vec<_> = (0..front).map(|number| (number, number)).collect();
    if n.saturating_mul(m) <= TABLE_MAX {
        middle(rest_a.get(..n).unwrap_or_default(), rest_b.get(..m).unwrap_or_default(), front, &mut pairs);
    } else {
        let equal = |number: &usize| rest_a.get(*number) == rest_b.get(*number);
        pairs.extend((0..n.min(m)).filter(equal).map(|number| (front + number, front + number)));
    }
    pairs.extend((0..back).map(|number| (front + n + number, front + m + number)));
    pairs
}

fn middle<K: PartialEq>(a: &[K], b: &[K], offset: usize, pairs: &mut Vec<(usize, usize)>) {
    let width = b.len() + 1;
    let mut table = vec![0u32; (a.len() + 1) * width];
    let at = |table: &[u32], i: usize, j: usize| table.get(i * width + j).copied().unwrap_or(0);
    for (i, x) in a.iter().enumerate().rev() {
        for (j, y) in b.iter().enumerate().rev() {
            let length =
                if x == y { at(&table, i + 1, j + 1) + 1 } else { at(&table, i + 1, j).max(at(&table, i, j + 1)) };
            if let Some(cell) = table.get_mut(i * width + j) {
                *cell = length;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        if x == y {
            pairs.push((offset + i, offset + j));
            (i, j) = (i + 1, j + 1);
        } else if at(&table, i + 1, j) >= at(&table, i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
}

/// The length of a longest increasing subsequence: how many elements kept their order.
pub(crate) fn in_order(sequence: &[usize]) -> usize {
    let mut tails: Vec<usize> = Vec::new();
    for &value in sequence {
        let at = tails.partition_point(|tail| *tail < value);
        match tails.get_mut(at) {
            Some(tail) => *tail = value,
            None => tails.push(value),
        }
    }
    tails.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(a: &str, b: &str) -> Vec<Pair> {
        let keys = |text: &str| text.chars().collect::<Vec<_>>();
        align(&keys(a), &keys(b), &mut by_position)
    }

    #[test]
    fn equal_elements_are_paired_and_gaps_filled() {
        let p = |a: usize, b: usize| (Some(a), Some(b));
        assert_eq!(pairs("abc", "abc"), [p(0, 0), p(1, 1), p(2, 2)]);
        assert_eq!(pairs("abc", "axc"), [p(0, 0), p(1, 1), p(2, 2)]);
        assert_eq!(pairs("ac", "abc"), [p(0, 0), (None, Some(1)), p(1, 2)]);
        assert_eq!(pairs("xabcd", "abcdy"), [(Some(0), None), p(1, 0), p(2, 1), p(3, 2), p(4, 3), (None, Some(4))]);
        assert_eq!(pairs("", "a"), [(None, Some(0))]);
        assert_eq!(pairs("", ""), []);
    }

    #[test]
    fn every_index_comes_up_once() {
        for (a, b) in [("abcabba", "cbabac"), ("aaaa", "aa"), ("xyz", "zyx")] {
            let found = pairs(a, b);
            let left: Vec<_> = found.iter().filter_map(|pair| pair.0).collect();
            let right: Vec<_> = found.iter().filter_map(|pair| pair.1).collect();
            assert_eq!(left, (0..a.len()).collect::<Vec<_>>());
            assert_eq!(right, (0..b.len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_kept_its_order_is_counted() {
        assert_eq!(in_order(&[0, 1, 2, 3]), 4);
        assert_eq!(in_order(&[3, 0, 1, 2]), 3);
        assert_eq!(in_order(&[]), 0);
    }
}
