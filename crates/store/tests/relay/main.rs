//! What every engine of the relay's store does, and that the engines agree.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows test functions, not the helpers of integration tests"
)]

mod agreement;
mod build;
mod figures;
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
        contract!(memory, |_| store::relay::MemoryStore::default(), [$($case,)*]);
        contract!(
            sqlite,
            |folder: &std::path::Path| store::relay::SqliteStore::open(&folder.join("relay.db"))
                .unwrap(),
            [$($case,)*]
        );
    };
}

all_engines! {
    an_account_is_inserted_once,
    accounts_are_listed_in_order_and_paged,
    credentials_are_compared_and_swapped,
    a_deleted_account_leaves_nothing_but_what_it_sent,
    names_are_compared_byte_by_byte,
    a_batch_sees_its_own_operations,
    h84_a_retry_is_one_message,
    h61_a_number_that_another_message_has_is_not_acknowledged,
    a_gap_changes_nothing,
    sequences_are_counted_per_sender_device_and_conversation,
    an_unknown_recipient_is_refused_and_not_remembered,
    h70_a_full_mailbox_refuses_and_remembers,
    h70_a_tombstone_takes_a_refused_number,
    h70_a_refusal_that_is_not_remembered_can_be_retried,
    h70_refusals_are_bounded,
    reading_goes_on_after_the_cursor,
    reading_is_bounded_by_bytes,
    each_device_has_its_cursor,
    an_acknowledgement_passes_many_entries_at_once,
    an_acknowledgement_never_goes_back_nor_ahead,
    entries_wait_for_the_first_device,
    a_new_device_gets_what_is_kept,
    a_removed_device_holds_nothing_back,
    devices_are_limited_and_idle_ones_make_room,
    a_device_that_is_seen_again_keeps_its_cursor,
    a_device_that_was_seen_is_not_idle,
    old_entries_expire_oldest_first,
    positions_are_never_used_twice,
    notices_wait_until_deleted,
    notices_are_bounded,
    meta_is_overwritten,
    meta_that_comes_with_an_account_is_set_with_it,
    the_largest_numbers_survive,
}
