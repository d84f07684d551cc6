//! Any bytes as what a client's store gives back: states, pins and identities have one encoding.
use chat::login::{PasswordRecord, ServerSecrets};
use crypto::Fingerprint;
use e2e::PublicIdentity;
use e2e::conversation::{ConversationId, DeviceId, Origin, ReceiveState, SendState};
use e2e::trust::Pin;

/// Checks one input.
pub fn check(bytes: &[u8]) {
    if let Ok(secrets) = ServerSecrets::from_bytes(bytes) {
        assert_eq!(secrets.to_bytes().expose(), bytes);
    }
    if let Some((&ksf, record)) = bytes.split_first_chunk().map(|([ksf], rest)| (ksf, rest))
        && let Ok(record) = record.try_into()
        && let Ok(stored) = PasswordRecord::from_stored(ksf, record)
    {
        assert_eq!((stored.ksf().to_byte(), stored.as_bytes()), (ksf, &record));
    }
    let origin = Origin {
        sender_key: Fingerprint::from([1; 32]),
        device: DeviceId([2; 16]),
        conversation: ConversationId([3; 16]),
    };
    if let Ok(state) = ReceiveState::decode(origin, bytes) {
        assert_eq!(state.encode(), bytes);
        assert!(state.missing() <= state.highest());
    }
    if let Ok(state) = SendState::decode(bytes) {
        assert_eq!(state.encode(), bytes);
    }
    if let Ok(pin) = Pin::decode(bytes) {
        assert_eq!(pin.encode(), bytes);
    }
    if let Ok(identity) = PublicIdentity::decode(bytes) {
        assert_eq!(identity.encode(), bytes);
    }
}
