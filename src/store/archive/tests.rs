use super::*;

fn archive(build: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Extent {
    let mut builder = tar::Builder::new(Vec::new());
    build(&mut builder);
    Extent::of_bytes(builder.into_inner().unwrap())
}

fn file(builder: &mut tar::Builder<Vec<u8>>, name: &str, data: &[u8]) {
    // By hand: `append_data` would refuse the names that are tested here.
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(data.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append(&header, data).unwrap();
}

fn link(builder: &mut tar::Builder<Vec<u8>>, kind: tar::EntryType, name: &str, target: &str) {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_cksum();
    builder.append(&header, &[][..]).unwrap();
}

fn error(extent: &Extent) -> String {
    Archive::index("a", extent, &Limits::DEFAULT, &mut |_, _| {}).unwrap_err().to_string()
}

#[test]
fn links_are_resolved_inside_of_the_archive() {
    let extent = archive(|b| {
        file(b, "manifest.json", b"[]");
        file(b, "./layer.tar", b"data");
        link(b, tar::EntryType::Symlink, "id/layer.tar", "../layer.tar");
        link(b, tar::EntryType::Link, "id/hard", "layer.tar");
        link(b, tar::EntryType::Symlink, "loop", "loop2");
        link(b, tar::EntryType::Symlink, "loop2", "loop");
        link(b, tar::EntryType::Symlink, "dangling", "nothing");
    });
    let archive = Archive::index("a", &extent, &Limits::DEFAULT, &mut |_, _| {}).unwrap();
    for name in ["layer.tar", "./layer.tar", "id/layer.tar", "id/hard"] {
        assert_eq!(archive.file(name).unwrap().unwrap().bytes(10).unwrap(), b"data", "{name}");
    }
    assert!(archive.file("loop").unwrap_err().to_string().contains("never ends"));
    assert!(archive.file("dangling").unwrap_err().to_string().contains("missing"));
    assert!(archive.file("none").unwrap().is_none());
    assert!(archive.file("../layer.tar").unwrap().is_none());
    assert_eq!(archive.files().unwrap(), ["layer.tar", "manifest.json"]);
}

#[test]
fn names_that_lead_out_of_the_archive_are_refused() {
    let error = |build: &dyn Fn(&mut tar::Builder<Vec<u8>>)| {
        error(&archive(|b| {
            file(b, "manifest.json", b"[]");
            build(b);
        }))
    };
    for name in ["../evil", "a/../../evil", "a/../b", "/../evil"] {
        let text = error(&|b| file(b, name, b"x"));
        assert!(text.contains("offset 1024") && text.contains("relative path"), "{text}");
    }
    for target in ["/etc/passwd", "../../x"] {
        let text = error(&|b| link(b, tar::EntryType::Symlink, "a/b", target));
        assert!(text.contains("inside of the archive"), "{text}");
    }
}

#[test]
fn absolute_names_lose_their_slash() {
    let extent = archive(|b| {
        file(b, "/manifest.json", b"[]");
        file(b, "//blobs//sha256/x", b"data");
        file(b, "/./id/layer.tar", b"layer");
        link(b, tar::EntryType::Link, "/id/hard", "/id/layer.tar");
    });
    let archive = Archive::index("a", &extent, &Limits::DEFAULT, &mut |_, _| {}).unwrap();
    assert_eq!(archive.files().unwrap(), ["blobs/sha256/x", "id/layer.tar", "manifest.json"]);
    for (name, data) in [("blobs/sha256/x", &b"data"[..]), ("id/hard", b"layer"), ("/id/layer.tar", b"layer")] {
        assert_eq!(archive.file(name).unwrap().unwrap().bytes(10).unwrap(), data, "{name}");
    }
}

#[test]
fn what_is_wrong_with_an_entry_is_said_of_images_alone() {
    let is_root = |text: String| text.starts_with("this looks like a root filesystem");
    // A link that leads out and a second entry, before anything and after it.
    let export = |b: &mut tar::Builder<Vec<u8>>| {
        link(b, tar::EntryType::Symlink, "etc/mtab", "/proc/mounts");
        file(b, "etc/passwd", b"");
        file(b, "etc/passwd", b"");
        file(b, "usr/bin/env", b"");
        file(b, "bin/sh", b"");
    };
    assert!(is_root(error(&archive(export))));
    let text = error(&archive(|b| {
        file(b, "evil", b"x");
        file(b, "evil", b"x");
        file(b, "index.json", b"{}");
    }));
    assert!(text.starts_with("evil: offset 1024: ") && text.contains("a second one"), "{text}");
}

#[test]
fn a_second_entry_of_a_name_is_refused() {
    let text = error(&archive(|b| {
        file(b, "manifest.json", b"[]");
        file(b, "./manifest.json", b"{}");
    }));
    assert!(text.starts_with("./manifest.json: offset 1024") && text.contains("second"), "{text}");
}

#[test]
fn an_archive_that_was_cut_is_refused_with_its_entry() {
    let whole = archive(|b| file(b, "blob", &[7; 2000])).bytes(1 << 20).unwrap();
    for cut in (1..512).step_by(100).chain((513..2512).step_by(100)) {
        let text = error(&Extent::of_bytes(whole[..cut].to_vec()));
        assert!(text.contains("offset"), "{cut}: {text}");
    }
}
