//! The change on PostgreSQL: short, for it locks the table.

use sea_orm_migration::{
    prelude::*,
    sea_orm::{DbBackend, Statement},
};

use crate::m20261128_000006_keys::let_former_serve;

/// Where the first partition ends, and the month with which the next begins, as it stands in names.
const FIRST: &str = r"SELECT bound, to_char(to_timestamp(('x' || left(replace(bound, '-', ''), 12))::bit(48)::bigint / 1000)
         AT TIME ZONE 'UTC', 'YYYY_MM')
     FROM (SELECT substring(pg_get_constraintdef(oid) FROM '[0-9a-f]{8}-[0-9a-f-]{27}') AS bound FROM pg_constraint
         WHERE conname = 'transactions_first' AND conrelid = 'transactions'::regclass) AS first";

/// A row's final update stays on its page if there is room, and touches no index: half of each page stays free.
const SWITCH: &str = r#"LOCK TABLE transactions IN ACCESS EXCLUSIVE MODE;
     DROP TRIGGER keys_of_former ON transactions;
     DROP FUNCTION hookline_keys_of_former();
     ALTER TABLE transactions
       DROP CONSTRAINT transactions_transaction_id_key,
       ALTER COLUMN source_account DROP NOT NULL,
       ALTER COLUMN destination_account DROP NOT NULL,
       ALTER COLUMN amount DROP NOT NULL,
       ALTER COLUMN currency DROP NOT NULL;
     ALTER TABLE transactions RENAME TO transactions_before_NEXT;
     ALTER INDEX transactions_pkey RENAME TO transactions_before_NEXT_pkey;
     CREATE TABLE transactions (LIKE transactions_before_NEXT INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
       PARTITION BY RANGE (id);
     ALTER TABLE transactions DROP CONSTRAINT transactions_first, ADD CONSTRAINT transactions_pkey PRIMARY KEY (id);
     ALTER TABLE transactions ATTACH PARTITION transactions_before_NEXT FOR VALUES FROM (MINVALUE) TO ('BOUND');
     ALTER TABLE transactions_before_NEXT DROP CONSTRAINT transactions_first;
     CREATE TABLE payloads (
       id uuid PRIMARY KEY, content_type text, headers text, body bytea NOT NULL, sent_at timestamptz
     ) PARTITION BY RANGE (id);
     CREATE TABLE payloads_before_NEXT PARTITION OF payloads FOR VALUES FROM (MINVALUE) TO ('BOUND');

     ALTER TABLE conflicts
       ADD COLUMN source varchar(63) COLLATE "C" NOT NULL DEFAULT 'transactions',
       ADD COLUMN type varchar(255),
       ADD COLUMN extra text,
       ADD COLUMN body bytea,
       ALTER COLUMN source_account DROP NOT NULL,
       ALTER COLUMN destination_account DROP NOT NULL,
       ALTER COLUMN amount DROP NOT NULL,
       ALTER COLUMN currency DROP NOT NULL;

     CREATE TABLE refusals (
       id uuid PRIMARY KEY,
       source varchar(63) COLLATE "C" NOT NULL,
       reason varchar(20) NOT NULL,
       skew_s bigint,
       size bigint NOT NULL,
       hash bytea NOT NULL,
       refused_at timestamptz NOT NULL DEFAULT now()
     );
     ALTER TABLE write_probe RENAME TO probe;"#;

/// Makes the partitions of a month, if they are not there. Made apart and attached, so that nobody waits for a lock on the whole
/// table; as the owner, so that whoever may write to the tables need not own them. A month that the first partition covers,
/// or one that somebody has made otherwise, has all it needs.
const MAKE_PARTITIONS: &str = r"CREATE OR REPLACE FUNCTION hookline_make_partitions(at timestamptz) RETURNS boolean
     LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '300ms' AS $$
     DECLARE
       month timestamp := date_trunc('month', at AT TIME ZONE 'UTC');
       bounds text[];
       parent text;
       part text;
       made boolean := false;
     BEGIN
       SELECT array_agg(left(hex, 8) || '-' || right(hex, 4) || '-0000-0000-000000000000') INTO bounds
         FROM (SELECT lpad(to_hex(extract(epoch FROM edge AT TIME ZONE 'UTC')::bigint * 1000), 12, '0') AS hex
               FROM unnest(ARRAY[month, month + interval '1 month']) WITH ORDINALITY AS edges (edge, place)
               ORDER BY place) AS edges;
       PERFORM pg_advisory_xact_lock(7524415990113986149);
       FOREACH parent IN ARRAY ARRAY['transactions', 'payloads'] LOOP
         part := parent || to_char(month, '_YYYY_MM');
         CONTINUE WHEN to_regclass(part) IS NOT NULL;
         BEGIN
           EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES) WITH (fillfactor = %s)',
             part, parent, CASE parent WHEN 'transactions' THEN 50 ELSE 100 END);
           EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, part, bounds[1], bounds[2]);
           made := true;
         EXCEPTION WHEN invalid_object_definition THEN
           NULL;
         END;
       END LOOP;
       RETURN made;
     END $$";

