//! Events with a body, long or gone.

use entity::lifecycle::BODY_BYTES_READ;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{super::large::Large, *};
use crate::fixtures::received_event;

async fn listener() -> (TcpListener, Work) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let work = call(listener.local_addr().unwrap());
    (listener, work)
}

/// The body of the one request that comes, which is answered with 200.
async fn hear(mut stream: TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    let (head, length) = loop {
        assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
        let text = String::from_utf8_lossy(&request);
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let (_, length) = head.split_once("content-length: ").unwrap();
            let length: usize = length.lines().next().unwrap().parse().unwrap();
            break (head.len() + 4, length);
        }
    };
    while request.len() < head + length {
        assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
    }
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(answer).await.unwrap();
    request.split_off(head)
}

#[tokio::test]
async fn a_body_arrives_whole_however_long_it_is() {
    for length in [0, BODY_BYTES_READ, BODY_BYTES_READ + 1, 1024 * 1024] {
        let (listener, work) = listener().await;
        let mut scene = Scene::alone(work).await;
        let body: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let heard = tokio::spawn(async move { hear(listener.accept().await.unwrap().0).await });
        let [id] = scene
            .publish_these(vec![received_event(body.clone())])
            .await[..]
        else {
            panic!("one id")
        };
        scene.until_quiet().await;
        assert_eq!(scene.status(id).await, Status::Processed, "{length} bytes");
        assert!(heard.await.unwrap() == body, "{length} bytes");
    }
}

#[tokio::test]
async fn only_so_many_bytes_are_in_memory_and_what_is_short_does_not_wait_for_them() {
    // Nobody answers.
    let (_listener, work) = listener().await;
    let mut scene = Scene::alone(work).await;
    let room = 8 * (BODY_BYTES_READ + 1);
    scene.consumer.large = Large::new(room as u32);
    let long = |eighths| received_event(vec![b'x'; room / 8 * eighths]);
    let all = vec![long(4), long(3), long(9), long(1), received()];
    let ids = scene.publish_these(all).await;
    let waits = |scene: &Scene| -> Vec<Uuid> {
        let jobs = scene.consumer.jobs.iter();
        jobs.map(|job| job.id).collect()
    };
    scene
        .until(|scene| scene.consumer.working.len() == 3 && scene.consumer.taking.is_empty())
        .await;
    // What is short passes those that wait. The last would fit, and waits: or the longest would never have its turn.
    assert_eq!(waits(&scene), ids[2..4]);
    // What ends makes room, whatever it was.
    scene.consumer.working.clear();
    scene
        .until(|scene| !scene.consumer.working.is_empty())
        .await;
    assert_eq!(waits(&scene), ids[3..4]);
}

#[tokio::test]
async fn what_has_lost_its_body_is_given_up_and_holds_nobody_up() {
    let (listener, work) = listener().await;
    let mut scene = Scene::alone(work).await;
    let well = tokio::spawn(async move { hear(listener.accept().await.unwrap().0).await });
    let received = vec![received_event(b"gone".to_vec()), received()];
    let gone = received[0].id;
    lifecycle::receive(&scene.db, &received, LATER)
        .await
        .unwrap();
    scene.execute("DELETE FROM payloads").await;
    let ids: Vec<Uuid> = received.iter().map(|received| received.id).collect();
    scene.publisher.publish(&ids).await.unwrap();
    scene.until_quiet().await;
    well.await.unwrap();
    assert_eq!(scene.status(ids[1]).await, Status::Processed);
    let failure = lifecycle::failure(&scene.db, gone).await.unwrap().unwrap();
    assert_eq!(failure.verdict, Verdict::Permanent);
    assert_eq!(failure.reason, "its content is no longer stored");
    assert_eq!(scene.depth().await.dead, 1);
}
