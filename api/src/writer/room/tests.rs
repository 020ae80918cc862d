use entity::{Content, Event, Fields, Payload, SourceName, Webhook};
use uuid::Uuid;

use super::*;
use crate::scene::webhook;

/// Of a source, with so many bytes of payload; named by its id.
fn event(source: &str, id: &str, bytes: usize) -> Received {
    let source: SourceName = source.parse().unwrap();
    let payload = Payload {
        content_type: None,
        headers: None,
        body: vec![b'x'; bytes],
        sent_at: None,
    };
    let content = match source.is_built_in() {
        true => webhook(id).content,
        false => Content::Event(Box::new(Event {
            kind: None,
            fields: Fields::default(),
            payload,
        })),
    };
    let webhook = Webhook {
        source,
        transaction_id: id.parse().unwrap(),
        content,
    };
    let id = Uuid::now_v7();
    Received { id, webhook }
}

fn waiting(received: impl IntoIterator<Item = Received>) -> Waiting {
    let received = Group::of(received).unwrap();
    Waiting {
        lane: Lane::of(received.first.webhook.source.as_ref()),
        received,
        source: Default::default(),
        arrival: None,
        since: Instant::now(),
        due: Instant::now(),
        answer: oneshot::channel().0,
    }
}

fn enter(room: &Room, source: &str, id: &str) -> Result<(), NotCommitted> {
    room.enter(waiting([event(source, id, 0)]))
}

/// The ids of the next batch: those of one request with `+` between.
fn batch(room: &Room) -> Vec<String> {
    let mut batch = Vec::new();
    room.state().take(&mut batch);
    let ids = batch.iter().map(|waiting| {
        let ids = waiting.received.iter();
        let ids: Vec<_> = ids.map(|r| r.webhook.transaction_id.to_string()).collect();
        ids.join("+")
    });
    ids.collect()
}

#[test]
fn each_source_has_its_turn() {
    let room = Room::default();
    for n in 0..1000 {
        enter(&room, "transactions", &format!("flood {n}")).unwrap();
    }
    enter(&room, "stripe", "lone").unwrap();
    enter(&room, "github", "first").unwrap();
    enter(&room, "github", "second").unwrap();
    let first = batch(&room);
    assert_eq!(first.len(), BATCH_MAX);
    assert_eq!(
        first[..6],
        ["flood 0", "lone", "first", "flood 1", "second", "flood 2"]
    );
    assert_eq!(batch(&room)[0], "flood 253");
}

#[test]
fn what_one_request_brings_stays_together() {
    let room = Room::default();
    let several = |name: &str, count: usize| {
        waiting((0..count).map(|n| event("sendgrid", &format!("{name}{n}"), 0)))
    };
    room.enter(several("a", 3)).unwrap();
    room.enter(several("b", 1000)).unwrap();
    room.enter(several("c", 2)).unwrap();
    assert_eq!(batch(&room), ["a0+a1+a2"]);
    assert_eq!(
        batch(&room).len(),
        1,
        "one that is larger than a batch goes alone"
    );
    assert_eq!(batch(&room), ["c0+c1"]);
    assert!(batch(&room).is_empty());
}

#[test]
fn a_batch_is_bounded_in_bytes() {
    let room = Room::default();
    for n in 0..20 {
        room.enter(waiting([event("github", &n.to_string(), 1 << 20)]))
            .unwrap();
    }
    assert_eq!(batch(&room).len(), 7);
    room.enter(waiting([event("stripe", "long", BATCH.bytes + 1)]))
        .unwrap();
    assert_eq!(batch(&room).len(), 7, "what does not fit holds up no other");
    assert_eq!(batch(&room), ["long"]);
    assert_eq!(batch(&room).len(), 6);
}

#[test]
fn a_source_fills_no_more_than_its_share() {
    let room = Room::default();
    let mut flood = 0;
    while enter(&room, "transactions", &flood.to_string()).is_ok() {
        flood += 1;
    }
    assert_eq!(flood, LANE_MAX.webhooks);
    enter(&room, "stripe", "lone").unwrap();
    let mut long = 0;
    let mebibyte = || waiting([event("github", "long", 1 << 20)]);
    while room.enter(mebibyte()).is_ok() {
        long += 1;
    }
    assert_eq!(long, 31, "and what else they take");
    enter(&room, "stripe", "another").unwrap();
}

#[test]
fn who_comes_next_waits_behind_its_own_and_as_many_of_each_other() {
    let room = Room::default();
    let ahead = |source: &str| {
        let Ahead { all, own } = room.ahead(Lane::of(source));
        (all, own)
    };
    assert_eq!(ahead("stripe"), (0, 0));
    for n in 0..1000 {
        enter(&room, "transactions", &n.to_string()).unwrap();
    }
    assert_eq!(ahead("stripe"), (0, 0));
    for n in 0..10 {
        enter(&room, "stripe", &n.to_string()).unwrap();
    }
    assert_eq!(ahead("stripe"), (20, 10));
    assert_eq!(ahead("transactions"), (1010, 1000));
    assert_eq!(room.ahead(Lane::UNKNOWN), Ahead::default());
}
