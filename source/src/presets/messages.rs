//! Senders of messages, calls and posts, and of what has become of them.

use super::row::{Preset, Row, hmac, public_key};
use crate::{
    encoding::Encoding::{Base64, Hex},
    handshake::Handshake,
    prover::Proving,
    scheme::{
        Hash::{Sha1, Sha256},
        PublicKey, Unit,
    },
};

pub(super) static ROWS: &[Row] = &[
    Row {
        names: &["slack"],
        // Events have an id; commands and interactions have none, and are not repeated.
        preset: || {
            let scheme = hmac(Sha256, Hex, "X-Slack-Signature").prefix("v0=");
            let scheme = scheme.signed("v0:{time}:{body}");
            Preset::new(scheme.time("header:X-Slack-Request-Timestamp"))
                .id("json:/event_id")
                .or_hash()
                .kind("json:/event/type | json:/type | form:command")
                .time("json:/event_time")
                .handshake(Handshake::Slack)
        },
    },
    Row {
        names: &["twilio"],
        // A call or a message has the same id in each of its states.
        preset: || {
            Preset::new(Proving::Twilio)
                .id("header:I-Twilio-Idempotency-Token \
                     | form:MessageSid + form:MessageStatus | form:CallSid + form:CallStatus \
                     | form:MessageSid")
                .or_hash()
                .kind("form:MessageStatus | form:SmsStatus | form:CallStatus")
        },
    },
    Row {
        names: &["mailgun"],
        // The event itself is not signed. Mailgun repeats for eight hours; after a day a signature that somebody has seen
        // is of no use.
        preset: || {
            let scheme = hmac(Sha256, Hex, "json:/signature/signature");
            let scheme = scheme.signed("{time}{json:/signature/token}");
            Preset::new(scheme.time("json:/signature/timestamp").tolerance(86_400))
                .id("json:/event-data/id")
                .kind("json:/event-data/event")
                .time("json:/event-data/timestamp")
                .refused(406)
        },
    },
    Row {
        names: &["sendgrid"],
        preset: || {
            let header = |name| format!("X-Twilio-Email-Event-Webhook-{name}");
            let scheme = public_key(PublicKey::EcdsaP256, &header("Signature"));
            let time = header("Timestamp");
            Preset::new(scheme.signed(&format!("{{header:{time}}}{{body}}")))
                .split("")
                .id("json:/sg_event_id")
                .kind("json:/event")
                .time("json:/timestamp")
        },
    },
    Row {
        names: &["zoom"],
        preset: || {
            let scheme = hmac(Sha256, Hex, "x-zm-signature").prefix("v0=");
            let scheme = scheme.signed("v0:{time}:{body}");
            Preset::new(scheme.time("header:x-zm-request-timestamp"))
                .id("json:/event + json:/event_ts + json:/payload/object/uuid")
                .or_hash()
                .kind("json:/event")
                .time("json:/event_ts")
                .handshake(Handshake::Zoom)
        },
    },
    Row {
        names: &["meta", "whatsapp", "facebook", "instagram"],
        preset: || {
            Preset::new(hmac(Sha256, Hex, "X-Hub-Signature-256").prefix("sha256="))
                .or_hash()
                .kind("json:/object")
                .time("json:/entry/0/time")
                .handshake(Handshake::Meta)
        },
    },
    Row {
        names: &["x", "twitter"],
        preset: || {
            let scheme = hmac(Sha256, Base64, "x-twitter-webhooks-signature");
            Preset::new(scheme.prefix("sha256="))
                .or_hash()
                .handshake(Handshake::X)
        },
    },
    Row {
        names: &["mandrill"],
        preset: || {
            Preset::new(hmac(Sha1, Base64, "X-Mandrill-Signature").signed("{url}{form}"))
                .or_hash()
                .handshake(Handshake::Head)
        },
    },
    Row {
        names: &["twitch"],
        preset: || {
            let header = |name| format!("header:Twitch-Eventsub-{name}");
            let (id, time) = (header("Message-Id"), header("Message-Timestamp"));
            let scheme = hmac(Sha256, Hex, "Twitch-Eventsub-Message-Signature").prefix("sha256=");
            let scheme = scheme.signed(&format!("{{{id}}}{{time}}{{body}}"));
            Preset::new(scheme.time(&time).unit(Unit::Iso).tolerance(600))
                .id(&id)
                .kind(&header("Subscription-Type"))
                .handshake(Handshake::Twitch)
        },
    },
    Row {
        names: &["sinch"],
        preset: || {
            let header = |name| format!("header:x-sinch-webhook-signature-{name}");
            let scheme = hmac(Sha256, Base64, "x-sinch-webhook-signature");
            let scheme = scheme.signed(&format!("{{body}}.{{{}}}.{{time}}", header("nonce")));
            Preset::new(scheme.time(&header("timestamp")))
                .or_hash()
                .kind("json:/trigger | json:/event")
        },
    },
    Row {
        names: &["front"],
        preset: || {
            let scheme = hmac(Sha256, Base64, "X-Front-Signature").unit(Unit::Milliseconds);
            let scheme = scheme.time("header:X-Front-Request-Timestamp");
            Preset::new(scheme.signed("{time}:{body}"))
                .or_hash()
                .kind("json:/type")
        },
    },
    Row {
        names: &["intercom"],
        preset: || {
            Preset::new(hmac(Sha1, Hex, "X-Hub-Signature").prefix("sha1="))
                .id("json:/id")
                .kind("json:/topic")
                .time("json:/created_at")
                .handshake(Handshake::Head)
        },
    },
];
