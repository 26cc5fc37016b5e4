//! What is kept, what is refused, and what goes when there is too much.

use std::fs;
use std::path::PathBuf;

use super::room::entries;
use super::*;

static CHUNK: [u8; 1 << 17] = [7; 1 << 17];

fn get(cache: &Cache, chunk: &[u8], otherwise: &[u8]) -> Vec<u8> {
    get_as(Output::GZIP, cache, chunk, otherwise)
}

fn get_as(output: Output, cache: &Cache, chunk: &[u8], otherwise: &[u8]) -> Vec<u8> {
    let key = Key::new(output, chunk);
    cache.get(&key).unwrap().unwrap_or_else(|| {
        cache.put(&key, otherwise).unwrap();
        otherwise.to_vec()
    })
}

fn files(cache: &Cache) -> Vec<PathBuf> {
    entries(&cache.store.folder).iter().map(|entry| cache.store.folder.path().join(entry.name())).collect()
}

#[test]
fn what_was_put_in_comes_out() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path(), 1 << 20).unwrap();
    assert_eq!(get(&cache, &CHUNK, b"compressed"), b"compressed");
    assert_eq!(get(&cache, &CHUNK, b"not asked for"), b"compressed");
    assert_eq!((cache.hits(), cache.misses()), (1, 1));
    // Another process, another codec.
    let cache = Cache::open(dir.path(), 1 << 20).unwrap();
    assert_eq!(get(&cache, &CHUNK, b"not asked for"), b"compressed");
    assert_eq!(get_as(Output::ZSTD, &cache, &CHUNK, b"other"), b"other");
}

#[test]
fn an_entry_that_does_not_add_up_is_a_miss_and_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path(), 1 << 20).unwrap();
    get(&cache, &CHUNK, b"compressed");
    let path = files(&cache).remove(0);
    let good = fs::read(&path).unwrap();
    let mut bad = vec![vec![], good[..31].to_vec(), good[..good.len() - 1].to_vec(), [&good[..], b"x"].concat()];
    bad.extend((0..good.len()).map(|at| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    }));
    // A whole entry under another name.
    get(&cache, &[8; 1 << 17], b"of another chunk");
    let other = files(&cache).into_iter().find(|other| *other != path).unwrap();
    bad.push(fs::read(other).unwrap());
    for bytes in bad {
        fs::write(&path, &bytes).unwrap();
        assert_eq!(get(&cache, &CHUNK, b"compressed"), b"compressed");
        assert_eq!(fs::read(&path).unwrap(), good);
    }
    assert_eq!(cache.hits(), 0);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(get(&cache, &CHUNK, b"compressed"), b"compressed", "best effort");
}

#[test]
fn the_least_recently_used_goes_first_and_what_is_not_ours_stays() {
    let dir = tempfile::tempdir().unwrap();
    drop(Cache::open(dir.path(), 1 << 20).unwrap());
    let foreign =
        ["mine", "2-form1-gzip-5/mine", "2-form1-gzip-5/ab/mine", "2-form1-gzip-5/long/mine", "other/ab/mine"];
    for file in foreign {
        fs::create_dir_all(dir.path().join(file).parent().unwrap()).unwrap();
        fs::write(dir.path().join(file), [0; 5000]).unwrap();
    }
    let cache = Cache::open(dir.path(), 10 * 4096).unwrap();
    let chunk = |i: u8| vec![i; 1 << 16];
    for i in 0..8 {
        get(&cache, &chunk(i), &[i; 4000]);
        std::thread::sleep(std::time::Duration::from_millis(15));
    }
    assert_eq!(get(&cache, &chunk(0), b"gone"), [0; 4000]);
    for i in 8..11 {
        get(&cache, &chunk(i), &[i; 4000]);
    }
    let size: u64 = entries(&cache.store.folder).iter().map(|entry| entry.size).sum();
    assert!(size <= 10 * 4096, "{size}");
    assert_eq!(get(&cache, &chunk(0), b"gone"), [0; 4000], "used not long ago");
    assert_eq!(get(&cache, &chunk(1), b"gone"), b"gone");
    let all_there = || foreign.iter().all(|file| dir.path().join(file).exists());
    assert!(all_there());
    // A smaller limit holds from the start.
    drop(Cache::open(dir.path(), 3 * 4096).unwrap());
    let cache = Cache::open(dir.path(), 3 * 4096).unwrap();
    assert!(entries(&cache.store.folder).iter().map(|entry| entry.size).sum::<u64>() <= 3 * 4096);
    assert!(!files(&cache).is_empty() && all_there());
}

