//! Accepted differences: classes, paths, and the rules of a policy file.

use serde::Deserialize;

use crate::causes::Class;
use crate::diff::model::{Accepted, Difference, Report};
use crate::error::{Error, Result};
use crate::glob::PathGlob;

/// Which differences are accepted, and do not count.
#[derive(Debug, Default)]
pub struct Filter {
    classes: Vec<Class>,
    paths: Vec<PathGlob>,
    rules: Vec<Rule>,
}

/// A rule of a policy: a difference that all of its conditions fit is accepted.
#[derive(Debug)]
struct Rule {
    path: Option<PathGlob>,
    class: Option<Class>,
    field: Option<PathGlob>,
    reason: String,
    /// As it is written, for a report.
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    accept: Vec<RuleText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    path: Option<String>,
    class: Option<String>,
    field: Option<String>,
    reason: String,
}

fn class(name: &str) -> Result<Class> {
    let all: Vec<&str> = Class::ALL.iter().map(|class| class.name()).collect();
    Class::by_name(name).ok_or_else(|| Error::malformed("class", all.join(", "), name.to_owned()))
}

impl Filter {
    /// Accepts a class, by name.
    ///
    /// # Errors
    ///
    /// If there is no such class.
    pub fn ignore_class(&mut self, name: &str) -> Result<()> {
        self.classes.push(class(name)?);
        Ok(())
    }

    /// Accepts everything at paths that match this.
    ///
    /// # Errors
    ///
    /// If it is no glob.
    pub fn ignore_path(&mut self, text: &str) -> Result<()> {
        self.paths.push(text.parse()?);
        Ok(())
    }

    /// Reads a policy.
    ///
    /// It is TOML: `[[accept]]` tables with a `reason`, and at least one of `path` (a glob), `class`, and `field` (as a
    /// report names it, or a glob).
    ///
    /// # Errors
    ///
    /// If it is not such a policy; the error names the line or the rule.
    pub fn read_policy(&mut self, text: &str) -> Result<()> {
        let wrong = |e: toml::de::Error| {
            let before = e.span().and_then(|span| text.get(..span.start));
            let line =
                before.map(|before| format!(" in line {}", before.matches('\n').count() + 1)).unwrap_or_default();
            let expected = "[[accept]] tables with reason and path, class or field";
            Error::malformed("policy", expected, format!("{}{line}", e.message().trim_end().replace('\n', ", ")))
        };
        let file: File = toml::from_str(text).map_err(wrong)?;
        for (number, rule) in file.accept.into_iter().enumerate() {
            let place = |e: Error| e.at_entry(format!("accept[{number}]"));
            if rule.reason.trim().is_empty() {
                return Err(place(Error::malformed("reason", "why the difference is accepted", "nothing")));
            }
            if rule.path.is_none() && rule.class.is_none() && rule.field.is_none() {
                return Err(place(Error::malformed("rule", "a path, class or field", "none of them")));
            }
            let conditions = [("path", &rule.path), ("class", &rule.class), ("field", &rule.field)];
            let conditions =
                conditions.iter().filter_map(|(key, value)| value.as_ref().map(|value| format!("{key} {value}")));
            let text = format!("{} ({})", conditions.collect::<Vec<_>>().join(", "), rule.reason);
            self.rules.push(Rule {
                path: rule.path.as_deref().map(str::parse).transpose().map_err(place)?,
                class: rule.class.as_deref().map(class).transpose().map_err(place)?,
                field: rule.field.as_deref().map(str::parse).transpose().map_err(place)?,
                reason: rule.reason,
                text,
            });
        }
        Ok(())
    }

    /// Sorts differences into those that count and those that do not.
    pub(crate) fn apply(&self, differences: Vec<Difference>, report: &mut Report) {
        let mut used = vec![false; self.rules.len()];
        let counting = |difference: Difference| {
            let fits: Vec<usize> =
                self.rules.iter().enumerate().filter(|(_, rule)| rule.fits(&difference)).map(|(at, _)| at).collect();
            for at in &fits {
                if let Some(used) = used.get_mut(*at) {
                    *used = true;
                }
            }
            let reason = match fits.first().and_then(|at| self.rules.get(*at)) {
                Some(rule) => Some(rule.reason.clone()),
                None => self.ignored(&difference),
            };
            match reason {
                Some(reason) => report.accepted.push(Accepted { difference, reason }),
                None => return Some(difference),
            }
            None
        };
        // In the same memory: there may be a million of these.
        report.differences = differences.into_iter().filter_map(counting).collect();
        let unused = self.rules.iter().zip(used).filter(|(_, used)| !used).map(|(rule, _)| rule.text.clone());
        report.unused_rules.extend(unused);
    }

    /// Is it accepted?
    pub(crate) fn accepts(&self, difference: &Difference) -> bool {
        self.rules.iter().any(|rule| rule.fits(difference)) || self.ignored(difference).is_some()
    }

