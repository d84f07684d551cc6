//! Help, manual pages and completions that show `-sp` and `-sip`, which clap does not know.

use clap::Command;
use clap_complete::Shell;

/// A program's options of one dash and several letters, with the long option that clap knows.
pub(super) type Forms = &'static [(&'static str, &'static str)];

/// Puts the short form where clap puts one.
pub(super) fn in_help(text: &str, forms: Forms) -> String {
    replace(text, forms, |short, long| {
        (format!("      {long} "), format!("  {short}, {long} "))
    })
}

/// Names an option as people type it.
pub(super) fn in_error(text: &str, forms: Forms) -> String {
    replace(text, forms, |short, long| {
        (format!("{long} <"), format!("{short} <"))
    })
}

/// The manual page, in roff.
pub(super) fn manual(command: Command, forms: Forms) -> String {
    let name = command.get_name().replace('-', "\\-");
    let mut page = Vec::new();
    // Writing to memory does not fail.
    let _ = clap_mangen::Man::new(command).render(&mut page);
    let page = String::from_utf8_lossy(&page);
    let bold = |option: &str| format!("\n\\fB{}\\fR", option.replace('-', "\\-"));
    let page = replace(&page, forms, |short, long| {
        let both = format!("{}, {}", bold(short), bold(long).trim_start());
        (bold(long), both)
    });
    // Commands have no pages of their own to refer to.
    page.lines().fold(String::new(), |page, line| {
        let command = line
            .strip_prefix(&format!("{name}\\-"))
            .and_then(|rest| rest.strip_suffix("(1)"));
        page + command.unwrap_or(line) + "\n"
    })
}

/// The script that completes a program's words in `shell`.
pub(super) fn completions(shell: Shell, mut command: Command, forms: Forms) -> String {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    let script = String::from_utf8_lossy(&script);
    let mut lines = Vec::new();
    for line in script.lines() {
        match forms.iter().find(|(_, long)| mentions(line, long)) {
            Some(_) => lines.extend(with_short_forms(shell, line, forms)),
            None => lines.push(line.to_owned()),
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Each shell's completion script has one option to a line, or all in a list of words.
fn with_short_forms(shell: Shell, line: &str, forms: Forms) -> Vec<String> {
    let each = |edit: &dyn Fn(&str, &str, &str) -> String| {
        let mentioned = forms.iter().filter(|(_, long)| mentions(line, long));
        mentioned.fold(line.to_owned(), |line, (short, long)| {
            edit(&line, short, long)
        })
    };
    match shell {
        Shell::Bash => vec![each(&|line, short, long| {
            line.replace(&format!("{long})"), &format!("{long}|{short})"))
                .replace(&format!("{long} "), &format!("{short} {long} "))
        })],
        Shell::Fish => vec![each(&|line, short, long| {
            let (short, long) = (short.trim_start_matches('-'), long.trim_start_matches('-'));
            line.replace(&format!("-l {long} "), &format!("-o {short} -l {long} "))
        })],
        _ => {
            let short = each(&|line, short, long| {
                line.replace(&format!("{long}="), &format!("{short}="))
                    .replace(&format!("'{long}'"), &format!("'{short}'"))
                    .replace(&format!("{long} "), &format!("{short} "))
            });
            vec![line.to_owned(), short]
        }
    }
}

/// Whether the whole option is there, and not as a part of a longer one.
fn mentions(line: &str, long: &str) -> bool {
    let name = long.trim_start_matches('-');
    [
        format!("{long} "),
        format!("{long})"),
        format!("{long}="),
        format!("'{long}'"),
        format!("-l {name} "),
    ]
    .iter()
    .any(|form| line.contains(form))
}

fn replace(text: &str, forms: Forms, pair: impl Fn(&str, &str) -> (String, String)) -> String {
    forms.iter().fold(text.to_owned(), |text, (short, long)| {
        let (from, to) = pair(short, long);
        text.replace(&from, &to)
    })
}
