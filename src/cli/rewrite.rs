//! The options that people type with one dash: `-sp` and `-sip`.

use std::ffi::OsString;

/// Options of one dash and several letters, with the long option that stands for each.
pub(crate) const ONE_DASH: [(&str, &str); 2] = [("-sp", "--server-port"), ("-sip", "--server-ip")];

/// Short options of either program that take no value, so that another may follow in one word.
const SHORT_FLAGS: &str = "hVvn";

/// Writes `-sp`, `-sip`, `-sp=V` and `-sip=V` as long options, because clap would read `-s -p`.
///
/// Copies everything after `--`, and the word after an option whose value may begin with a hyphen:
/// a password of `-sp` is a password.
pub fn rewrite(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args = args.into_iter();
    let mut rewritten: Vec<OsString> = args.by_ref().take(1).collect();
    while let Some(word) = args.next() {
        let text = word.to_str().unwrap_or_default();
        if text == "--" {
            rewritten.push(word);
            break;
        }
        let value_may_begin_with_hyphen = wants_password(text);
        rewritten.push(long_form(text).unwrap_or(word));
        if value_may_begin_with_hyphen {
            rewritten.extend(args.next());
        }
    }
    rewritten.extend(args);
    rewritten
}

fn long_form(word: &str) -> Option<OsString> {
    let (name, value) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let (_, long) = ONE_DASH.iter().find(|(short, _)| *short == name)?;
    Some(match value {
        Some(value) => format!("{long}={value}").into(),
        None => long.into(),
    })
}

/// Whether the next word is a password: after `-p`, `--password`, or `-p` at the end of a cluster
/// of flags.
fn wants_password(word: &str) -> bool {
    let cluster = word.strip_prefix('-').and_then(|it| it.strip_suffix('p'));
    word == "--password"
        || cluster.is_some_and(|flags| flags.chars().all(|flag| SHORT_FLAGS.contains(flag)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn one_dash_forms_become_long_options() {
        for (typed, expected) in [
            ("x", "x"),
            ("x -sp 5000", "x --server-port 5000"),
            ("x -sip ::1", "x --server-ip ::1"),
            (
                "x -sp=5000 -sip=::1",
                "x --server-port=5000 --server-ip=::1",
            ),
            ("x -sp= -sip=a=b", "x --server-port= --server-ip=a=b"),
            // The missing value stays missing.
            ("x -sp -sip 1.2.3.4", "x --server-port --server-ip 1.2.3.4"),
            ("x -u -sp 1", "x -u --server-port 1"),
            ("x -up -sp 1", "x -up --server-port 1"),
            // Passwords.
            ("x -p -sp -sip h", "x -p -sp --server-ip h"),
            ("x -p -p -sp 1", "x -p -p --server-port 1"),
            ("x -p -- -sp 1", "x -p -- --server-port 1"),
            (
                "x --password -sip -sp 1",
                "x --password -sip --server-port 1",
            ),
            ("x --password=a -sp 1", "x --password=a --server-port 1"),
            ("x -psecret -sp 1", "x -psecret --server-port 1"),
            ("x -vvp -sp -sp 1", "x -vvp -sp --server-port 1"),
            // Nothing but exactly these words.
            (
                "x -s -spx -sipx -sp5 --sp -SP",
                "x -s -spx -sipx -sp5 --sp -SP",
            ),
            (
                "x a -sp 1 -- -sp -sip=2",
                "x a --server-port 1 -- -sp -sip=2",
            ),
            ("-sp -sp 1", "-sp --server-port 1"),
        ] {
            assert_eq!(rewrite(words(typed)), words(expected), "{typed}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn words_that_are_not_text_are_copied() {
        use std::os::unix::ffi::OsStringExt as _;
        let typed = vec!["x".into(), OsString::from_vec(b"-sp=\xff".to_vec())];
        assert_eq!(rewrite(typed.clone()), typed);
    }

    proptest! {
        #[test]
        fn no_word_is_lost_and_a_second_pass_changes_nothing(
            typed in proptest::collection::vec("-sp|-sip|-sp=1|-p|--password|--|-vp|-u|[a-z-]{0,4}", 0..12)
        ) {
            let typed: Vec<OsString> = typed.into_iter().map(OsString::from).collect();
            let once = rewrite(typed.clone());
            prop_assert_eq!(once.len(), typed.len());
            prop_assert_eq!(rewrite(once.clone()), once.clone());
            for (before, after) in typed.iter().zip(&once) {
                let text = after.to_str().unwrap();
                prop_assert!(before == after || text.starts_with("--server-"));
            }
        }

        #[test]
        fn any_password_is_a_password(password in "\\PC{0,12}|-sp|-sip|--") {
            let typed = ["x", "-p", &password, "-sp", "1"].map(OsString::from);
            let rewritten = rewrite(typed.clone());
            prop_assert_eq!(&rewritten[2], &typed[2]);
            prop_assert_eq!(&rewritten[3], "--server-port");
        }
    }
}
