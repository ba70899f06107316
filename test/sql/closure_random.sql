--
-- Closures: random statements, each compared with the oracle
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set ECHO none
\i :abs_srcdir/sql/include/closure_oracle.sql
\set ECHO all
CREATE SCHEMA closure_random;
SET search_path = closure_random, public;
SET statement_timeout = '300s';

-- Runs so many random statements on a tree of the given kind.  Every third one
-- is a statement of the client's own as far as catreg can tell; says 'ok', or
-- which was the first after which the closure was wrong.
CREATE PROCEDURE run(seed float8, n int, type text, tree_key text, closure_key text, INOUT result text)
    LANGUAGE plpgsql AS
$$
DECLARE
    what text;
    sql text;
    ids text;
    done int := 0;
    refused int := 0;
    kinds text[];
BEGIN
    PERFORM setseed(seed);
    EXECUTE format('CREATE TABLE t (id %s PRIMARY KEY, parent %1$s %s)', type, tree_key);
    EXECUTE format('CREATE TABLE c (ancestor %1$s %2$s, descendant %1$s %2$s, depth int, PRIMARY KEY (ancestor, descendant))', type, closure_key);
    IF seed > 0.5 THEN
        CREATE INDEX ON t (parent);
        CREATE INDEX ON c (descendant);
    END IF;
    PERFORM catreg.create_closure('t', 'c');
    FOR i IN 1..n LOOP
        kinds := '{}';
        BEGIN
            FOR step IN 1..1 + (random() < 0.2)::int * floor(random() * 3)::int LOOP
                -- new nodes, in any order, below old and new ones, and now and then below none that is there
                WITH new AS (SELECT id, row_number() OVER (ORDER BY random()) AS r
                             FROM (SELECT DISTINCT 1 + floor(random() * 120)::int AS id FROM generate_series(1, 1 + floor(random() * 12)::int)) d),
                chosen AS (SELECT n.id, CASE
                                  WHEN random() < 0.1 THEN NULL
                                  WHEN random() < 0.4 THEN (SELECT p.id FROM new p WHERE p.r < n.r ORDER BY random() LIMIT 1)
                                  WHEN random() < 0.05 THEN 1 + floor(random() * 130)::int
                                  ELSE (SELECT t.id FROM t WHERE n.r > 0 ORDER BY random() LIMIT 1) END AS parent
                           FROM new n)
                SELECT string_agg(format('(%s, %s)', id, coalesce(parent::text, 'NULL::int')), ', ' ORDER BY random()) INTO ids FROM chosen;
                what := (ARRAY['insert', 'insert', 'insert or nothing', 'upsert', 'move', 'move', 'delete', 'merge', 'cte', 'renumber'])[1 + floor(random() * 10)::int];
                sql := CASE what
                    WHEN 'insert' THEN format('INSERT INTO t SELECT v.id, v.parent FROM (VALUES %s) v (id, parent) WHERE NOT EXISTS (SELECT FROM t WHERE t.id = v.id)', ids)
                    WHEN 'insert or nothing' THEN format('INSERT INTO t VALUES %s ON CONFLICT DO NOTHING', ids)
                    WHEN 'upsert' THEN format('INSERT INTO t VALUES %s ON CONFLICT (id) DO UPDATE SET parent = excluded.parent', ids)
                    WHEN 'move' THEN format('UPDATE t SET parent = v.parent FROM (VALUES %s) v (id, parent) WHERE v.id = t.id', ids)
                    WHEN 'delete' THEN format('DELETE FROM t USING (VALUES %s) v (id, parent) WHERE v.id = t.id AND v.id %% 3 = 0', ids)
                    WHEN 'merge' THEN format('MERGE INTO t USING (VALUES %s) v (id, parent) ON t.id = v.id '
                                             'WHEN MATCHED AND t.id %% 4 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET parent = v.parent '
                                             'WHEN NOT MATCHED THEN INSERT (id, parent) VALUES (v.id, v.parent)', ids)
                    WHEN 'cte' THEN format('WITH v (id, parent) AS (VALUES %s), d AS (DELETE FROM t USING v WHERE t.id = v.id AND v.id %% 5 = 0), '
                                           'u AS (UPDATE t SET parent = v.parent FROM v WHERE t.id = v.id AND v.id %% 5 <> 0) '
                                           'INSERT INTO t SELECT v.id, v.parent FROM v WHERE NOT EXISTS (SELECT FROM t WHERE t.id = v.id)', ids)
                    WHEN 'renumber' THEN format('UPDATE t SET id = v.id + 200 FROM (VALUES %s) v (id, parent) WHERE t.id = v.id AND v.id %% 2 = 0 '
                                                'AND NOT EXISTS (SELECT FROM t o WHERE o.id = v.id + 200)', ids)
                    END;
                kinds := kinds || sql;
                EXECUTE sql;
            END LOOP;
            SET CONSTRAINTS ALL IMMEDIATE;
            SET CONSTRAINTS ALL DEFERRED;
            IF random() < 0.1 THEN
                RAISE EXCEPTION 'changed my mind' USING ERRCODE = 'ZZ000';
            END IF;
            done := done + 1;
        EXCEPTION
            WHEN check_violation OR foreign_key_violation OR SQLSTATE 'ZZ000' THEN
                refused := refused + 1;
        END;
        IF closure_is('t') LIKE 'WRONG%' THEN
            result := format('statement %s: %s: %s', i, closure_is('t'), kinds);
            RETURN;
        END IF;
        IF random() < 0.02 THEN
            TRUNCATE t, c;
        END IF;
        IF i % 3 = 0 THEN
            COMMIT;
        END IF;
    END LOOP;
    -- a test that mostly refuses, or never does, tests little
    result := CASE WHEN done > n / 3 AND refused > n / 50 THEN 'ok' ELSE format('%s done, %s refused', done, refused) END;
    DROP TABLE t CASCADE;
    DROP TABLE c;
