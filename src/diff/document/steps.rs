//! The texts of build steps in a history: what two builders write for one instruction.
//!
//! No text of a history runs: what a step made is in its layer or in the config, and is compared there. So a text is of the
//! class format where both name one command, and else of the class name: it says what was built, and no file differs by it.

/// What `docker build` puts in front of an instruction that runs nothing.
const NOP: [&str; 2] = ["/bin/sh -c #(nop)", "cmd /S /C #(nop)"];
/// The shells that builders name in front of a command.
const SHELLS: [&str; 2] = ["/bin/sh -c ", "cmd /S /C "];
/// What BuildKit puts after an instruction.
const BUILDKIT: &str = "# buildkit";

/// Who writes a step of a history in a form like this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    BuildKit,
    /// Docker's builder before BuildKit, and buildah.
    Classic,
    Unknown,
}

impl Form {
    /// For people.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::BuildKit => Some("BuildKit"),
            Self::Classic => Some("the classic builder or buildah"),
            Self::Unknown => None,
        }
    }
}

/// Who writes a step like this, as far as its text says.
pub(crate) fn form(text: &str) -> Form {
    let text = text.trim();
    if text.ends_with(BUILDKIT) {
        Form::BuildKit
    } else if NOP.iter().any(|prefix| text.starts_with(prefix)) {
        Form::Classic
    } else {
        Form::Unknown
    }
}

/// Do two texts name the same command, each as its builder writes it?
pub(crate) fn same_command(a: &str, b: &str) -> bool {
    let (x, y) = (canonical(a), canonical(b));
    x == y || copies_alike([a, b], [&x, &y])
}

/// The command of a step without what depends on who writes it: prefixes, suffixes, and blanks between words.
pub(crate) fn canonical(text: &str) -> String {
    let text = text.trim();
    let text = text.strip_suffix(BUILDKIT).unwrap_or(text).trim_end();
    if let Some(instruction) = NOP.iter().find_map(|prefix| text.strip_prefix(prefix)) {
        return instruction_of(instruction.trim());
    }
    if let Some(command) = text.strip_prefix("RUN ") {
        return run(command.trim_start());
    }
    if SHELLS.iter().any(|shell| text.starts_with(shell)) || text.starts_with('|') {
        return run(text);
    }
    instruction_of(text)
}

/// A command that ran, with the build arguments that are in front of it: `|2 A=1 B=2 /bin/sh -c make`.
fn run(command: &str) -> String {
    let (arguments, command) = match SHELLS.iter().find_map(|shell| Some((command.find(shell)?, shell))) {
        Some((0, shell)) => ("", command.get(shell.len()..).unwrap_or_default()),
        Some((at, shell)) if command.starts_with('|') => {
            (command.get(..at).unwrap_or_default().trim_end(), command.get(at + shell.len()..).unwrap_or_default())
        }
        _ => ("", command),
    };
    squeezed(&format!("RUN {arguments} {command}"), false)
}

/// Any other instruction. Of lists in brackets some builders separate the elements by commas, some by blanks.
fn instruction_of(text: &str) -> String {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim_start();
    match word {
        "EXPOSE" => {
            let ports = rest.trim_start_matches("map").trim_matches(['[', ']']).replace(":{}", "");
            let mut ports: Vec<String> = ports
                .split_whitespace()
                .map(|port| if port.contains('/') { port.to_owned() } else { format!("{port}/tcp") })
                .collect();
            ports.sort();
            format!("EXPOSE {}", ports.join(" "))
        }
        _ => squeezed(&format!("{word} {rest}"), rest.starts_with('[')),
    }
}

