//! What the database notes of what must never happen.

/// Notes every write to a row that was final already, every content that changes, and every row that goes; of keys and bytes
/// every change. That a failed one is reopened is noted apart: an operator may do that. So is the end of what has an id below BOUND,
/// whose row may be gone by the time of the check: months go without a word.
pub(super) const POSTGRES: &str = "
    CREATE TABLE chaos_rewrites (what text NOT NULL);
    CREATE TABLE chaos_reopened (id uuid NOT NULL);
    CREATE TABLE chaos_ended (place bigserial PRIMARY KEY, id uuid NOT NULL, status text NOT NULL);
    CREATE FUNCTION chaos_end() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO public.chaos_ended (id, status) VALUES (NEW.id, NEW.status);
            RETURN NULL;
        END
    $$;
    CREATE TRIGGER chaos_end AFTER UPDATE ON transactions FOR EACH ROW
        WHEN (NEW.id < BOUND AND OLD.status = 'PROCESSING' AND NEW.status <> 'PROCESSING') EXECUTE FUNCTION chaos_end();
    CREATE FUNCTION chaos_reopen() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO public.chaos_reopened VALUES (NEW.id);
            RETURN NULL;
        END
    $$;
    CREATE TRIGGER chaos_reopen AFTER UPDATE ON transactions FOR EACH ROW
        WHEN (OLD.status = 'FAILED' AND NEW.status = 'PROCESSING') EXECUTE FUNCTION chaos_reopen();
    CREATE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO public.chaos_rewrites VALUES (concat(TG_OP, ' ', OLD, ' ', NEW));
            RETURN NULL;
        END
    $$;
    CREATE TRIGGER chaos_update AFTER UPDATE ON transactions FOR EACH ROW
        WHEN (OLD.status = 'PROCESSED' OR (OLD.status = 'FAILED' AND NEW.status <> 'PROCESSING')
            OR (OLD.id, OLD.source, OLD.transaction_id, OLD.type, OLD.source_account, OLD.destination_account, OLD.amount,
                OLD.currency, OLD.extra, OLD.created_at)
            IS DISTINCT FROM
               (NEW.id, NEW.source, NEW.transaction_id, NEW.type, NEW.source_account, NEW.destination_account, NEW.amount,
                NEW.currency, NEW.extra, NEW.created_at))
        EXECUTE FUNCTION chaos_note();
    CREATE TRIGGER chaos_delete AFTER DELETE ON transactions FOR EACH ROW EXECUTE FUNCTION chaos_note();
    CREATE TRIGGER chaos_keys AFTER UPDATE OR DELETE ON keys FOR EACH ROW EXECUTE FUNCTION chaos_note();
    CREATE TRIGGER chaos_payloads AFTER UPDATE OR DELETE ON payloads FOR EACH ROW EXECUTE FUNCTION chaos_note();";

/// The same on SQLite, where retention deletes rows: those below BOUND may go, once they are final.
pub(super) const SQLITE: &str = "
    CREATE TABLE chaos_rewrites (what text NOT NULL);
    CREATE TABLE chaos_reopened (id uuid_text NOT NULL);
    CREATE TABLE chaos_ended (place integer PRIMARY KEY, id uuid_text NOT NULL, status text NOT NULL);
    CREATE TRIGGER chaos_end AFTER UPDATE ON transactions FOR EACH ROW
        WHEN NEW.id < BOUND AND OLD.status = 'PROCESSING' AND NEW.status <> 'PROCESSING'
        BEGIN INSERT INTO chaos_ended (id, status) VALUES (NEW.id, NEW.status); END;
    CREATE TRIGGER chaos_reopen AFTER UPDATE ON transactions FOR EACH ROW
        WHEN OLD.status = 'FAILED' AND NEW.status = 'PROCESSING'
        BEGIN INSERT INTO chaos_reopened VALUES (NEW.id); END;
    CREATE TRIGGER chaos_update AFTER UPDATE ON transactions FOR EACH ROW
        WHEN OLD.status = 'PROCESSED' OR (OLD.status = 'FAILED' AND NEW.status <> 'PROCESSING')
            OR (OLD.id, OLD.source, OLD.transaction_id, OLD.type, OLD.source_account, OLD.destination_account, OLD.amount,
                OLD.currency, OLD.extra, OLD.created_at)
            IS NOT
               (NEW.id, NEW.source, NEW.transaction_id, NEW.type, NEW.source_account, NEW.destination_account, NEW.amount,
                NEW.currency, NEW.extra, NEW.created_at)
        BEGIN INSERT INTO chaos_rewrites VALUES ('UPDATE ' || OLD.transaction_id || ' ' || OLD.status); END;
    CREATE TRIGGER chaos_delete AFTER DELETE ON transactions FOR EACH ROW
        WHEN OLD.id >= BOUND OR OLD.status = 'PROCESSING'
        BEGIN INSERT INTO chaos_rewrites VALUES ('DELETE ' || OLD.transaction_id || ' ' || OLD.status); END;
    CREATE TRIGGER chaos_keys_update AFTER UPDATE ON keys BEGIN INSERT INTO chaos_rewrites VALUES ('a key'); END;
    CREATE TRIGGER chaos_keys_delete AFTER DELETE ON keys BEGIN INSERT INTO chaos_rewrites VALUES ('a key'); END;
    CREATE TRIGGER chaos_payloads_update AFTER UPDATE ON payloads BEGIN INSERT INTO chaos_rewrites VALUES ('bytes'); END;
    CREATE TRIGGER chaos_payloads_delete AFTER DELETE ON payloads WHEN OLD.id >= BOUND
        BEGIN INSERT INTO chaos_rewrites VALUES ('bytes'); END;";
