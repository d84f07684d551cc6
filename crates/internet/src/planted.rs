//! Bugs that a test build can switch on, one at a time, to see whether the simulation finds them
//! (docs/HOSTILE.md). `planted!(ThisBug)` stands where the bug would be. Without the feature
//! `danger-planted` it is constantly false, and the compiler drops what hangs on it.
#![allow(missing_docs, reason = "each is a bug of its name")]

/// Writes the list down once.
macro_rules! bugs {
    ($($(#[$doc:meta])* $bug:ident = $name:literal,)*) => {
        /// A bug that somebody could have made.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Bug {
            $($(#[$doc])* $bug,)*
        }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$bug,)*];

            /// What it is called on a command line.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$bug => $name,)*
                }
            }
        }
    };
}

bugs! {
    // Packets.
    ReplayWindowOffByOne = "replay-window-off-by-one",
    NewestNumberTwice = "newest-number-twice",
    SeenBeforeAuthentic = "seen-before-authentic",
    AmplificationUnlimited = "amplification-unlimited",
    NonceReusedByProbe = "nonce-reused-by-probe",
    NumbersAgainWithToken = "numbers-again-with-token",
    KeyUpdateTooEarly = "key-update-too-early",
    PreviousKeysDroppedUnheard = "previous-keys-dropped-unheard",
    IdLeftInMap = "id-left-in-map",
    IdLimitDropped = "id-limit-dropped",
    CryptoUnbounded = "crypto-unbounded",
    AnswersUnbounded = "answers-unbounded",
    IdleTimerNotRenewed = "idle-timer-not-renewed",
    // Recovery.
    AckRetiresTooMuch = "ack-retires-too-much",
    AckOfUnsentAccepted = "ack-of-unsent-accepted",
    AckOfSkippedAccepted = "ack-of-skipped-accepted",
    AcksAcknowledged = "acks-acknowledged",
    LossTimerLost = "loss-timer-lost",
    ProbeTimerNotRearmed = "probe-timer-not-rearmed",
    ProbeDelayNotDoubled = "probe-delay-not-doubled",
    BlackHoleUnseen = "black-hole-unseen",
    SpuriousLossCountedTwice = "spurious-loss-counted-twice",
    PacingRateZero = "pacing-rate-zero",
    TimerFiledTooSoon = "timer-filed-too-soon",
    // Streams.
    OverlapLastWins = "overlap-last-wins",
    GapsUnbounded = "gaps-unbounded",
    FinalSizeUnchecked = "final-size-unchecked",
    FinishedBeforeAllBytes = "finished-before-all-bytes",
    MessageLengthCutAtWrap = "message-length-cut-at-wrap",
    UnorderedTwice = "unordered-twice",
    SkipTakesNeighbour = "skip-takes-neighbour",
    DatagramsUnbounded = "datagrams-unbounded",
    DatagramRoomInKilobytes = "datagram-room-in-kilobytes",
    DeadlineASecondEarly = "deadline-a-second-early",
    StreamLimitUnchecked = "stream-limit-unchecked",
    CreditCountedTwice = "credit-counted-twice",
    CreditNotReturnedByReset = "credit-not-returned-by-reset",
    WindowUpdateLostForEver = "window-update-lost-for-ever",
    ResetNotSentAgain = "reset-not-sent-again",
    StopNotSentAgain = "stop-not-sent-again",
    EarlyStopUntold = "early-stop-untold",
    // Clients, from here on in worlds of whole systems.
    TextsUnsealed = "texts-unsealed",
    BagUnsealed = "bag-unsealed",
    AcknowledgedBeforeStored = "acknowledged-before-stored",
    ShownTwice = "shown-twice",
    ShownOutOfOrder = "shown-out-of-order",
    SealingFailedKeepsLane = "sealing-failed-keeps-lane",
    ForkedInverted = "forked-inverted",
    GapOffByOne = "gap-off-by-one",
    HeldInTheWay = "held-in-the-way",
    DirectoryNotAsked = "directory-not-asked",
    // Servers.
    PageSkipsOne = "page-skips-one",
    BatchInFlightForgotten = "batch-in-flight-forgotten",
    StoredBeforeDurable = "stored-before-durable",
    PresenceNeverLeft = "presence-never-left",
    SecondDeviceRefused = "second-device-refused",
    NoticeNotKept = "notice-not-kept",
}

impl Bug {
    /// Whether it shows in worlds of whole systems only.
    pub const fn is_of_system(self) -> bool {
        self as u8 >= Self::TextsUnsealed as u8
    }
}

#[cfg(not(feature = "danger-planted"))]
mod switch {
    /// Whether this bug is switched on: never.
    pub const fn is_on(_: super::Bug) -> bool {
        false
    }
}

#[cfg(feature = "danger-planted")]
mod switch {
    use core::cell::Cell;

    use super::Bug;

    std::thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Whether this bug is switched on.
    #[inline]
    pub fn is_on(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }

    /// Switches this bug on in this thread and every other off.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }
}

pub use switch::*;
