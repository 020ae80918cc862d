//! Senders of what happens to code and to what it runs on.

use super::row::{Preset, Row, hmac, standard_hmac};
use crate::{
    encoding::Encoding::{Base64, Base64Url, Hex},
    prover::Proving,
    scheme::{
        Hash::{Sha1, Sha256},
        Unit, Verify,
    },
};

pub(super) static ROWS: &[Row] = &[
    Row {
        names: &["github"],
        preset: || {
            Preset::new(hmac(Sha256, Hex, "X-Hub-Signature-256").prefix("sha256="))
                .id("header:X-GitHub-Delivery")
                .kind("header:X-GitHub-Event + json:/action | header:X-GitHub-Event")
        },
    },
    Row {
        names: &["gitlab"],
        // Whoever has a signing token is not believed by the plain one.
        preset: || {
            let token = Verify::Header("X-Gitlab-Token".to_owned());
            Preset::new(Proving::BySecret {
                prefix: "whsec_",
                with: Box::new(standard_hmac("webhook").into()),
                without: Box::new(token.into()),
                either: false,
            })
            .id("header:Idempotency-Key | header:webhook-id | header:X-Gitlab-Event-UUID")
            .kind("header:X-Gitlab-Event")
        },
    },
    Row {
        names: &["bitbucket"],
        preset: || {
            Preset::new(hmac(Sha256, Hex, "X-Hub-Signature").prefix("sha256="))
                .id("header:X-Request-UUID")
                .or_hash()
                .kind("header:X-Event-Key")
        },
    },
    Row {
        names: &["jira"],
        preset: || {
            Preset::new(hmac(Sha256, Hex, "X-Hub-Signature").prefix("sha256="))
                .id("header:X-Atlassian-Webhook-Identifier")
                .or_hash()
                .kind("json:/webhookEvent")
                .time("json:/timestamp")
        },
    },
    Row {
        names: &["linear"],
        preset: || {
            Preset::new(hmac(Sha256, Hex, "Linear-Signature"))
                .id("header:Linear-Delivery")
                .or_hash()
                .kind("json:/type + json:/action | json:/type")
                .time("json:/webhookTimestamp")
        },
    },
    Row {
        names: &["sentry"],
        preset: || {
            Preset::new(hmac(Sha256, Hex, "Sentry-Hook-Signature"))
                .id("header:Request-ID")
                .or_hash()
                .kind("header:Sentry-Hook-Resource + json:/action | header:Sentry-Hook-Resource")
        },
    },
    Row {
        names: &["npm"],
        preset: || {
            Preset::new(hmac(Sha256, Hex, "X-Npm-Signature").prefix("sha256="))
                .or_hash()
                .kind("json:/event")
                .time("json:/time")
        },
    },
    Row {
        names: &["heroku"],
        preset: || {
            Preset::new(hmac(Sha256, Base64, "Heroku-Webhook-Hmac-SHA256"))
                .id("json:/id")
                .kind("json:/resource + json:/action")
                .time("json:/created_at")
        },
    },
    Row {
        names: &["vercel"],
        preset: || {
            Preset::new(hmac(Sha1, Hex, "x-vercel-signature"))
                .id("json:/id")
                .kind("json:/type")
                .time("json:/createdAt")
        },
    },
    Row {
        names: &["circleci"],
        preset: || {
            Preset::new(hmac(Sha256, Hex, "circleci-signature").items(',', "v1="))
                .id("json:/id")
                .kind("json:/type")
                .time("json:/happened_at")
        },
    },
    Row {
        names: &["pagerduty"],
        preset: || {
            Preset::new(hmac(Sha256, Hex, "X-PagerDuty-Signature").items(',', "v1="))
                .id("json:/event/id")
                .kind("json:/event/event_type")
                .time("json:/event/occurred_at")
        },
    },
    Row {
        names: &["workos"],
        preset: || {
            let scheme = hmac(Sha256, Hex, "WorkOS-Signature").items(',', "v1=");
            let scheme = scheme.time("item:t").unit(Unit::Milliseconds);
            Preset::new(scheme.signed("{time}.{body}"))
                .id("json:/id")
                .kind("json:/event")
                .time("json:/created_at")
        },
    },
    Row {
        names: &["sanity"],
        // It repeats with the first signature, for as long as it may.
        preset: || {
            let scheme = hmac(Sha256, Base64Url, "sanity-webhook-signature").items(',', "v1=");
            let scheme = scheme
                .time("item:t")
                .unit(Unit::Milliseconds)
                .tolerance(None);
            Preset::new(scheme.signed("{time}.{body}"))
                .id("header:idempotency-key")
                .or_hash()
                .kind("header:sanity-operation")
        },
    },
];
