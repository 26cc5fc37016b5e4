//! The process id of GNU tar in the names of sparse files, which kept two builds apart.

use super::tar_headers::{image, rewritten};
use crate::support::layout::read_tar;
use crate::support::tarball::{BLOCK, Entry, checksum, tar};
use crate::support::{Build, EPOCH, judge, pipe, scratch, text, write};

/// A sparse file as GNU tar writes it to PAX archives (versions 0.1 and 1.0): its name is a record, and the header's
/// name holds tar's process id.
fn sparse(directory: &str, name: &str, version: &str, build: &Build) -> Vec<u8> {
    let base = if directory.is_empty() { "." } else { directory };
    let header = format!("{base}/GNUSparseFile.{}/{name}", build.pid);
    let real = if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") };
    let mut entry = Entry::file(&header, "1\n0\n4\n", build.seconds);
    entry.pax_header = (build.pid, build.seconds);
    let (major, minor) = version.split_once('.').unwrap();
    entry = entry.pax("GNU.sparse.major", major).pax("GNU.sparse.minor", minor).pax("GNU.sparse.name", real);
    entry = entry.pax("GNU.sparse.realsize", "4");
    if header.len() > 255 || !header.is_ascii() {
        // It is cut in the header then, and a record holds it.
        entry.name = header.as_bytes()[..header.len().min(100)].to_vec();
        entry = entry.pax("path", &header);
    }
    tar(&[entry])
}

fn sparse_files(build: &Build) -> Vec<Vec<u8>> {
    let long = "d".repeat(60);
    vec![
        sparse("", "disk.img", "1.0", build),
        sparse("a/b", "disk.img", "0.1", build),
        sparse("GNUSparseFile.31", "disk.img", "1.0", build),
        // The header has a prefix.
        sparse(&long, &"n".repeat(60), "1.0", build),
        sparse(&long, &"n".repeat(20), "1.0", build),
        sparse(&format!("{long}/{long}"), &"n".repeat(90), "1.0", build),
        // The header has a part of the name alone.
        sparse(&format!("{long}/{long}/{long}/{long}"), &"n".repeat(90), "1.0", build),
        sparse("", &"é".repeat(60), "1.0", build),
    ]
}

#[test]
fn the_process_id_in_the_name_of_a_sparse_file_becomes_0() {
    let (first, second) = (sparse_files(&Build::FIRST), sparse_files(&Build { pid: 1_234_567, ..Build::SECOND }));
    let expected = sparse_files(&Build { pid: 0, seconds: EPOCH, ..Build::SECOND });
    for (number, ((first, second), expected)) in first.into_iter().zip(second).zip(expected).enumerate() {
        let [first, second] = [first, second].map(rewritten);
        assert!(first == second, "{number}: two builds are kept apart");
        // Where a name is divided between prefix and name is up to the writer.
        let names = |tar: &[u8]| {
            let size = usize::from_str_radix(std::str::from_utf8(&tar[124..135]).unwrap(), 8).unwrap();
            let header = BLOCK + size.next_multiple_of(BLOCK);
            let block = &tar[header..header + BLOCK];
            let text = |field: &[u8]| String::from_utf8_lossy(field).trim_end_matches('\0').to_owned();
            let (prefix, name) = (text(&block[345..500]), text(&block[..100]));
            let name = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            (name, tar[BLOCK..header].to_vec())
        };
        assert!(names(&first) == names(&expected), "{number}: not the names of a process 0");
        assert!(rewritten(first.clone()) == first, "{number}: rewritten twice");
    }
}

#[test]
fn a_name_that_looks_like_that_of_a_sparse_file_stays() {
    // Nothing else holds the names of these.
    let plain = |name: &str| Entry::file(name, "x", EPOCH);
    let pax = |name: &str| Entry { pax_header: (0, 0), ..plain(name).pax("comment", "x") };
    for entry in [plain("./GNUSparseFile.4711/f"), pax("GNUSparseFile.4711/f")] {
        let name = entry.name.clone();
        let new = rewritten(tar(&[entry]));
        assert!(new.windows(name.len()).any(|part| part == name), "{}", String::from_utf8_lossy(&name));
    }
    // And these are not where tar puts its process id.
    for name in ["GNUSparseFile.4711", "GNUSparseFile.4711/a/b", "GNUSparseFile.x/b", "xGNUSparseFile.1/b"] {
        let entry = plain(name).pax("GNU.sparse.name", "f").pax("GNU.sparse.size", "1");
        let new = rewritten(tar(&[entry]));
        assert!(new.windows(name.len()).any(|part| part == name.as_bytes()), "{name}");
    }
}

#[test]
fn clamping_keeps_the_name_of_a_sparse_file_as_it_keeps_that_of_a_pax_header() {
    let layer = sparse("", "disk.img", "1.0", &Build { seconds: EPOCH, ..Build::FIRST });
    let new = pipe(["rewrite", "-q", "--clamp", "--epoch", "1700000000"], &image(layer.clone(), &Build::FIRST));
    assert!(judge::walk(&read_tar(&new.expect(0).stdout)).layers[0].2 == layer);
}

#[test]
fn diff_says_that_the_name_of_a_sparse_file_holds_a_process_id() {
    let dir = scratch();
    let build = Build { seconds: EPOCH, nanos: 0, pid: 4711, level: 6, members: 1 };
    let [a, b] = [4711, 31].map(|pid| {
        let mut layer = sparse("a", "disk.img", "1.0", &Build { pid, ..build });
        // The PAX header before it is of the same name on both sides.
        let block: &mut [u8; 512] = (&mut layer[..512]).try_into().unwrap();
        block[..100].fill(0);
        block[..1].copy_from_slice(b"x");
        checksum(block);
        write(dir.path(), &format!("{pid}.tar"), &image(layer, &build))
    });
    let said = crate::support::run(["diff", text(&a), text(&b)]).expect(1).text();
    assert!(said.contains("process ID"), "{said}");
}
