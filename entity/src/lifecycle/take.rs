//! The step in which an id becomes one consumer's.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use sea_orm::{DatabaseConnection, DbBackend, DbErr, Value};
use uuid::Uuid;

use super::{
    CARRIED, Holder, Status, count_of, execute, lease, millis, operate, pairs, retrying,
    returned_ids, sql, statuses,
};
use crate::SourceName;

/// What a consumer gets of the ids that it wants to work on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// These are its own now: unfinished, and held by no other living consumer.
    pub mine: Vec<Uuid>,
    /// Those that it might have, but too many consumers have died with them in flight, each with how many.
    /// They are nobody's yet, and due `again_in` from now.
    pub suspects: HashMap<Uuid, i32>,
    /// Where the others are in their life. `PROCESSING` means that another consumer holds it, or that
    /// it waits for its next attempt. An id that names no row is neither here nor there.
    pub others: HashMap<Uuid, Status>,
}

/// Takes what is unfinished, does not wait and is in no living consumer's hands, while the taker's own
/// lease runs. If the holder dies, [`lease::reclaim`] makes it due again; at the latest it is due
/// `again_in` from now. What is taken of a consumer that is known to be dead has one death more behind it.
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
    let take = async || match holder {
        Holder::Sole => count(db, &ids).await,
        Holder::Consumer(consumer) => hold(db, consumer, &ids, crashes_max, again_in).await,
    };
    let mut taken = take().await?;
    // Not all of them: after a redelivery or a repeated message, or those that are tried again.
    if taken < ids.len() as u64 && bring_in(db, holder, &ids, crashes_max, again_in).await? > 0 {
        taken = take().await?;
    }
    if taken == ids.len() as u64 {
        return Ok(Taken {
            mine: ids,
            ..Taken::default()
        });
    }
    // Only now it matters which.
    let mine = held(db, holder, &ids).await?;
    let suspects = match holder {
        Holder::Sole => HashMap::new(),
        Holder::Consumer(consumer) => put_off(db, consumer, &ids, crashes_max, again_in).await?,
    };
    let mut others = statuses(db, &ids).await?;
    let mine_set: HashSet<Uuid> = mine.iter().copied().collect();
    others.retain(|id, _| !mine_set.contains(id) && !suspects.contains_key(id));
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
fn is_free() -> String {
    format!("(holder = $2 OR {})", lease::is_free())
}

/// Moves those of them that are tried again, and whose time has come, back into the outbox: into the taker's hands if it may
/// have them, in the same statement, so that nobody finds them in nobody's. Returns how many that is.
async fn bring_in(
    db: &DatabaseConnection,
    holder: Holder,
    ids: &[Uuid],
    crashes_max: i32,
    again_in: Duration,
) -> Result<u64, DbErr> {
    let may = match holder {
        Holder::Sole => "true".to_owned(),
        Holder::Consumer(_) => lease::is_alive("$2"),
    };
    let these = format!(
        "{} AND NOT waits AND {may}",
        sql::is_one_of_the_ids(db, "id")
    );
    let insert = format!("INSERT INTO outbox (id, due_at, holder, crashes, {CARRIED})");
    let row = format!(
        "SELECT id, {} + $3, CASE WHEN crashes <= $4 THEN {} END, crashes, {CARRIED}",
        sql::now_millis(db),
        sql::this_id(db),
    );
    let bring_in = moved(db, "retries", &these, &insert, &row);
    retrying(|| {
        let values = [
            sql::ids(db, ids),
            holder.id().into(),
            millis(again_in).into(),
            crashes_max.into(),
        ];
        count_of(db, sql::statement(db, bring_in.as_str(), values))
    })
    .await
}