END
$$;
SET client_min_messages = warning;
SET jit = off;
CALL run(0.1, 300, 'int', 'REFERENCES t ON DELETE CASCADE', 'REFERENCES t ON DELETE CASCADE', NULL);
CALL run(0.6, 300, 'bigint', 'REFERENCES t ON DELETE CASCADE', 'REFERENCES t ON DELETE CASCADE', NULL);
CALL run(0.2, 300, 'int', '', '', NULL);
CALL run(0.7, 300, 'bigint', '', '', NULL);
CALL run(0.3, 300, 'int', 'REFERENCES t ON DELETE SET NULL ON UPDATE CASCADE', 'REFERENCES t ON DELETE CASCADE ON UPDATE CASCADE', NULL);
CALL run(0.8, 300, 'int', 'REFERENCES t ON DELETE SET NULL ON UPDATE CASCADE', '', NULL);
CALL run(0.9, 300, 'bigint', 'REFERENCES t ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED', 'REFERENCES t ON DELETE CASCADE ON UPDATE CASCADE', NULL);
CALL run(0.4, 300, 'int', '', 'REFERENCES t ON DELETE CASCADE ON UPDATE CASCADE', NULL);

-- the statements of a client's own, where one statement does not slow down the next
CREATE TABLE t (id int PRIMARY KEY, parent int REFERENCES t ON DELETE CASCADE);
CREATE TABLE c (ancestor int REFERENCES t ON DELETE CASCADE, descendant int REFERENCES t ON DELETE CASCADE, depth int,
    PRIMARY KEY (ancestor, descendant));
SELECT catreg.create_closure('t', 'c');
SELECT setseed(0.5);
CREATE TABLE results (result text);
\set ECHO none
\o /dev/null
SELECT CASE i % 7
    WHEN 0 THEN format('UPDATE t SET parent = (SELECT max(p.id) FROM t p WHERE p.id < t.id - %s) WHERE id %% %s = 0', i % 5, 3 + i % 11)
    WHEN 1 THEN format('DELETE FROM t WHERE id %% 37 = %s', i % 37)
    WHEN 2 THEN format('INSERT INTO t SELECT s, (SELECT max(id) FROM t WHERE id < 1 + s / 2) FROM generate_series(%s, %1$s + 9) s ON CONFLICT (id) DO UPDATE SET parent = NULL', 1 + floor(random() * 120)::int)
    ELSE format('INSERT INTO t SELECT %s, (SELECT id FROM t WHERE id < %1$s ORDER BY random() LIMIT 1) ON CONFLICT DO NOTHING', 1 + floor(random() * 150)::int)
    END,
    'INSERT INTO results SELECT closure_is(''t'')'
FROM generate_series(1, 300) i \gexec
\o
\set ECHO all
SELECT count(*) FILTER (WHERE result LIKE 'right%') AS right, count(*) FILTER (WHERE result NOT LIKE 'right%') AS wrong,
    count(DISTINCT result) > 30 AS various FROM results;
SELECT * FROM results WHERE result NOT LIKE 'right%' LIMIT 1;

DROP SCHEMA closure_random CASCADE;