    fn ignored(&self, difference: &Difference) -> Option<String> {
        if self.classes.contains(&difference.class) {
            return Some(format!("--ignore {}", difference.class));
        }
        let glob = self.paths.iter().find(|glob| fits_path(glob, difference))?;
        Some(format!("--ignore-path {}", glob.text()))
    }
}

impl Rule {
    fn fits(&self, difference: &Difference) -> bool {
        self.class.is_none_or(|class| class == difference.class)
            && self.path.as_ref().is_none_or(|glob| fits_path(glob, difference))
            // A field of a list has brackets, which a glob takes for a set of characters.
            && self.field.as_ref().is_none_or(|glob| {
                glob.text() == difference.field || glob.fits(difference.field.as_bytes())
            })
    }
}

/// A path fits as a whole, and up to any archive that it leads into. Documents have no path of an entry.
fn fits_path(glob: &PathGlob, difference: &Difference) -> bool {
    let path = &difference.path;
    let ends = difference.archives.iter().copied().chain([path.len()]);
    !path.is_empty() && ends.into_iter().any(|end| glob.fits(path.get(..end).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(class: Class, path: &str, field: &'static str) -> Difference {
        Difference::new(class, 0, field, [None, None]).at(path.as_bytes())
    }

    fn left(filter: &Filter, differences: Vec<Difference>) -> (usize, Vec<String>) {
        let mut report = Report::default();
        filter.apply(differences, &mut report);
        (report.differences.len(), report.unused_rules)
    }

    #[test]
    fn classes_and_paths_are_taken_out() {
        let mut filter = Filter::default();
        filter.ignore_class("time").unwrap();
        filter.ignore_path("/var/log/**").unwrap();
        let all = vec![
            at(Class::Time, "a", "mtime"),
            at(Class::Content, "var/log/x/y", "content"),
            Difference { archives: [12].into(), ..at(Class::Content, "var/log/x.gz!z", "content") },
            at(Class::Content, "var/lib", "content"),
        ];
        assert_eq!(left(&filter, all).0, 1);
        assert!(filter.ignore_class("mood").is_err());
    }

    #[test]
    fn what_is_wrong_with_a_policy_is_one_line_that_names_its_line() {
        let error = |text: &str| Filter::default().read_policy(text).unwrap_err().to_string();
        let missing = error("# A policy.\n\n[[accept]]\npath = \"a\"\n");
        assert!(missing.contains("missing field `reason` in line 3"), "{missing}");
        for text in [missing, error("[[accept]\n"), error("[[accept]]\nmood = \"x\"\n")] {
            assert!(!text.contains(['\n', '^', '|']) && text.contains(" in line "), "{text}");
        }
    }

    #[test]
    fn a_name_with_an_exclamation_mark_is_no_archive() {
        let mut filter = Filter::default();
        filter.ignore_path("opt/x").unwrap();
        let inside = Difference { archives: [5].into(), ..at(Class::Content, "opt/x!y", "content") };
        assert_eq!(left(&filter, vec![inside]).0, 0);
        assert_eq!(left(&filter, vec![at(Class::Content, "opt/x!y", "content")]).0, 1);
    }

    #[test]
    fn a_rule_that_fits_nothing_is_named() {
        let mut filter = Filter::default();
        filter
            .read_policy(
                "[[accept]]\npath='etc/*'\nclass='content'\nreason='known'\n[[accept]]\npath='gone'\nreason='old'\n",
            )
            .unwrap();
        let (count, unused) =
            left(&filter, vec![at(Class::Content, "etc/x", "content"), at(Class::Time, "etc/x", "mtime")]);
        assert_eq!((count, unused.as_slice()), (1, &["path gone (old)".to_owned()][..]));
    }

    #[test]
    fn a_field_can_be_copied_from_a_report() {
        let mut filter = Filter::default();
        let rules = ["config.Env[0]", "config.Labels[\"x.y\"]", "history*"];
        let rules = rules.map(|field| format!("[[accept]]\nfield='{field}'\nreason='known'\n"));
        filter.read_policy(&rules.concat()).unwrap();
        let fields = ["config.Env[0]", "config.Labels[\"x.y\"]", "history[2].comment", "config.Env[1]"];
        let all = fields.map(|field| Difference::new(Class::Content, 0, field, [None, None]));
        assert_eq!(left(&filter, all.to_vec()), (1, vec![]));
    }

    #[test]
    fn a_policy_has_to_say_what_and_why() {
        for bad in [
            "[[accept]]\nreason='x'",
            "[[accept]]\npath='x'",
            "[[accept]]\npath='x'\nreason=' '",
            "[[accept]]\nfiles='x'\nreason='y'",
            "x",
        ] {
            assert!(Filter::default().read_policy(bad).is_err(), "{bad}");
        }
    }
}
