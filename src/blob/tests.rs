//! Extents: verified, copied, and of what is still arriving.

use super::*;

#[test]
fn a_blob_that_is_not_what_its_descriptor_says_is_refused() {
    let extent = Extent::of_bytes(b"hello".to_vec());
    let digest = Digest::sha256(b"hello");
    assert_eq!(extent.verified_bytes(&digest, Some(5), 10).unwrap(), b"hello");
    let text = |e: Error| e.to_string();
    let other = Digest::sha256(b"other");
    assert!(text(extent.verified_bytes(&other, None, 10).unwrap_err()).contains("digest does not match"));
    assert!(text(extent.verified_bytes(&digest, Some(6), 10).unwrap_err()).contains("size does not match"));
    assert!(text(extent.verified_bytes(&digest, None, 4).unwrap_err()).contains("at most 4"));
    assert!(extent.copy_verified(&other, &mut Vec::new()).is_err());
}

#[test]
fn a_copy_by_the_kernel_lands_at_its_place_and_is_verified() {
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(b"..hello..").unwrap();
    let extent = Extent::of_file(input, 9).part(2, 5);
    let mut out = tempfile::tempfile().unwrap();
    out.write_all(b"abc").unwrap();
    extent.copy_verified_to_file(&Digest::sha256(b"hello"), &mut out, 3).unwrap();
    assert_eq!(Extent::of_file(out.try_clone().unwrap(), 8).bytes(8).unwrap(), b"abchello");
    assert!(extent.copy_verified_to_file(&Digest::sha256(b"hullo"), &mut out, 8).is_err());
    extent.copy_to_file(&mut out, 8).unwrap();
    assert_eq!(Extent::of_file(out, 13).bytes(13).unwrap(), b"abchellohello");
    assert!(
        Extent::of_file(tempfile::tempfile().unwrap(), 1).copy_to_file(&mut tempfile::tempfile().unwrap(), 0).is_err()
    );
}

#[test]
fn a_reader_of_a_growing_spool_waits_for_what_comes() {
    let growing = SpoolWriter::new(tempfile::tempfile().unwrap());
    let extent = Extent::of_spool_writer(Arc::clone(&growing)).part(3, 100);
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        extent.reader().unwrap().read_to_string(&mut text).map(|_| text)
    });
    assert_eq!(growing.fill(&mut (&b"abc"[..]).chain(&b"defg"[..])).unwrap(), 7);
    assert_eq!(reader.join().unwrap().unwrap(), "defg");
}

#[test]
fn what_nobody_needs_is_read_and_not_kept() {
    let growing = SpoolWriter::new(tempfile::tempfile().unwrap());
    let mut rest = std::io::repeat(0).take(10 * CHUNK as u64);
    struct Draining<'g>(&'g SpoolWriter);
    impl Read for Draining<'_> {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            self.0.drain();
            Ok(0)
        }
    }
    let kept = growing.fill(&mut (&b"image"[..]).chain(Draining(&growing)).chain(&mut rest)).unwrap();
    assert_eq!(rest.limit(), 0);
    assert_eq!(kept, 5);
}

#[test]
fn a_fifo_in_a_layout_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    assert!(Extent::of_path(&path).unwrap_err().to_string().contains("not a regular file"));
    assert!(Extent::of_path(&folder.path().join("none")).unwrap().is_none());
}

#[test]
fn an_extent_is_verified_in_place() {
    let extent = Extent::of_bytes(b"..hello..".to_vec()).part(2, 5);
    let digest = Digest::sha256(b"hello");
    let failure = |expected| extent.verify(&expected).unwrap_err().to_string();
    assert!(extent.verify(&Expected::new(digest, 5)).is_ok());
    assert!(extent.verify(&Expected::default()).is_ok());
    assert_eq!(failure(Expected::new(digest, 4)), "size does not match: expected 4, found 5");
    assert!(failure(Expected::new(Digest::sha256(b""), 5)).starts_with("digest does not match"));
}
