//! `keys`, the judge of what is a duplicate and what a conflict, on PostgreSQL: the table, and a trigger that fills it for
//! the version before, which still serves. What is there already follows in the next migration, and the switch in the one after
//! it: each is a transaction of its own, so that no webhook waits for a million rows.
//!
//! SQLite belongs to one process: there the third does it all.

use sea_orm_migration::{
    prelude::*,
    sea_orm::{DbBackend, Statement},
};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// What is compared of two webhooks of one id: 16 bytes of the SHA-256 of type (which the built-in source has not), accounts,
/// amount with four digits after its point, and currency.
pub(crate) const FINGERPRINT: &str = r"encode(substring(sha256(convert_to(concat_ws(E'\x1f', '', ROW.source_account, ROW.destination_account, ROW.amount::text, ROW.currency), 'UTF8')) FROM 1 FOR 16), 'hex')::uuid";

/// Where the first partition will end: with the month after this one, or after that of the newest id, if that is later. An id
/// begins with its milliseconds since 1970.
const BOUND: &str = "WITH newest AS (SELECT id FROM transactions ORDER BY id DESC LIMIT 1), \
     times (at) AS (SELECT now() UNION ALL SELECT to_timestamp( \
       ('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0) FROM newest), \
     bound (at) AS (SELECT date_trunc('month', max(at) AT TIME ZONE 'UTC') + interval '2 months' FROM times), \
     digits (hex) AS (SELECT lpad(to_hex(extract(epoch FROM at AT TIME ZONE 'UTC')::bigint * 1000), 12, '0') FROM bound) \
     SELECT left(hex, 8) || '-' || right(hex, 4) || '-0000-0000-000000000000' FROM digits";

const DOWN: &str = "DROP TRIGGER keys_of_former ON transactions; DROP FUNCTION hookline_keys_of_former(); \
     ALTER TABLE transactions DROP CONSTRAINT transactions_first, DROP CONSTRAINT transactions_built_in, \
       DROP COLUMN extra, DROP COLUMN type, DROP COLUMN source; \
     DROP TABLE keys;";

/// What the version before needs to serve on: a trigger that makes keys of what it receives, and no row beyond the first
/// partition's end. A constraint that is not valid yet holds for what is new, and costs no look at what is there.
const FORMER: &str = r"ALTER TABLE transactions ADD CONSTRAINT transactions_first CHECK (id < 'BOUND') NOT VALID;
     CREATE OR REPLACE FUNCTION hookline_keys_of_former() RETURNS trigger LANGUAGE plpgsql
       SECURITY DEFINER SET search_path FROM CURRENT AS $$ BEGIN
       INSERT INTO keys (source, transaction_id, id, fingerprint)
         VALUES ('transactions', NEW.transaction_id, NEW.id, FINGERPRINT)
         ON CONFLICT (source, transaction_id) DO NOTHING;
       RETURN NULL;
     END $$;
     CREATE TRIGGER keys_of_former AFTER INSERT ON transactions
       FOR EACH ROW EXECUTE FUNCTION hookline_keys_of_former();";

/// Keys are insert-only, hence filled to the brim.
const UP: &str = r#"CREATE TABLE keys (
       source varchar(63) COLLATE "C" NOT NULL,
       transaction_id varchar(255) COLLATE "C" NOT NULL,
       id uuid NOT NULL,
       fingerprint uuid NOT NULL,
       PRIMARY KEY (source, transaction_id)
     ) WITH (fillfactor = 100, autovacuum_vacuum_insert_scale_factor = 0,
             autovacuum_vacuum_insert_threshold = 1000000);
     ALTER TABLE transactions
       ADD COLUMN source varchar(63) COLLATE "C" NOT NULL DEFAULT 'transactions',
       ADD COLUMN type varchar(255),
       ADD COLUMN extra text,
       ADD CONSTRAINT transactions_built_in CHECK (source <> 'transactions' OR (source_account IS NOT NULL
         AND destination_account IS NOT NULL AND amount IS NOT NULL AND currency IS NOT NULL)) NOT VALID;"#;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == DbBackend::Postgres {
            manager.get_connection().execute_unprepared(UP).await?;
            let_former_serve(manager.get_connection()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == DbBackend::Postgres {
            manager.get_connection().execute_unprepared(DOWN).await?;
        }
        Ok(())
    }
}

pub(crate) async fn let_former_serve(db: &SchemaManagerConnection<'_>) -> Result<(), DbErr> {
    let bound = Statement::from_string(DbBackend::Postgres, BOUND);
    let bound: String = match db.query_one_raw(bound).await? {
        Some(row) => row.try_get_by_index(0)?,
        None => return Err(DbErr::RecordNotFound("a month".into())),
    };
    let fingerprint = FINGERPRINT.replace("ROW", "NEW");
    let former = FORMER
        .replace("BOUND", &bound)
        .replace("FINGERPRINT", &fingerprint);
    db.execute_unprepared(&former).await?;
    Ok(())
}
