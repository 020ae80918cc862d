//! The step in which an id becomes one consumer's.

use super::*;

/// What a consumer gets of the ids that it wants to work on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// These are its own now: unfinished, and held by no other living consumer.
    pub mine: Vec<Uuid>,
    /// Those that it might have, but too many consumers have died with them in hand, each with how many.
    /// They are nobody's yet, and due `again_in` from now.
    pub suspects: HashMap<Uuid, i32>,
    /// Where the others are in their life. `PROCESSING` means that another consumer holds it, or that
    /// it waits for its next attempt. An id that names no row is neither here nor there.
    pub others: HashMap<Uuid, Status>,
}

/// Takes what is unfinished, does not wait and is in no living consumer's hands, while the taker's own
/// lease runs. If the holder dies, [`lease::reclaim`] makes it due again; at the latest it is due
/// `again_in` from now.
///
/// `ids` are different from each other. One that more than `crashes_max` consumers have died with is
/// not taken, unless the taker is the only process there is.
pub async fn take(
    db: &DatabaseConnection,
    holder: Holder,
    ids: Vec<Uuid>,
    crashes_max: i32,
    again_in: Duration,
) -> Result<Taken, DbErr> {
    let taken = match holder {
        Holder::Sole => count(db, &ids).await?,
        Holder::Consumer(consumer) => hold(db, consumer, &ids, crashes_max, again_in).await?,
    };
    if taken == ids.len() as u64 {
        return Ok(Taken {
            mine: ids,
            ..Taken::default()
        });
    }
    // Not all of them: after a redelivery or a repeated message. Only now it matters which.
    let mine = held(db, holder, &ids).await?;
    let suspects = match holder {
        Holder::Sole => HashMap::new(),
        Holder::Consumer(consumer) => put_off(db, consumer, &ids, crashes_max, again_in).await?,
    };
    let mut others = load(db, &ids).await?;
    others.retain(|id, _| !mine.contains(id) && !suspects.contains_key(id));
    Ok(Taken {
        mine,
        suspects,
        others,
    })
}

/// `it is one of the ids in $1, and may be worked on`, as an SQL condition.
fn is_ready(db: &DatabaseConnection) -> String {
    format!("{} AND NOT waits", sql::is_one_of_the_ids(db, "id"))
}

/// `no living consumer but $2 holds it`, as an SQL condition.
fn is_free(db: &DatabaseConnection) -> String {
    let others_is_alive = lease::is_alive(db, "outbox.holder");
    format!("(holder IS NULL OR holder = $2 OR NOT {others_is_alive})")
}

/// How many of them the only process there is may work on.
async fn count(db: &DatabaseConnection, ids: &[Uuid]) -> Result<u64, DbErr> {
    let count = format!("SELECT count(*) FROM outbox WHERE {}", is_ready(db));
    count_of(db, sql::statement(db, count, [sql::ids(db, ids)])).await
}

/// Makes a consumer the holder of what it may have. Returns how many that is.
async fn hold(
    db: &DatabaseConnection,
    consumer: Uuid,
    ids: &[Uuid],
    crashes_max: i32,
    again_in: Duration,
) -> Result<u64, DbErr> {
    let hold = format!(
        "UPDATE outbox SET holder = $2, due_at = {} + $3 \
         WHERE {} AND crashes <= $4 AND {} AND {}",
        sql::now_millis(db),
        is_ready(db),
        lease::is_alive(db, "$2"),
        is_free(db),
    );
    let done = retrying(|| {
        let values = terms(db, consumer, ids, crashes_max, again_in);
        db.execute_raw(sql::statement(db, hold.as_str(), values))
    });
    Ok(done.await?.rows_affected())
}

/// Which of them are the holder's.
async fn held(db: &DatabaseConnection, holder: Holder, ids: &[Uuid]) -> Result<Vec<Uuid>, DbErr> {
    let ready = is_ready(db);
    let held = match holder {
        Holder::Sole => format!("SELECT id FROM outbox WHERE {ready}"),
        Holder::Consumer(_) => format!(
            "SELECT id FROM outbox WHERE {ready} AND holder = $2 AND {}",
            lease::is_alive(db, "$2")
        ),
    };
    let values = std::iter::once(sql::ids(db, ids)).chain(holder.id().map(Value::from));
    returned_ids(db, sql::statement(db, held, values)).await
}

/// Which of them the consumer might have, but for the deaths. They are in its hands now without being
/// its own, and need not be published again meanwhile.
async fn put_off(
    db: &DatabaseConnection,
    consumer: Uuid,
    ids: &[Uuid],
    crashes_max: i32,
    again_in: Duration,
) -> Result<HashMap<Uuid, i32>, DbErr> {
    let put_off = format!(
        "UPDATE outbox SET due_at = {} + $3 \
         WHERE {} AND crashes > $4 AND {} RETURNING id, crashes",
        sql::now_millis(db),
        is_ready(db),
        is_free(db),
    );
    let values = terms(db, consumer, ids, crashes_max, again_in);
    pairs(db, sql::statement(db, put_off, values)).await
}

/// What is bound in [`hold`] and [`put_off`]: which ids ($1), who wants them ($2), when they are due
/// again ($3), and how many deaths are too many ($4).
fn terms(
    db: &DatabaseConnection,
    consumer: Uuid,
    ids: &[Uuid],
    crashes_max: i32,
    again_in: Duration,
) -> [Value; 4] {
    [
        sql::ids(db, ids),
        consumer.into(),
        millis(again_in).into(),
        crashes_max.into(),
    ]
}
