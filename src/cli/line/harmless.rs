use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar as _;

/// Marks that may follow one character; scripts in use need four at most.
const MARKS_MAX: usize = 8;
const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// What somebody else wrote, made safe for one line of a terminal.
///
/// Control characters (so escape sequences as well), marks that turn the direction of writing, and
/// what nobody can see become visible as `\u{1b}`; a tab becomes four spaces. Joiners stay where
/// they join: between two characters beyond ASCII, as in Persian words and in families of emoji.
/// More than eight combining marks in a row are shown by their numbers.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    let mut marks = 0;
    let mut previous = ' ';
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        marks = match character.width() {
            Some(0) => marks + 1,
            _ => 0,
        };
        if character == '\t' {
            safe.push_str("    ");
        } else if marks > MARKS_MAX
            || (is_deceptive(character) && !joins(previous, character, characters.peek()))
        {
            // Writing to a string does not fail.
            let _ = write!(safe, "{}", character.escape_unicode());
        } else {
            safe.push(character);
        }
        previous = character;
    }
    Cow::Owned(safe)
}

fn joins(before: char, joiner: char, after: Option<&char>) -> bool {
    let joinable = |c: char| !c.is_ascii() && !is_deceptive(c) && !c.is_whitespace();
    matches!(joiner, ZERO_WIDTH_NON_JOINER | ZERO_WIDTH_JOINER)
        && joinable(before)
        && after.is_some_and(|after| joinable(*after) && after.width() != Some(0))
}

/// Characters that act on the terminal, turn or hide their neighbours, or cannot be seen: general
/// categories Cc, Zl and Zp, and what Unicode calls default ignorable, but for the selectors of how
/// an emoji looks.
const fn is_deceptive(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0d}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn h86_what_acts_on_a_terminal_becomes_visible() {
        for (text, expected) in [
            // Colour, a cleared screen, a title, the clipboard, a device control string.
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("\u{1b}[2J\u{1b}[H", "\\u{1b}[2J\\u{1b}[H"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            (
                "\u{1b}]52;c;cm0gLXJm\u{1b}\\",
                "\\u{1b}]52;c;cm0gLXJm\\u{1b}\\",
            ),
            ("\u{1b}P+q\u{1b}\\", "\\u{1b}P+q\\u{1b}\\"),
            // The same in one byte each (C1), and what erases.
            ("\u{9b}2J\u{9d}0;x\u{9c}", "\\u{9b}2J\\u{9d}0;x\\u{9c}"),
            ("a\u{8}\u{7f}\r\u{0}", "a\\u{8}\\u{7f}\\u{d}\\u{0}"),
            // Direction, and what cannot be seen.
            ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
            ("\u{2066}a\u{2069}\u{200e}", "\\u{2066}a\\u{2069}\\u{200e}"),
            (
                "pay\u{200b}pal \u{feff}\u{ad}\u{e0041}",
                "pay\\u{200b}pal \\u{feff}\\u{ad}\\u{e0041}",
            ),
            ("a\u{200d}b", "a\\u{200d}b"),
        ] {
            assert_eq!(harmless(text), expected);
        }
    }

    #[test]
    fn h86_ten_thousand_combining_marks_do_not_pile_up() {
        let safe = harmless(&format!("a{}", "\u{301}".repeat(10_000))).into_owned();
        assert_eq!(safe.matches('\u{301}').count(), MARKS_MAX);
        assert_eq!(safe.matches("\\u{301}").count(), 10_000 - MARKS_MAX);
    }

    #[test]
    fn h87_a_line_stays_one_line() {
        let forged = harmless("hi\n-- logged in as Alice\u{2028}x\u{85}y");
        assert_eq!(forged, "hi\\u{a}-- logged in as Alice\\u{2028}x\\u{85}y");
    }

    #[test]
    fn what_people_write_stays() {
        for text in [
            "plain \\u{1b} text",
            "\u{c4}ngstr\u{f6}m, e\u{301}, \u{65e5}\u{672c}\u{8a9e}",
            // Vietnamese with two marks, Hindi, Hebrew, Persian with a non-joiner.
            "e\u{323}\u{302} \u{928}\u{92e}\u{938}\u{94d}\u{924}\u{947} \u{5e9}\u{5dc}\u{5d5}\u{5dd}",
            "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}",
            // A family, a heart, a flag.
            "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} \u{2764}\u{fe0f} \u{1f1e9}\u{1f1ea}",
        ] {
            assert_eq!(harmless(text), text);
        }
        assert_eq!(harmless("a\tb"), "a    b");
    }

    proptest! {
        #[test]
        fn h86_nothing_that_acts_is_left(text in "(?s)(.|[\u{0}-\u{1f}\u{7f}-\u{9f}\u{200b}-\u{206f}\u{301}]){0,60}") {
            let safe = harmless(&text).into_owned();
            prop_assert!(!safe.chars().any(char::is_control));
            let bare = |c: char| is_deceptive(c) && !matches!(c, ZERO_WIDTH_JOINER | ZERO_WIDTH_NON_JOINER);
            prop_assert!(!safe.chars().any(bare));
            let again = harmless(&safe);
            prop_assert_eq!(again.as_ref(), safe.as_str());
        }
    }
}
