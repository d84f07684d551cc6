//! What every engine of a client's store does, and that the engines agree.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows test functions, not the helpers of integration tests"
)]

mod agreement;
mod build;
mod suite;

/// Runs the suite against an engine, which `$open` makes in a fresh folder.
macro_rules! contract {
    ($engine:ident, $open:expr, [$($case:ident,)*]) => {
        mod $engine {
            $(
                #[test]
                fn $case() {
                    let folder = tempfile::tempdir().unwrap();
                    let mut store = $open(folder.path());
                    crate::suite::$case(&mut store);
                }
            )*
        }
    };
}

macro_rules! all_engines {
    ($($case:ident,)*) => {
        contract!(memory, |_| store::device::MemoryStore::default(), [$($case,)*]);
        contract!(
            sqlite,
            |folder: &std::path::Path| store::device::SqliteStore::open(&folder.join("device.db"))
                .unwrap(),
            [$($case,)*]
        );
    };
}

all_engines! {
    messages_are_queued_in_order,
    a_sequence_is_used_once,
    a_message_id_is_used_once,
    a_state_only_moves_forward,
    the_outbox_is_listed_by_state_and_paged,
    a_tombstone_takes_the_number_of_a_failed_message,
    a_conversation_is_listed_by_sequence_with_the_newest_in_each_place,
    a_failed_message_stays_until_the_server_has_what_is_behind_it,
    finished_messages_are_pruned_and_queued_ones_kept,
    outbox_numbers_are_never_used_twice,
    h84_a_position_is_kept_once,
    a_message_in_a_used_position_goes_behind_the_newest,
    the_inbox_is_listed_by_state_and_paged,
    the_display_is_kept_until_it_is_replaced,
    opened_and_unreadable_messages_are_pruned_and_others_kept,
    an_id_is_found_wherever_it_is,
    a_contact_is_pinned_once,
    a_pinned_contact_is_updated,
    contacts_are_listed_in_order,
    seen_is_compared_and_swapped,
    opening_and_seeing_are_one_commit,
    meta_is_overwritten,
    the_largest_numbers_survive,
}
