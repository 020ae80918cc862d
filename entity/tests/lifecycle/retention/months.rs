//! PostgreSQL's months, and whoever uses them meanwhile.

use partitions::{Month, Taken};
use sea_orm::TransactionTrait as _;
use testbed::postgres::{create_database, drop_database};

use super::*;

async fn database() -> (String, DatabaseConnection) {
    let server = testbed::given::postgres().unwrap();
    let url = create_database(&server).await.unwrap();
    let db = open(&url).await;
    with_months(&db).await;
    (url, db)
}

async fn leave(url: String, db: DatabaseConnection) {
    db.close().await.unwrap();
    drop_database(&url).await.unwrap();
}

/// A month with one finished transaction in it.
async fn one_old(db: &DatabaseConnection) -> (Uuid, Month) {
    let id = receive_at(db, OLD, 1, webhook("old")).await;
    end(db, id, Transition::Processed).await;
    let months = partitions::months(db, Table::Transactions, before(LIMIT)).await;
    let [month] = months.unwrap().try_into().unwrap();
    (id, month)
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn the_space_of_a_month_is_given_back() {
    let (url, db) = database().await;
    let rows = 20_000;
    let fill = format!(
        "SELECT hookline_make_partitions('{OLD}'); \
         INSERT INTO payloads (id, body) SELECT id, repeat('x', 500)::bytea FROM ( \
           SELECT (left(h, 8) || '-' || right(h, 4) || '-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS id \
           FROM (SELECT n, lpad(to_hex(1705314600000 + n), 12, '0') AS h FROM generate_series(1, {rows}) AS n) AS hexes) AS ids"
    );
    run(&db, &fill).await;
    let size =
        "SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_partition_tree('payloads')";
    let full = number(&db, size).await;
    assert!(full > 10_000_000, "{full} bytes");
    let [month] = partitions::months(&db, Table::Payloads, before(LIMIT))
        .await
        .unwrap()
        .try_into()
        .unwrap();
    assert_eq!(month.name, "payloads_2024_01");
    assert!(month.bytes > 10_000_000, "{month:?}");
    let all = "SELECT pg_database_size(current_database())";
    let before_that = number(&db, all).await;
    assert_eq!(forget(&db, Table::Payloads, before(LIMIT)).await, 1);
    assert_eq!(number(&db, size).await, 0);
    let freed = before_that - number(&db, all).await;
    assert!(freed > 10_000_000, "{freed} bytes are free");
    leave(url, db).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn a_month_that_comes_again_goes_again() {
    let (url, db) = database().await;
    for number in 1..=2 {
        let id = receive_at(&db, OLD, number, webhook(&format!("t{number}"))).await;
        end(&db, id, Transition::Processed).await;
        assert_eq!(forget(&db, Table::Transactions, before(LIMIT)).await, 1);
    }
    let left = "SELECT count(*) FROM pg_class WHERE relname LIKE 'detached%'";
    assert_eq!(number(&db, left).await, 0);
    leave(url, db).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn a_month_is_left_alone_before_it_is_over_even_if_somebody_asks_for_it() {
    let (url, db) = database().await;
    receive_one(&db, &received(webhook("now"))).await;
    run(&db, "DELETE FROM outbox").await;
    let name =
        "SELECT relid::regclass::text AS name FROM pg_partition_tree('transactions') WHERE isleaf";
    let name = Statement::from_string(DbBackend::Postgres, name);
    let row = db.query_one_raw(name).await.unwrap().unwrap();
    let month = Month {
        name: row.try_get_by("name").unwrap(),
        bound: Uuid::nil(),
        rows: 0,
        bytes: 0,
        unfinished: false,
    };
    assert_eq!(
        partitions::detach(&db, &month).await.unwrap(),
        Taken::NotOver
    );
    for name in ["keys", "pg_class", "no_such_table", "transactions"] {
        let other = Month {
            name: name.into(),
            ..month.clone()
        };
        assert_eq!(
            partitions::detach(&db, &other).await.unwrap(),
            Taken::Gone,
            "{name}"
        );
    }
    let no_name = Month {
        name: "transactions; DROP TABLE keys".into(),
        ..month
    };
    partitions::detach(&db, &no_name).await.unwrap_err();
    assert_eq!(number(&db, "SELECT count(*) FROM keys").await, 1);
    leave(url, db).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn whoever_uses_a_table_is_waited_for_briefly_and_webhooks_go_on() {
    let (url, db) = database().await;
    let (_, month) = one_old(&db).await;
    let reader = db.begin().await.unwrap();
    reader
        .execute_unprepared("SELECT count(*) FROM transactions")
        .await
        .unwrap();
    let began = std::time::Instant::now();
    let new = received(webhook("new"));
    let (taken, receipt) = tokio::join!(partitions::detach(&db, &month), receive_one(&db, &new),);
    assert_eq!(taken.unwrap(), Taken::Busy);
    assert_eq!(receipt, Receipt::New);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    reader.commit().await.unwrap();
    // Such as VACUUM takes of the month itself: it is not waited for at all.
    let vacuum = db.begin().await.unwrap();
    let lock = format!("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE", month.name);
    vacuum.execute_unprepared(&lock).await.unwrap();
    assert_eq!(partitions::detach(&db, &month).await.unwrap(), Taken::Busy);
    vacuum.commit().await.unwrap();
    assert_eq!(
        partitions::detach(&db, &month).await.unwrap(),
        Taken::Detached
    );
    assert_eq!(partitions::detach(&db, &month).await.unwrap(), Taken::Gone);
    leave(url, db).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn work_that_is_made_while_a_month_is_asked_for_keeps_it() {
    let (url, db) = database().await;
    let (id, month) = one_old(&db).await;
    assert!(!month.unfinished);
    // As an operator's replay does: reads the row, and makes an entry for it.
    let replay = db.begin().await.unwrap();
    let entry = format!(
        "INSERT INTO retries (id, due_at, set_at, waits, replay) \
         SELECT id, 0, 0, TRUE, TRUE FROM transactions WHERE id = '{id}' AND status = 'PROCESSED'"
    );
    replay.execute_unprepared(&entry).await.unwrap();
    assert_eq!(partitions::detach(&db, &month).await.unwrap(), Taken::Busy);
    replay.commit().await.unwrap();
    assert_eq!(
        partitions::detach(&db, &month).await.unwrap(),
        Taken::Unfinished
    );
    let months = partitions::months(&db, Table::Transactions, before(LIMIT))
        .await
        .unwrap();
    assert!(months[0].unfinished);
    leave(url, db).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn whoever_may_delete_need_not_own_the_tables() {
    let (url, db) = database().await;
    let (_, month) = one_old(&db).await;
    let role = format!("hookline_test_{}", Uuid::now_v7().simple());
    run(&db, &format!("CREATE ROLE {role} LOGIN")).await;
    run(
        &db,
        &format!("GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO {role}"),
    )
    .await;
    let (scheme, rest) = url.split_once("://").unwrap();
    let (_, host) = rest.split_once('@').unwrap();
    let other = Database::connect(format!("{scheme}://{role}@{host}")).await;
    let other = other.unwrap();
    let refused = partitions::detach(&other, &month).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("may not DELETE FROM transactions"),
        "{refused}"
    );
    run(&db, &format!("GRANT DELETE ON transactions TO {role}")).await;
    assert_eq!(
        partitions::detach(&other, &month).await.unwrap(),
        Taken::Detached
    );
    run(&db, &format!("REVOKE DELETE ON transactions FROM {role}")).await;
    partitions::drop_detached(&other).await.unwrap_err();
    run(&db, &format!("GRANT DELETE ON transactions TO {role}")).await;
    let dropped = partitions::drop_detached(&other).await.unwrap();
    assert_eq!(dropped.as_deref(), Some("detached_transactions_2024_01"));
    assert_eq!(partitions::drop_detached(&other).await.unwrap(), None);
    other.close().await.unwrap();
    run(&db, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    leave(url, db).await;
}
