//! The table against paths of public images: what they are known for, and what is ordinary content.

use super::*;

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.starts_with('#'))
}

/// Causes and paths.
fn known() -> impl Iterator<Item = (&'static str, &'static str)> {
    lines(include_str!("known.txt")).map(|line| line.split_once(' ').unwrap())
}

fn id(path: &str) -> &'static str {
    find(path.as_bytes()).map_or("", |cause| cause.id)
}

#[test]
fn paths_of_public_images_have_their_causes() {
    assert!(known().count() >= 200);
    let wrong = known().filter(|(cause, path)| id(path) != *cause);
    let found: Vec<_> = wrong.map(|(cause, path)| format!("{path}: {} instead of {cause}", id(path))).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn ordinary_content_has_no_cause() {
    let paths = || lines(include_str!("ordinary.txt"));
    assert!(paths().count() >= 150);
    let found: Vec<_> =
        paths().filter(|path| !id(path).is_empty()).map(|path| format!("{path}: {}", id(path))).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_row_by_path_is_in_the_probe() {
    let rows = CAUSES.iter().filter(|cause| !cause.paths.is_empty()).map(|cause| cause.id);
    let missing: Vec<_> = rows.filter(|row| !known().any(|(cause, _)| cause == *row)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn what_may_run_is_code_or_is_read_as_settings_is_content() {
    for path in [
        "root/.npm/_npx/5a9d/node_modules/cowsay/cli.js",
        "root/.cache/node/corepack/v1/pnpm/9.12.0/dist/pnpm.cjs",
        "root/.cache/pypoetry/virtualenvs/app/lib/python3.12/site-packages/x.py",
        "root/.cache/uv/archive-v0/Ab12Cd/flask/app.py",
        "root/.cache/pre-commit/repo/x.py",
        "root/.cache/deno/gen/x.js",
        "root/.local/share/pnpm/global/5/node_modules/x/index.js",
        "root/.nuget/packages/x/1/lib/x.dll",
        "root/.pearrc",
        "root/.zcompdump",
        "root/.gnupg/trustdb.gpg",
        "app/vendor/autoload.php",
        "app/vendor/composer/installed.php",
        "app/var/cache/prod/Container.php",
        "rails/tmp/cache/bootsnap/compile-cache-iseq/71/a3",
        "usr/local/lib/perl5/5.40.0/x86_64-linux-gnu/Config_heavy.pl",
        "app/node_modules/x/build/Makefile",
        "app/.next/BUILD_ID",
        "app/.next/server/server-reference-manifest.json",
        "usr/share/glib-2.0/schemas/gschemas.compiled",
        "usr/lib/x86_64-linux-gnu/gdk-pixbuf-2.0/2.10.0/loaders.cache",
        "usr/lib/x86_64-linux-gnu/gio/modules/giomodule.cache",
        "lib/modules/6.1.0/modules.dep.bin",
        "lib/modules/6.1.0/kernel/x.ko",
        "boot/initrd.img-6.1.0",
        "etc/hosts",
        "etc/resolv.conf",
        "etc/ssl/certs/ca-certificates.crt",
        "root/.julia/compiled/v1.11/x.ji",
        "opt/jdk/lib/server/classes.jsa",
    ] {
        let cause = find(path.as_bytes()).unwrap();
        assert_eq!(cause.class, Class::Content, "{path}");
    }
}
