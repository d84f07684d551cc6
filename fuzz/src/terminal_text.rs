//! Any text: nothing in it acts on a terminal, and making it harmless twice changes nothing.

use undertone::cli::line::harmless;

/// Checks one input, unless it is no UTF-8.
pub fn check(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else {
        return;
    };
    let safe = harmless(text);
    assert!(!safe.chars().any(acts));
    assert_eq!(harmless(&safe), safe);
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        assert_eq!(safe, text);
    }
}

/// Whether a terminal does something about it instead of showing it: control characters, line and
/// paragraph separators, and what turns the direction of text (Unicode Standard Annex 9).
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
