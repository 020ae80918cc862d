//! The fake far side records what was said to it, and ends a call whose caller has gone.

use std::time::Duration;

use super::{FarSide, Manners, overlaps, repeats};

async fn call(far_side: &FarSide, key: &str) -> Result<u16, reqwest::Error> {
    let url = format!("http://{}/", far_side.address());
    let request = reqwest::Client::new().post(url);
    let request = request
        .header("idempotency-key", key)
        .header("hookline-attempt", "2")
        .body("{}");
    Ok(request.send().await?.status().as_u16())
}

#[tokio::test]
async fn every_call_is_recorded_with_its_key_its_attempt_and_its_answer() {
    let far_side = FarSide::start(1, Manners::good(Duration::ZERO))
        .await
        .unwrap();
    assert_eq!(call(&far_side, "a").await.unwrap(), 200);
    far_side.set(Manners {
        fail: 1.0,
        ..Manners::good(Duration::ZERO)
    });
    assert_eq!(call(&far_side, "a").await.unwrap(), 500);
    far_side.set(Manners {
        hang_up: 1.0,
        ..Manners::good(Duration::ZERO)
    });
    assert!(call(&far_side, "b").await.is_err());
    let calls = far_side.calls();
    let told: Vec<_> = calls
        .iter()
        .map(|call| (call.key.as_str(), call.attempt.as_deref(), call.status))
        .collect();
    let two = Some("2");
    assert_eq!(
        told,
        [
            ("a", two, Some(200)),
            ("a", two, Some(500)),
            ("b", two, None)
        ]
    );
    assert!(calls.iter().all(|call| call.ended.is_some()));
    assert_eq!((overlaps(&calls), repeats(&calls)), (0, 1));
}

#[tokio::test]
async fn a_caller_that_leaves_ends_its_call() {
    let far_side = FarSide::start(1, Manners::good(Duration::from_secs(60)))
        .await
        .unwrap();
    let patience = Duration::from_millis(200);
    let left = tokio::time::timeout(patience, call(&far_side, "a")).await;
    assert!(left.is_err());
    let ended = async {
        while far_side.calls().iter().any(|call| call.ended.is_none()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ended)
        .await
        .unwrap();
    assert_eq!(far_side.calls()[0].status, None);
}