/// The rows move back into one table, which takes its time.
const BACK: &str = r#"LOCK TABLE transactions IN ACCESS EXCLUSIVE MODE;
     ALTER TABLE probe RENAME TO write_probe;
     DROP TABLE refusals;
     DROP TABLE payloads;
     ALTER TABLE conflicts DROP COLUMN body, DROP COLUMN extra, DROP COLUMN type, DROP COLUMN source,
       ALTER COLUMN source_account SET NOT NULL, ALTER COLUMN destination_account SET NOT NULL,
       ALTER COLUMN amount SET NOT NULL, ALTER COLUMN currency SET NOT NULL;
     DROP FUNCTION hookline_make_partitions(timestamptz);
     ALTER TABLE transactions RENAME TO partitioned;
     ALTER INDEX transactions_pkey RENAME TO partitioned_pkey;
     CREATE TABLE transactions (LIKE partitioned INCLUDING DEFAULTS INCLUDING CONSTRAINTS) WITH (fillfactor = 50);
     INSERT INTO transactions SELECT * FROM partitioned;
     ALTER TABLE transactions
       ADD CONSTRAINT transactions_pkey PRIMARY KEY (id),
       ADD CONSTRAINT transactions_transaction_id_key UNIQUE (transaction_id),
       ALTER COLUMN source_account SET NOT NULL, ALTER COLUMN destination_account SET NOT NULL,
       ALTER COLUMN amount SET NOT NULL, ALTER COLUMN currency SET NOT NULL;"#;

/// Who may do what with a table may do the same with the one that takes its place.
const GRANT: &str = "DO $$ DECLARE given record; BEGIN
       FOR given IN SELECT grantee, privilege_type FROM pg_class, aclexplode(relacl)
         WHERE pg_class.oid = 'FORMER'::regclass AND grantee <> relowner LOOP
         EXECUTE format('GRANT %s ON transactions TO %s', given.privilege_type,
           CASE given.grantee WHEN 0 THEN 'PUBLIC' ELSE given.grantee::regrole::text END);
       END LOOP;
     END $$";

pub(super) async fn up(db: &SchemaManagerConnection<'_>) -> Result<(), DbErr> {
    let first = Statement::from_string(DbBackend::Postgres, FIRST);
    let (bound, next): (String, String) = match db.query_one_raw(first).await? {
        Some(row) => (row.try_get_by_index(0)?, row.try_get_by_index(1)?),
        None => return Err(DbErr::RecordNotFound("the first partition's bound".into())),
    };
    let switch = SWITCH.replace("BOUND", &bound).replace("NEXT", &next);
    db.execute_unprepared(&switch).await?;
    let first = format!("transactions_before_{next}");
    db.execute_unprepared(&GRANT.replace("FORMER", &first))
        .await?;
    db.execute_unprepared(MAKE_PARTITIONS).await?;
    Ok(())
}

pub(super) async fn down(db: &SchemaManagerConnection<'_>) -> Result<(), DbErr> {
    db.execute_unprepared(BACK).await?;
    db.execute_unprepared(&GRANT.replace("FORMER", "partitioned"))
        .await?;
    db.execute_unprepared("DROP TABLE partitioned").await?;
    let_former_serve(db).await?;
    Ok(())
}
