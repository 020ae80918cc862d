//! Senders of orders, papers, tasks and customers.

use super::row::{Preset, Row, hmac};
use crate::{
    encoding::Encoding::{Base64, Hex},
    handshake::Handshake,
    scheme::{
        Hash::{Sha1, Sha256},
        Unit,
    },
    secret::KeyForm,
};

pub(super) static ROWS: &[Row] = &[
    Row {
        names: &["shopify"],
        preset: || {
            Preset::new(hmac(Sha256, Base64, "X-Shopify-Hmac-Sha256"))
                .id("header:X-Shopify-Webhook-Id | header:shopify-webhook-id")
                .kind("header:X-Shopify-Topic | header:shopify-topic")
                .time("header:X-Shopify-Triggered-At | header:shopify-triggered-at")
        },
    },
    Row {
        names: &["woocommerce"],
        preset: || {
            Preset::new(hmac(Sha256, Base64, "X-WC-Webhook-Signature"))
                .id("header:X-WC-Webhook-Delivery-ID")
                .or_hash()
                .kind("header:X-WC-Webhook-Topic")
        },
    },
    Row {
        names: &["xero"],
        preset: || {
            Preset::new(hmac(Sha256, Base64, "x-xero-signature"))
                .split("/events")
                .id("json:/tenantId + json:/resourceId + json:/eventType + json:/eventDateUtc")
                .or_hash()
                .kind("json:/eventCategory + json:/eventType | json:/eventType")
                .time("json:/eventDateUtc")
                .handshake(Handshake::Xero)
        },
    },
    Row {
        names: &["typeform"],
        preset: || {
            Preset::new(hmac(Sha256, Base64, "Typeform-Signature").prefix("sha256="))
                .id("json:/event_id")
                .kind("json:/event_type")
        },
    },
    Row {
        names: &["docusign"],
        // One header for each key: X-DocuSign-Signature-1, and so on.
        preset: || {
            Preset::new(hmac(Sha256, Base64, "X-DocuSign-Signature-*"))
                .or_hash()
                .kind("json:/event")
                .time("json:/generatedDateTime")
        },
    },
    Row {
        names: &["calendly"],
        preset: || {
            let scheme = hmac(Sha256, Hex, "Calendly-Webhook-Signature").items(',', "v1=");
            Preset::new(scheme.signed("{time}.{body}").time("item:t"))
                .or_hash()
                .kind("json:/event")
                .time("json:/created_at")
        },
    },
    Row {
        names: &["cal-com"],
        preset: || {
            Preset::new(hmac(Sha256, Hex, "X-Cal-Signature-256"))
                .or_hash()
                .kind("json:/triggerEvent")
                .time("json:/createdAt")
        },
    },
    Row {
        names: &["hubspot"],
        // The number of an event alone is not its own for ever.
        preset: || {
            let scheme = hmac(Sha256, Base64, "X-HubSpot-Signature-v3").unit(Unit::Milliseconds);
            let scheme = scheme.signed("{method}{url}{body}{time}");
            Preset::new(scheme.time("header:X-HubSpot-Request-Timestamp"))
                .split("")
                .id("json:/eventId + json:/subscriptionId + json:/occurredAt")
                .kind("json:/subscriptionType")
                .time("json:/occurredAt")
        },
    },
    Row {
        names: &["zendesk"],
        preset: || {
            let scheme = hmac(Sha256, Base64, "X-Zendesk-Webhook-Signature").unit(Unit::Iso);
            let scheme = scheme.time("header:X-Zendesk-Webhook-Signature-Timestamp");
            Preset::new(scheme.signed("{time}{body}"))
                .id("json:/id")
                .or_hash()
                .kind("json:/type")
                .time("json:/time")
        },
    },
    Row {
        names: &["notion"],
        preset: || {
            Preset::new(hmac(Sha256, Hex, "X-Notion-Signature").prefix("sha256="))
                .id("json:/id")
                .kind("json:/type")
                .time("json:/timestamp")
        },
    },
    Row {
        names: &["clickup"],
        preset: || {
            Preset::new(hmac(Sha256, Hex, "X-Signature"))
                .or_hash()
                .kind("json:/event")
        },
    },
    Row {
        names: &["airtable"],
        preset: || {
            let scheme = hmac(Sha256, Hex, "X-Airtable-Content-MAC").prefix("hmac-sha256=");
            Preset::new(scheme.key(KeyForm::Base64))
                .id("json:/webhook/id + json:/timestamp")
                .time("json:/timestamp")
        },
    },
    Row {
        names: &["trello"],
        preset: || {
            Preset::new(hmac(Sha1, Base64, "X-Trello-Webhook").signed("{body}{url}"))
                .id("json:/action/id")
                .kind("json:/action/type")
                .time("json:/action/date")
                .handshake(Handshake::Head)
        },
    },
    Row {
        names: &["dropbox"],
        // It names accounts in which something has changed, in the same words each time.
        preset: || {
            Preset::new(hmac(Sha256, Hex, "X-Dropbox-Signature"))
                .or_unique()
                .handshake(Handshake::Challenge)
        },
    },
    Row {
        names: &["dub"],
        preset: || {
            Preset::new(hmac(Sha256, Hex, "Dub-Signature"))
                .id("json:/id")
                .kind("json:/event")
                .time("json:/createdAt")
        },
    },
];
