//! How long files and functions are.

use crate::{assert_none, tree};

/// Reported above the first, refused above the second.
const FILE_LINES: (usize, usize) = (500, 700);
const FUNCTION_LINES: (usize, usize) = (70, 100);

/// How many lines stand before a file's tests.
fn lines_without_tests(text: &str) -> usize {
    let lines: Vec<_> = text.lines().collect();
    let tests = lines.iter().enumerate().position(|(index, line)| {
        *line == "#[cfg(test)]"
            && lines[index..]
                .iter()
                .take(4)
                .any(|line| line.starts_with("mod ") && line.ends_with('{'))
    });
    tests.unwrap_or(lines.len())
}

/// Name and length of every function. rustfmt puts its end at the indentation of its beginning.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<_> = text.lines().collect();
    let mut functions = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else {
            continue;
        };
        let indentation = &line[..line.len() - line.trim_start().len()];
        let end = format!("{indentation}}}");
        let ends = |line: &str| line == end || line == format!("{indentation};");
        let one_line = line.ends_with('}') || line.ends_with(';');
        if !one_line && let Some(length) = lines[start..].iter().position(|line| ends(line)) {
            functions.push((name, length + 1));
        }
    }
    functions
}

fn function_name(line: &str) -> Option<String> {
    let (before, after) = line.trim_start().split_once("fn ")?;
    let qualifiers = before.split_whitespace().all(|word| {
        word.starts_with("pub") || ["const", "async", "unsafe", "in", "extern"].contains(&word)
    });
    let name: String = after
        .chars()
        .take_while(|char| char.is_alphanumeric() || *char == '_')
        .collect();
    (qualifiers && !name.is_empty()).then_some(name)
}

#[test]
fn files_and_functions_stay_small() {
    let mut refused = Vec::new();
    let mut report = |what: String, lines: usize, (uneasy, most): (usize, usize)| {
        if lines > uneasy {
            println!("{lines:5} lines: {what}");
        }
        if lines > most {
            refused.push(format!("{lines} lines (at most {most}): {what}"));
        }
    };
    for file in tree::rust_files() {
        if !file.is_test() {
            report(
                file.path.clone(),
                lines_without_tests(&file.text),
                FILE_LINES,
            );
        }
        for (name, lines) in functions(&file.text) {
            report(format!("{}, fn {name}", file.path), lines, FUNCTION_LINES);
        }
    }
    assert_none(&refused, "too long:");
}

#[test]
fn functions_are_measured() {
    let text = "impl A {\n    pub(crate) const fn a() {\n        b\n    }\n}\nfn c() {}\n    fn d();\n// a fn e\n";
    assert_eq!(functions(text), [("a".to_owned(), 3)]);
    assert_eq!(lines_without_tests("a\n#[cfg(test)]\nmod tests {\n}\n"), 1);
    assert_eq!(lines_without_tests("a\n#[cfg(test)]\nmod tests;\nb\n"), 4);
}
