//! What others have written about images: bundles and statements, trust.toml, lines of a log and its head.
//!
//! The first byte says which. Lines and heads are written as they were read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restamp::results::{Head, Log, file_name};
use restamp::signing::Bundle;
use restamp::statement::{Head as StatementHead, Statement};
use restamp::trust::{Trust, read};

const KEY: &[u8] = b"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n-----END PUBLIC KEY-----\n";
const TRUST: &[u8] = b"[require]\nthreshold = 1\naccept = [\"identical\"]\n[[rebuilder]]\noperator = \"a\"\nid = \"a:b\"\nkeys = [\"a.pub\"]\n";

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    match kind % 5 {
        0 => {
            let _ = StatementHead::parse(data);
            let Ok(statement) = Statement::parse(data) else { return };
            assert_eq!(Statement::parse(data).ok(), Some(statement));
        }
        1 => {
            let trust = Trust::parse(TRUST, &|_| Ok(KEY.to_vec())).expect("a file that is right");
            let read = read(data, &trust);
            // Nobody has signed what the fuzzer makes.
            assert!(read.is_err());
            if let Ok(bundle) = Bundle::parse(data) {
                let _ = Statement::parse(bundle.payload());
            }
        }
        2 => {
            if let Ok(trust) = Trust::parse(data, &|_| Ok(KEY.to_vec())) {
                for operator in trust.operators() {
                    assert!(!operator.contains('/') && !operator.starts_with('.'), "{operator:?}");
                }
                assert!((1..=trust.operators().len()).contains(&trust.require.threshold));
            }
        }
        3 => {
            let log = Log::replay(data);
            let head = log.head();
            assert!(head.is_none_or(|head| log.holds(&head)));
            for line in &log.lines {
                let Some(entry) = line.entry.as_ref().filter(|_| line.problems.is_empty()) else { continue };
                let written = entry.line().expect("a line");
                assert!(data.windows(written.len()).any(|part| part == written), "{entry:?}");
            }
            let _ = log.sound();
        }
        _ => {
            if let Ok(head) = Head::parse(data) {
                let file = head.file().expect("a file");
                assert_eq!(Head::parse(&file).ok(), Some(head));
            }
            let name = file_name(&String::from_utf8_lossy(data));
            let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
            assert!(!name.is_empty() && name.len() < 200 && !name.starts_with('.') && name.bytes().all(is_plain));
        }
    }
});
