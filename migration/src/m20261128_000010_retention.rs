//! What retention needs: on PostgreSQL functions that take a month away as its owner, and an index that finds old conflicts.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = "CREATE INDEX conflicts_received_at ON conflicts (received_at)";

const DOWN: &str = "DROP INDEX conflicts_received_at";

/// Takes a month away from its table, unless work in it is unfinished, or it has not ended an hour ago. Says what came of it.
///
/// Whoever may DELETE from the table may do this, and need not own it. It waits briefly for whoever uses the table, for all
/// others wait behind it; once it has the table nobody uses the month through it, and it does not wait for whoever uses the month
/// by its own name (VACUUM, say). Whatever could make new work of what is in the month has ended then, so what it sees in
/// `outbox` and `retries` is all there is.
///
/// The month gets another name, so that one that is made anew does not meet it, and it can be found.
const DETACH: &str = r"CREATE OR REPLACE FUNCTION hookline_detach_partition(part text) RETURNS text
     LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '100ms' AS $$
     DECLARE
       parent text;
       name text;
       bounds text;
       first uuid;
       bound uuid;
     BEGIN
       SELECT inhparent::regclass::text, relname, pg_get_expr(relpartbound, pg_class.oid) INTO parent, name, bounds
         FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
         WHERE inhrelid = to_regclass(part) AND inhparent IN ('transactions'::regclass, 'payloads'::regclass);
       IF NOT FOUND THEN
         RETURN 'gone';
       END IF;
       IF NOT has_table_privilege(session_user, parent, 'DELETE') THEN
         RAISE insufficient_privilege USING MESSAGE = format('permission denied: %s may not DELETE FROM %s', session_user, parent);
       END IF;
       first := coalesce(substring(bounds FROM 'FROM \(''([0-9a-f-]{36})''\)'), '00000000-0000-0000-0000-000000000000')::uuid;
       bound := substring(bounds FROM 'TO \(''([0-9a-f-]{36})''\)')::uuid;
       IF bound IS NULL OR to_timestamp(('x' || left(replace(bound::text, '-', ''), 12))::bit(48)::bigint / 1000)
           > now() - interval '1 hour' THEN
         RETURN 'not over';
       END IF;
       PERFORM pg_advisory_xact_lock(7524415990113986149);
       EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', parent);
       EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE NOWAIT', part::regclass);
       IF EXISTS (SELECT FROM outbox WHERE id >= first AND id < bound)
           OR EXISTS (SELECT FROM retries WHERE id >= first AND id < bound) THEN
         RETURN 'unfinished';
       END IF;
       EXECUTE format('ALTER TABLE %s DETACH PARTITION %s', parent, part::regclass);
       EXECUTE format('ALTER TABLE %s RENAME TO %I', part::regclass, 'detached_' || name);
       RETURN 'detached';
     END $$";

/// Drops one month that was taken away, and returns its name; null if there is none. Nobody but a backup uses it any more, and to
/// give back its space may take a while.
const DROP: &str = r"CREATE OR REPLACE FUNCTION hookline_drop_detached() RETURNS text
     LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '100ms' AS $$
     DECLARE
       detached record;
     BEGIN
       SELECT relname::text AS name, CASE WHEN relname LIKE 'detached\_payloads%' THEN 'payloads' ELSE 'transactions' END AS former
         INTO detached FROM pg_class
         WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND NOT relispartition
           AND relowner = current_user::regrole AND relname ~ '^detached_(transactions|payloads)_'
         ORDER BY relname LIMIT 1;
       IF NOT FOUND THEN
         RETURN NULL;
       END IF;
       IF NOT has_table_privilege(session_user, detached.former, 'DELETE') THEN
         RAISE insufficient_privilege USING
           MESSAGE = format('permission denied: %s may not DELETE FROM %s', session_user, detached.former);
       END IF;
       EXECUTE format('DROP TABLE %I', detached.name);
       RETURN detached.name;
     END $$";

const DROP_FUNCTIONS: &str =
    "DROP FUNCTION hookline_detach_partition(text); DROP FUNCTION hookline_drop_detached();";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        db.execute_unprepared(UP).await?;
        if manager.get_database_backend() == DbBackend::Postgres {
            db.execute_unprepared(DETACH).await?;
            db.execute_unprepared(DROP).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        if manager.get_database_backend() == DbBackend::Postgres {
            db.execute_unprepared(DROP_FUNCTIONS).await?;
        }
        db.execute_unprepared(DOWN).await?;
        Ok(())
    }
}
