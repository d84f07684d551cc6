//! Any text: nothing in it acts on a terminal, what people write stays as it is, and making it harmless
//! twice changes nothing.

use undertone::cli::line::harmless;

/// Marks that one character keeps (docs of `harmless`).
const MARKS_MAX: usize = 8;

/// Checks one input, unless it is no UTF-8.
pub fn check(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else {
        return;
    };
    let safe = harmless(text);
    assert!(!safe.chars().any(acts));
    assert_eq!(harmless(&safe), safe);
    check_each(text, &safe);
    let (mut marks, mut most) = (0, 0);
    for character in safe.chars() {
        marks = if is_mark(character) { marks + 1 } else { 0 };
        most = most.max(marks);
    }
    assert!(most <= MARKS_MAX, "{most} marks");
}

/// Every character stands in the harmless text in its turn, as itself or by its number, and nothing
/// else does.
fn check_each(text: &str, safe: &str) {
    let mut rest = safe;
    let mut before = None;
    // Characters since the last one that a mark may sit on.
    let mut since = 0;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\t' {
            rest = rest.strip_prefix("    ").expect("four spaces");
        } else if let Some(behind) = rest.strip_prefix(character) {
            rest = behind;
            if matches!(character, '\u{200c}' | '\u{200d}') {
                let around = [before, characters.peek().copied()];
                let joins = |c: Option<char>| c.is_some_and(|c| !c.is_ascii());
                assert!(around.into_iter().all(joins), "joins {around:?}");
            }
        } else {
            let number = character.escape_unicode().to_string();
            rest = rest.strip_prefix(&number).expect("itself or its number");
            assert!(!is_ordinary(character), "{number} is what people write");
            let stays = is_mark(character) && since < MARKS_MAX;
            assert!(!stays, "{number} is mark {since}");
        }
        since = if is_ordinary(character) { 0 } else { since + 1 };
        before = Some(character);
    }
    assert_eq!(rest, "");
}

/// Some of what people write: ASCII, Latin, Greek, Cyrillic, kana, Chinese, Korean and emoji, each a
/// character that can be seen.
fn is_ordinary(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{c0}'..='\u{24f}' | '\u{391}'..='\u{3a1}' | '\u{3b1}'..='\u{3c9}')
        || matches!(c, '\u{410}'..='\u{44f}' | '\u{3041}'..='\u{3096}' | '\u{4e00}'..='\u{9fff}')
        || matches!(c, '\u{ac00}'..='\u{d7a3}' | '\u{1f300}'..='\u{1f3fa}' | '\u{1f400}'..='\u{1f64f}')
}

/// A combining diacritical mark, but for the one that cannot be seen.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{34e}' | '\u{350}'..='\u{36f}')
}

/// Whether a terminal does something about it instead of showing it: control characters, line and
/// paragraph separators, and what turns the direction of text (Unicode Standard Annex 9).
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