/// Is one a copy as the classic builder names it, by a checksum of what is copied, and the other one to the same place?
fn copies_alike(texts: [&str; 2], canonical: [&str; 2]) -> bool {
    let parts = |text: &str| {
        let (word, rest) = text.split_once(' ')?;
        let (source, target) = rest.rsplit_once(' ')?;
        ["COPY", "ADD"].contains(&word).then(|| (word.to_owned(), source.to_owned(), target.to_owned()))
    };
    let [Some((word_a, source_a, target_a)), Some((word_b, source_b, target_b))] = canonical.map(parts) else {
        return false;
    };
    let is_checksum = |source: &str| {
        let last = source.strip_suffix(" in").unwrap_or_default().rsplit(' ').next().unwrap_or_default();
        let hex = last.split_once(':').filter(|(kind, _)| ["file", "dir", "multi"].contains(kind)).map(|(_, hex)| hex);
        hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let sums = [is_checksum(&source_a), is_checksum(&source_b)];
    let forms = texts.map(form);
    word_a == word_b && target_a == target_b && sums[0] != sums[1] && forms[0] != forms[1]
}

/// The text with one blank where several are, or tabs, or a line that is continued; nothing in quotes is changed.
fn squeezed(text: &str, commas: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quote: Option<char> = None;
    let mut is_escaped = false;
    let mut blank: Option<char> = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let is_continued = c == '\\' && rest.peek() == Some(&'\n');
        if quote.is_none() && !is_escaped && (c.is_ascii_whitespace() || is_continued || commas && c == ',') {
            if is_continued {
                rest.next();
            }
            // The end of a line ends a command.
            blank = if c == '\n' { Some('\n') } else { blank.or(Some(' ')) };
            continue;
        }
        if let Some(blank) = blank.take().filter(|_| !out.is_empty()) {
            out.push(blank);
        }
        out.push(c);
        if is_escaped {
            is_escaped = false;
            continue;
        }
        match (quote, c) {
            (None | Some('"'), '\\') => is_escaped = true,
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), _) if c == open => quote = None,
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn one_command_is_the_same_whoever_writes_it() {
        for (a, b) in [
            ("/bin/sh -c #(nop)  CMD [\"a\" \"b c\"]", "CMD [\"a\",\"b c\"] # buildkit"),
            ("/bin/sh -c make  install", "RUN /bin/sh -c make install # buildkit"),
            ("/bin/sh -c apt-get update \t&& \\\n apt-get upgrade", "RUN /bin/sh -c apt-get update && apt-get upgrade"),
            ("|2 A=1 B=x y /bin/sh -c make", "RUN |2 A=1 B=x y /bin/sh -c make # buildkit"),
            ("/bin/sh -c #(nop)  EXPOSE 80 443", "EXPOSE map[443/tcp:{} 80/tcp:{}]"),
            ("/bin/sh -c #(nop) WORKDIR /x", "WORKDIR /x"),
            ("/bin/sh -c #(nop)  VOLUME [/data]", "VOLUME [/data]"),
            (&format!("/bin/sh -c #(nop) COPY file:{HEX} in /app/ "), "COPY main.py /app/ # buildkit"),
            (&format!("/bin/sh -c #(nop) ADD multi:{HEX} in / "), "ADD a b / # buildkit"),
        ] {
            assert!(same_command(a, b) && same_command(b, a), "{a} | {b}: {} | {}", canonical(a), canonical(b));
        }
    }

    #[test]
    fn another_command_is_never_taken_for_the_same() {
        for (a, b) in [
            ("RUN /bin/sh -c make # buildkit", "RUN /bin/sh -c make all # buildkit"),
            ("RUN /bin/sh -c make # buildkit", "RUN /bin/bash -c make # buildkit"),
            ("RUN /bin/sh -c echo 'a  b'", "RUN /bin/sh -c echo 'a b'"),
            ("RUN /bin/sh -c echo \"a\\\"  b\"", "RUN /bin/sh -c echo \"a\\\" b\""),
            ("RUN /bin/sh -c echo a\\  b", "RUN /bin/sh -c echo a\\ b"),
            ("RUN /bin/sh -c a\nb", "RUN /bin/sh -c a b"),
            ("RUN /bin/sh -c a,b", "RUN /bin/sh -c a b"),
            ("RUN |1 A=1 /bin/sh -c make", "RUN |1 A=2 /bin/sh -c make"),
            ("RUN |1 A=1 /bin/sh -c make", "RUN /bin/sh -c make"),
            ("CMD [\"a,b\"]", "CMD [\"a b\"]"),
            ("EXPOSE map[80/tcp:{}]", "EXPOSE map[80/udp:{}]"),
            ("COPY a /app # buildkit", "COPY b /app # buildkit"),
            (&format!("/bin/sh -c #(nop) COPY file:{HEX} in /app "), "COPY a /opt # buildkit"),
            (&format!("/bin/sh -c #(nop) COPY file:{HEX} in /app "), "ADD a /app # buildkit"),
            ("/bin/sh -c #(nop) COPY file:12 in /app ", "COPY a /app # buildkit"),
        ] {
            assert!(!same_command(a, b) && !same_command(b, a), "{a} | {b}: {} | {}", canonical(a), canonical(b));
        }
    }
}
