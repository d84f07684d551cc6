//! Any text: nothing in it acts on a terminal, and making it harmless twice changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use undertone::cli::line::harmless;

fuzz_target!(|text: &str| {
    let safe = harmless(text);
    assert!(!safe.chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)));
    assert_eq!(harmless(&safe), safe);
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        assert_eq!(safe, text);
    }
});
