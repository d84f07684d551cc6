//! What went wrong, in words for a person.

use rustls::{AlertDescription, CertificateError, Error};
use transport::SessionError;

/// A failed handshake. `alert` is what TLS would tell the peer.
pub(crate) fn failure(error: &Error, alert: Option<AlertDescription>) -> SessionError {
    SessionError {
        alert: alert.map(u8::from),
        reason: reason(error),
    }
}

/// A failure that our own rules find, with the alert that fits (RFC 8446 §6.2).
pub(crate) fn refusal(alert: AlertDescription, reason: &str) -> SessionError {
    SessionError {
        alert: Some(u8::from(alert)),
        reason: reason.to_owned(),
    }
}

fn reason(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => certificate_reason(error),
        Error::NoApplicationProtocol => "the peer speaks another application protocol".to_owned(),
        Error::NoCertificatesPresented => "the server presents no certificate".to_owned(),
        Error::PeerIncompatible(what) => format!("the peer supports too little: {what:?}"),
        Error::PeerMisbehaved(what) => format!("the peer breaks TLS: {what:?}"),
        Error::InvalidMessage(what) => format!("the peer sent a malformed message: {what:?}"),
        Error::InappropriateHandshakeMessage { got_type, .. } => {
            format!("the peer sent {got_type:?} out of turn")
        }
        Error::DecryptError => "the handshake was tampered with".to_owned(),
        other => other.to_string(),
    }
}

fn certificate_reason(error: &CertificateError) -> String {
    use CertificateError as E;
    let text = match error {
        E::Expired | E::ExpiredContext { .. } => {
            "the server's certificate has expired; are both clocks right?"
        }
        E::NotValidYet | E::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet; are both clocks right?"
        }
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "the server's certificate is for another host name"
        }
        E::UnknownIssuer => "the server's certificate comes from nobody whom we trust",
        E::BadSignature => "a signature of the server is wrong",
        E::BadEncoding => "the server's certificate is malformed",
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "the server's certificate is not one for servers"
        }
        E::Other(ours) => return ours.0.to_string(),
        other => return format!("the server's certificate is invalid: {other:?}"),
    };
    text.to_owned()
}