/// Lets go of ids that are not worked on after all: from now on anybody may take them, and whether a message brings them or
/// not, they are due `again_in` from now. Returns how many the holder still had.
pub async fn release(
    db: &DatabaseConnection,
    holder: Holder,
    ids: &[Uuid],
    again_in: Duration,
) -> Result<u64, DbErr> {
    let theirs = format!(
        "{} AND {}",
        sql::is_one_of_the_ids(db, "id"),
        sql::is_held(db)
    );
    let now = sql::now_millis(db);
    let insert = format!("INSERT INTO retries (id, due_at, set_at, crashes, {CARRIED})");
    let row = format!("SELECT id, {now} + $3, {now}, crashes, {CARRIED}");
    let release = moved(db, "outbox", &theirs, &insert, &row);
    retrying(|| {
        let values = [
            sql::ids(db, ids),
            holder.id().into(),
            millis(again_in).into(),
        ];
        count_of(db, sql::statement(db, release.as_str(), values))
    })
    .await
}

/// Lets go of ids that are not worked on because their source is paused: each waits until that is
/// [over](operate::pause::unpark). Returns how many the holder still had.
pub async fn park(
    db: &DatabaseConnection,
    holder: Holder,
    ids: &[(Uuid, SourceName)],
) -> Result<u64, DbErr> {
    let mut of_source: BTreeMap<&SourceName, Vec<Uuid>> = BTreeMap::new();
    for (id, source) in ids {
        of_source.entry(source).or_default().push(*id);
    }
    let theirs = format!(
        "{} AND {}",
        sql::is_one_of_the_ids(db, "id"),
        sql::is_held(db)
    );
    let now = sql::now_millis(db);
    let insert = format!("INSERT INTO retries (id, due_at, set_at, crashes, waits, {CARRIED})");
    let row = format!("SELECT id, $3, {now}, crashes, true, {CARRIED}");
    let park = moved(db, "outbox", &theirs, &insert, &row);
    let mut parked = 0;
    for (source, ids) in of_source {
        parked += retrying(|| {
            let key = operate::pause::key(source);
            let values = [sql::ids(db, &ids), holder.id().into(), key.into()];
            count_of(db, sql::statement(db, park.as_str(), values))
        })
        .await?;
    }
    Ok(parked)
}

/// The statement that moves rows from a table to the one that `insert` names, and returns how many that is.
fn moved(db: &DatabaseConnection, from: &str, these: &str, insert: &str, row: &str) -> String {
    match db.get_database_backend() {
        DbBackend::Postgres => format!(
            "WITH mine AS (DELETE FROM {from} WHERE {these} RETURNING *), \
             moved AS ({insert} {row} FROM mine RETURNING id) \
             SELECT count(*) FROM moved"
        ),
        _ => format!(
            "BEGIN IMMEDIATE; {insert} {row} FROM {from} WHERE {these}; SELECT changes(); \
             DELETE FROM {from} WHERE {these}; COMMIT"
        ),
    }
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
    let deaths = deaths();
    let hold = format!(
        "UPDATE outbox SET holder = $2, due_at = {} + $3, crashes = {deaths} \
         WHERE {} AND {deaths} <= $4 AND {} AND {}",
        sql::now_millis(db),
        is_ready(db),
        lease::is_alive("$2"),
        is_free(),
    );
    retrying(|| {
        let values = terms(db, consumer, ids, crashes_max, again_in);
        execute(db, sql::statement(db, hold.as_str(), values))
    })
    .await
}

/// How many consumers have died with the entry in flight, as an SQL expression: the one that holds it, too, if it has been
/// marked dead and nobody has made due yet what it held.
fn deaths() -> String {
    let deaths = lease::DEATHS;
    format!("CASE WHEN holder IS NULL OR holder = $2 THEN crashes ELSE {deaths} END")
}

/// Which of them are the holder's.
async fn held(db: &DatabaseConnection, holder: Holder, ids: &[Uuid]) -> Result<Vec<Uuid>, DbErr> {
    let ready = is_ready(db);
    let held = match holder {
        Holder::Sole => format!("SELECT id FROM outbox WHERE {ready}"),
        Holder::Consumer(_) => format!(
            "SELECT id FROM outbox WHERE {ready} AND holder = $2 AND {}",
            lease::is_alive("$2")
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
    let deaths = deaths();
    let put_off = format!(
        "UPDATE outbox SET due_at = {} + $3 \
         WHERE {} AND {deaths} > $4 AND {} RETURNING id, {deaths}",
        sql::now_millis(db),
        is_ready(db),
        is_free(),
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