#[test]
fn entries_of_the_first_version_are_not_read_but_go_first() {
    let dir = tempfile::tempdir().unwrap();
    let hex = blake3::hash(&CHUNK).to_hex();
    let (shard, file) = hex.split_at(2);
    let old = dir.path().join(format!("form1-gzip-5/{shard}"));
    fs::create_dir_all(&old).unwrap();
    for name in [file.to_owned(), format!("{file}.record"), ".tmpAbCdEf".to_owned()] {
        fs::write(old.join(name), [0; 5000]).unwrap();
    }
    let cache = Cache::open(dir.path(), 1 << 20).unwrap();
    assert_eq!(get(&cache, &CHUNK, b"compressed"), b"compressed");
    assert_eq!(files(&cache).len(), 4);
    drop(cache);
    drop(Cache::open(dir.path(), 4096).unwrap());
    assert_eq!(fs::read_dir(old).unwrap().count(), 0);
}

#[test]
fn a_folder_with_other_things_in_it_is_no_cache_until_it_is_marked() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mine"), b"").unwrap();
    let refused = |text: &str| {
        let error = Cache::open(dir.path(), 1 << 20).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    refused("\"mine\"");
    fs::write(dir.path().join("CACHEDIR.TAG"), b"no signature").unwrap();
    refused("CACHEDIR.TAG");
    fs::write(dir.path().join("CACHEDIR.TAG"), b"Signature: 8a477f597d28d172789f06886806bc55\n").unwrap();
    drop(Cache::open(dir.path(), 1 << 20).unwrap());
    let empty = dir.path().join("a/new/cache");
    drop(Cache::open(&empty, 1 << 20).unwrap());
    assert!(
        fs::read_to_string(empty.join("CACHEDIR.TAG"))
            .unwrap()
            .starts_with("Signature: 8a477f597d28d172789f06886806bc55\n")
    );
}

#[test]
fn what_another_user_can_write_is_an_error() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let set = |path: &std::path::Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let cache = Cache::open(dir.path(), 1 << 20).unwrap();
    get(&cache, &CHUNK, b"compressed");
    let entry = files(&cache).remove(0);
    let shard = entry.parent().unwrap().to_owned();
    let codec = shard.parent().unwrap().to_owned();
    let key = Key::new(Output::GZIP, &CHUNK);
    for (path, good) in [(&entry, 0o600), (&shard, 0o700), (&codec, 0o700)] {
        for bad in [good | 0o020, good | 0o002, good | 0o1002] {
            set(path, bad);
            let error = cache.get(&key).unwrap_err().to_string();
            assert!(error.contains(&format!("mode {bad:04o}")) && error.contains(path.to_str().unwrap()), "{error}");
        }
        set(path, good);
    }
    // Links are not followed: nothing is found behind one.
    let aside = dir.path().join("aside");
    fs::rename(&entry, &aside).unwrap();
    std::os::unix::fs::symlink(&aside, &entry).unwrap();
    assert_eq!(cache.get(&key).unwrap(), None);
    set(dir.path(), 0o1777);
    assert!(Cache::open(dir.path(), 1 << 20).unwrap_err().to_string().contains("mode 1777"));
}
