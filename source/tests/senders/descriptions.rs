//! What is said of the presets is what they do.

use source::{Description, descriptions};

use crate::sending::{Post, preset};

fn described(name: &str) -> Description {
    let mut all = descriptions();
    let found = all.find(|description| description.names.contains(&name));
    found.unwrap()
}

#[test]
fn every_preset_is_described_in_the_order_of_their_names() {
    let names: Vec<_> = descriptions()
        .map(|description| description.names[0])
        .collect();
    assert!(names.iter().copied().eq(source::presets()), "{names:?}");
    for description in descriptions() {
        assert!(!description.id.is_empty(), "{description:?}");
        assert!(!description.proof.is_empty(), "{description:?}");
        assert_eq!(description.status, 200, "{description:?}");
    }
}

#[test]
fn the_header_that_is_named_is_the_one_that_is_signed() {
    for name in ["stripe", "github", "twilio", "slack", "flutterwave-v3"] {
        let source = preset(name, &["a secret"]);
        let post = Post::new("").signed(&source);
        let place = described(name).place;
        let headers: Vec<_> = post.headers.iter().map(|(name, _)| name).collect();
        assert!(headers.contains(&&place), "{name}: {headers:?}");
    }
}

#[test]
fn several_ways_stand_beside_each_other() {
    let standard = described("svix");
    assert_eq!(standard.names[0], "standard-webhooks");
    assert_eq!(standard.place, "webhook-signature or svix-signature");
    assert_eq!(
        standard.proof,
        "HMAC-SHA256, base64, key in whsec_ or Ed25519, base64"
    );
    let gitlab = described("gitlab");
    assert_eq!(gitlab.place, "X-Gitlab-Token or webhook-signature");
    assert_eq!(described("adyen").body, "[accepted]");
    assert_eq!(described("clickup").id, "the body's SHA-256");
    assert_eq!(
        described("zoom").id,
        "json:/event + json:/event_ts + json:/payload/object/uuid or the body's SHA-256"
    );
}
