//! Any text: nothing in it acts on a terminal, and making it harmless twice changes nothing.

use undertone::cli::line::harmless;

/// Checks one input, unless it is no UTF-8.
pub fn check(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else {
        return;
    };
    let safe = harmless(text);
    assert!(
        !safe
            .chars()
            .any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c))
    );
    assert_eq!(harmless(&safe), safe);
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        assert_eq!(safe, text);
    }
}
