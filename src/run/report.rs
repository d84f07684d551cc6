//! What was found out about a path, as people and programs read it.

use core::time::Duration;

use serde_json::json;
use transport::EcnSupport;

use super::doctor::Findings;

/// One JSON object, on one line.
pub fn to_json(findings: &Findings) -> String {
    let millis = |duration: Duration| duration.as_secs_f64() * 1e3;
    json!({
        "event": "doctor",
        "server": findings.address.to_string(),
        "family": family(findings),
        "fingerprint": findings.fingerprint.map(|key| key.to_string()),
        "reachable": true,
        "handshake_ms": millis(findings.handshake),
        "rtt_min_ms": millis(findings.rtt_min),
        "rtt_median_ms": millis(findings.rtt_median),
        "probes": findings.probes,
        "probes_lost": findings.probes_lost,
        "datagram_bytes": findings.datagram_bytes,
        "gso_segments": findings.offload.send_segments,
        "gro_segments": findings.offload.receive_segments,
        "ecn": match findings.ecn {
            EcnSupport::Capable => "capable",
            EcnSupport::Failed => "failed",
            _ => "unknown",
        },
        "survives_rebinding": findings.survives_rebinding,
        "advice": findings.advice(),
    })
    .to_string()
}

/// A table, and advice below it.
pub fn to_table(findings: &Findings) -> String {
    let millis = |duration: Duration| format!("{:.1} ms", duration.as_secs_f64() * 1e3);
    let segments = |count: usize| match count {
        0 | 1 => "one datagram at a time".to_owned(),
        count => format!("up to {count} datagrams at a time"),
    };
    let Findings {
        probes,
        probes_lost,
        offload,
        ..
    } = findings;
    let mut rows = vec![
        (
            "server",
            format!("{} ({})", findings.address, family(findings)),
        ),
        ("reachable", "yes".to_owned()),
        (
            "handshake",
            format!(
                "{}, the server's puzzle included",
                millis(findings.handshake)
            ),
        ),
        (
            "round trip",
            format!(
                "{} at least, {} in the middle",
                millis(findings.rtt_min),
                millis(findings.rtt_median)
            ),
        ),
        ("loss", format!("{probes_lost} of {probes} probes")),
        (
            "datagrams",
            format!("up to {} bytes", findings.datagram_bytes),
        ),
        ("sending", segments(offload.send_segments)),
        ("receiving", segments(offload.receive_segments)),
        (
            "ECN",
            match findings.ecn {
                EcnSupport::Capable => "marks of congestion pass",
                EcnSupport::Failed => "marks of congestion do not pass",
                _ => "not known yet",
            }
            .to_owned(),
        ),
        (
            "new port",
            match findings.survives_rebinding {
                true => "the connection goes on".to_owned(),
                false => "the connection is lost".to_owned(),
            },
        ),
    ];
    if let Some(key) = findings.fingerprint {
        rows.insert(1, ("fingerprint", key.to_string()));
    }
    let mut table: String = (rows.iter())
        .map(|(name, value)| format!("{name:<11}  {value}\n"))
        .collect();
    for words in findings.advice() {
        table.push_str(&format!("\n! {words}"));
    }
    table.trim_end().to_owned()
}

fn family(findings: &Findings) -> &'static str {
    if findings.address.is_ipv4() {
        "IPv4"
    } else {
        "IPv6"
    }
}
