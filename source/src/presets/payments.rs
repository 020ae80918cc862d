//! Senders of payments, and the two schemes that many others use: Standard Webhooks and Stripe's.

use super::row::{Preset, Row, hmac, public_key, standard_ed25519, standard_hmac};
use crate::{
    encoding::Encoding::{Base64, Hex},
    prover::Proving,
    scheme::{
        Hash::{Sha256, Sha512},
        PublicKey, Verify,
    },
    secret::KeyForm,
};

pub(super) static ROWS: &[Row] = &[
    Row {
        names: &[
            "standard-webhooks",
            "svix",
            "clerk",
            "resend",
            "stytch",
            "vanta",
        ],
        // The id is in the signed header (`standard`). One request never mixes both families of headers.
        preset: || {
            Preset::new(Proving::BySecret {
                prefix: "whpk_",
                with: Box::new(Proving::FirstOf(vec![
                    standard_ed25519("webhook"),
                    standard_ed25519("svix"),
                ])),
                without: Box::new(Proving::FirstOf(vec![
                    standard_hmac("webhook"),
                    standard_hmac("svix"),
                ])),
                either: true,
            })
            .id("header:webhook-id")
            .kind("json:/type")
            .time("json:/timestamp")
        },
    },
    Row {
        names: &["stripe"],
        // Stripe's own libraries take `whsec_` for a part of the key.
        preset: || {
            let scheme = hmac(Sha256, Hex, "Stripe-Signature").items(',', "v1=");
            Preset::new(scheme.signed("{time}.{body}").time("item:t"))
                .id("json:/id")
                .kind("json:/type")
                .time("json:/created")
        },
    },
    Row {
        names: &["razorpay"],
        preset: || {
            Preset::new(hmac(Sha256, Hex, "X-Razorpay-Signature"))
                .id("header:x-razorpay-event-id")
                .kind("json:/event")
                .time("json:/created_at")
        },
    },
    Row {
        names: &["adyen"],
        // Old accounts take nothing but this body for a success.
        preset: || {
            Preset::new(Proving::Adyen)
                .split("/notificationItems")
                .id("json:/NotificationRequestItem/eventCode + json:/NotificationRequestItem/pspReference")
                .kind("json:/NotificationRequestItem/eventCode")
                .time("json:/NotificationRequestItem/eventDate")
                .answer("[accepted]")
        },
    },
    Row {
        names: &["adyen-platforms"],
        // `data/id` is of the thing that has changed, the same at each change, so nothing but the bytes tells events apart.
        preset: || {
            Preset::new(hmac(Sha256, Base64, "HmacSignature").key(KeyForm::Hex))
                .or_hash()
                .kind("json:/type")
                .time("json:/timestamp")
        },
    },
    Row {
        names: &["paypal"],
        preset: || {
            Preset::new(Proving::PayPal)
                .id("json:/id")
                .kind("json:/event_type")
                .time("json:/create_time")
        },
    },
    Row {
        names: &["square"],
        preset: || {
            let scheme = hmac(Sha256, Base64, "x-square-hmacsha256-signature");
            Preset::new(scheme.signed("{url}{body}"))
                .id("json:/event_id")
                .kind("json:/type")
                .time("json:/created_at")
        },
    },
    Row {
        names: &["paddle"],
        preset: || {
            let scheme = hmac(Sha256, Hex, "Paddle-Signature").items(';', "h1=");
            Preset::new(scheme.signed("{time}:{body}").time("item:ts"))
                .id("json:/event_id")
                .kind("json:/event_type")
                .time("json:/occurred_at")
        },
    },
    Row {
        names: &["mollie"],
        preset: || {
            Preset::new(hmac(Sha256, Hex, "X-Mollie-Signature").prefix("sha256="))
                .id("json:/id")
                .kind("json:/type")
                .time("json:/createdAt")
        },
    },
    Row {
        names: &["mollie-classic"],
        // Its one field, `id`, is of the payment, the same at each change of it. Nothing is signed: the payment must be
        // looked up.
        preset: || Preset::new(Verify::Nothing).or_unique(),
    },
    Row {
        names: &["paystack"],
        preset: || {
            Preset::new(hmac(Sha512, Hex, "x-paystack-signature"))
                .id("json:/event + json:/data/id | json:/event + json:/data/reference")
                .kind("json:/event")
                .time("json:/data/created_at")
        },
    },
    Row {
        names: &["flutterwave-v3"],
        preset: || {
            Preset::new(Verify::Header("verif-hash".to_owned()))
                .id("json:/event + json:/data/id")
                .kind("json:/event")
                .time("json:/data/created_at")
        },
    },
    Row {
        names: &["flutterwave-v4", "flutterwave"],
        preset: || {
            Preset::new(hmac(Sha256, Base64, "flutterwave-signature"))
                .id("json:/id")
                .kind("json:/type")
                .time("json:/timestamp")
        },
    },
    Row {
        names: &["checkout-com"],
        preset: || {
            Preset::new(hmac(Sha256, Hex, "Cko-Signature"))
                .id("json:/id")
                .kind("json:/type")
                .time("json:/created_on")
        },
    },
    Row {
        names: &["gocardless"],
        preset: || {
            Preset::new(hmac(Sha256, Hex, "Webhook-Signature"))
                .split("/events")
                .id("json:/id")
                .kind("json:/resource_type + json:/action")
                .time("json:/created_at")
                .refused(498)
        },
    },
    Row {
        names: &["coinbase-commerce"],
        // The outer id is of the delivery.
        preset: || {
            Preset::new(hmac(Sha256, Hex, "X-CC-Webhook-Signature"))
                .id("json:/event/id")
                .kind("json:/event/type")
                .time("json:/event/created_at")
        },
    },
    Row {
        names: &["coinbase-cdp"],
        // Item `h` lists the headers that are signed. The older v0 counts only where there is no v1.
        preset: || {
            let scheme = |version| {
                let scheme = hmac(Sha256, Hex, "X-Hook0-Signature");
                scheme.items(',', version).time("item:t")
            };
            Preset::new(Proving::FirstOf(vec![
                scheme("v1=").signed("{time}.{item:h}.{headers}.{body}"),
                scheme("v0=").signed("{time}.{body}").id("json:/id"),
            ]))
            .id("listed:x-event-id | listed:x-hook0-id | json:/id")
            .kind("json:/eventType | listed:x-event-type")
        },
    },
    Row {
        names: &["wise"],
        preset: || {
            Preset::new(public_key(PublicKey::RsaSha256, "X-Signature-SHA256"))
                .id("header:X-Delivery-Id")
                .kind("json:/event_type")
                .time("json:/sent_at")
        },
    },
    Row {
        names: &["plaid"],
        // Equal bodies are different events, and a copy of a request has the same token.
        preset: || {
            Preset::new(Proving::Plaid)
                .id("header:Plaid-Verification")
                .kind("json:/webhook_type + json:/webhook_code")
        },
    },
    Row {
        names: &["authorize-net"],
        preset: || {
            let scheme = hmac(Sha512, Hex, "X-ANET-Signature").prefix("sha512=");
            Preset::new(scheme.key(KeyForm::Hex))
                .id("json:/notificationId")
                .kind("json:/eventType")
                .time("json:/eventDate")
        },
    },
    Row {
        names: &["airwallex"],
        preset: || {
            let scheme = hmac(Sha256, Hex, "x-signature");
            Preset::new(scheme.signed("{header:x-timestamp}{body}"))
                .id("json:/id")
                .kind("json:/name")
                .time("json:/created_at")
        },
    },
    Row {
        names: &["lemon-squeezy"],
        preset: || {
            Preset::new(hmac(Sha256, Hex, "X-Signature"))
                .or_hash()
                .kind("json:/meta/event_name")
        },
    },
    Row {
        names: &["dwolla"],
        preset: || {
            Preset::new(hmac(Sha256, Hex, "X-Request-Signature-SHA-256"))
                .id("json:/id")
                .kind("json:/topic")
                .time("json:/timestamp")
        },
    },
    Row {
        names: &["bolt"],
        preset: || {
            Preset::new(hmac(Sha256, Base64, "X-Bolt-Hmac-Sha256"))
                .or_hash()
                .kind("json:/type")
        },
    },
    Row {
        names: &["primer"],
        preset: || {
            Preset::new(hmac(Sha256, Base64, "X-Signature-Primary"))
                .or_hash()
                .kind("json:/eventType")
        },
    },
];
