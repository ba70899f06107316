--
-- Closures: the indexes that the bulk writer fills by leaf page, looked at by amcheck,
-- or by what they find
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set ECHO none
\i :abs_srcdir/sql/include/closure_oracle.sql
\set ECHO all
CREATE EXTENSION amcheck;
CREATE SCHEMA closure_indexes;
SET search_path = closure_indexes, public;
SET statement_timeout = '300s';

-- Every index of the closure table is well formed, and holds all of the heap: those that are
-- no B-trees lead to each row by its own value, and to no more rows than there are.
CREATE FUNCTION check_indexes() RETURNS text LANGUAGE plpgsql SET enable_seqscan = off AS
$$
BEGIN
    PERFORM bt_index_parent_check(indexrelid, true, true) FROM pg_catalog.pg_index JOIN pg_class i ON i.oid = indexrelid
        JOIN pg_am a ON a.oid = i.relam WHERE indrelid = 'c'::regclass AND amname = 'btree';
    IF EXISTS (SELECT FROM c x WHERE NOT EXISTS (SELECT FROM c y WHERE y.descendant + 0 = x.descendant AND y.ancestor + 0 = x.ancestor
               AND point(y.descendant, y.ancestor) <@ box(point(x.descendant, x.ancestor), point(x.descendant, x.ancestor)) OFFSET 0)) THEN
        RETURN 'rows that the index of points does not find';
    END IF;
    IF (SELECT count(*) FROM c WHERE point(descendant, ancestor) <@ box(point(-1e9, -1e9), point(1e9, 1e9))) <> (SELECT count(*) FROM c WHERE depth >= 0) THEN
        RETURN 'rows that the index of points finds twice';
    END IF;
    IF EXISTS (SELECT FROM generate_series(50, 350, 100) i WHERE
               (SELECT count(*) FROM c WHERE catreg.sky_circle(descendant % 360, ancestor % 89, 0.1 * (descendant % 5)) OPERATOR(catreg.&&) catreg.sky_circle(i, i / 5, 9)) <>
               (SELECT count(*) FROM c WHERE catreg.sky_circle((descendant + 0) % 360, ancestor % 89, 0.1 * (descendant % 5)) OPERATOR(catreg.&&) catreg.sky_circle(i, i / 5, 9))) THEN
        RETURN 'rows that the index of regions does not find';
    END IF;
    RETURN 'ok';
END
$$;

-- Batches of new nodes, their ids anywhere among the old ones, children before their
-- parents, below old and new nodes alike; between them, deletions and rows of a
-- space used again.
CREATE PROCEDURE run(seed float8, type text, INOUT result text) LANGUAGE plpgsql AS
$$
BEGIN
    PERFORM setseed(seed);
    EXECUTE format('CREATE TABLE t (id %s PRIMARY KEY, parent %1$s REFERENCES t ON DELETE CASCADE)', type);
    EXECUTE format('CREATE TABLE c (ancestor %1$s REFERENCES t ON DELETE CASCADE, descendant %1$s REFERENCES t ON DELETE CASCADE, depth int, PRIMARY KEY (ancestor, descendant))', type);
    CREATE INDEX ON t (parent);
    CREATE INDEX ON c (ancestor);
    CREATE INDEX ON c (descendant);
    CREATE INDEX ON c (depth, descendant, ancestor);
    CREATE INDEX ON c (depth);
    CREATE INDEX ON c (depth DESC, descendant) INCLUDE (ancestor);
    CREATE INDEX ON c (descendant) WHERE depth > 2;
    CREATE INDEX ON c ((repeat(descendant::text, 1 + (descendant % 50)::int)));
    CREATE INDEX ON c USING gist (point(descendant, ancestor));
    CREATE INDEX ON c USING gist (catreg.sky_circle(descendant % 360, ancestor % 89, 0.1 * (descendant % 5)));
    CREATE UNIQUE INDEX ON c ((nullif(descendant, ancestor)), ((ancestor::text) COLLATE "C"));
    INSERT INTO t VALUES (0);
    PERFORM catreg.create_closure('t', 'c');
    FOR batch IN 1..6 LOOP
        WITH ids AS MATERIALIZED (SELECT id, random() AS r FROM (SELECT DISTINCT 1 + floor(random() * 200000)::int AS id FROM generate_series(1, 500 * batch)) d
                                  WHERE NOT EXISTS (SELECT FROM t WHERE t.id = d.id)),
        above AS MATERIALIZED (SELECT array_agg(id ORDER BY id) AS a FROM (SELECT id FROM t ORDER BY random() LIMIT 300) s),
        new AS MATERIALIZED (SELECT id, r, row_number() OVER (ORDER BY r) AS n, array_agg(id) OVER (ORDER BY r ROWS BETWEEN 5 PRECEDING AND 1 PRECEDING) AS before FROM ids)
        INSERT INTO t SELECT new.id, CASE WHEN new.n % 7 < 3 AND new.n % 40 > 1 THEN new.before[1 + floor(random() * cardinality(new.before))::int]
                                          ELSE above.a[1 + floor(random() * cardinality(above.a))::int] END
        FROM new, above ORDER BY random();
        IF batch % 2 = 0 THEN
            DELETE FROM t WHERE id IN (SELECT id FROM t WHERE id > 0 ORDER BY random() LIMIT 50 * batch);
        END IF;
        IF closure_is('t') LIKE 'WRONG%' OR (batch % 2 = 0 AND check_indexes() <> 'ok') THEN
            result := format('batch %s: %s', batch, closure_is('t'));
            RETURN;
        END IF;
        IF batch % 3 = 0 THEN
            COMMIT;
        END IF;
    END LOOP;
    result := format('ok: more than %s rows: %s', 10000, (SELECT count(*) > 10000 FROM c));
END
$$;

\set VERBOSITY terse
CALL run(0.1::float8, 'int', NULL);
VACUUM c;
SELECT check_indexes();
-- into the space that VACUUM has freed, among posting lists, as tables grow
INSERT INTO t SELECT id, 0 FROM generate_series(200001, 205000) id;
INSERT INTO t SELECT id, 200001 + id % 5000 FROM generate_series(300000, 309999) id ORDER BY id % 7;
SELECT closure_is('t');
SELECT check_indexes();

-- a duplicate amidst thousands of others is the B-tree's to find
SET session_replication_role = replica;
INSERT INTO c VALUES (0, 402500, 9), (400000, 409999, 1);
SET session_replication_role = origin;
INSERT INTO t SELECT id, 0 FROM generate_series(400000, 405000) id;
INSERT INTO t SELECT id, CASE id WHEN 400000 THEN 0 ELSE 400000 END FROM generate_series(400000, 409999) id;
SELECT check_indexes();
DELETE FROM c WHERE descendant IN (402500, 409999);
INSERT INTO t SELECT id, CASE id WHEN 400000 THEN 0 ELSE 400000 END FROM generate_series(400000, 409999) id;
SELECT closure_is('t');
SELECT check_indexes();
-- dead entries with the same keys are none
DELETE FROM t WHERE id >= 400000;
INSERT INTO t SELECT id, CASE id WHEN 400000 THEN 0 ELSE 400000 END FROM generate_series(400000, 409999) id;
SELECT closure_is('t');
SELECT check_indexes();
SELECT catreg.drop_closure('t');
DROP TABLE t CASCADE;
DROP TABLE c;

CALL run(0.7::float8, 'bigint', NULL);
SELECT catreg.drop_closure('t');
DROP TABLE t CASCADE;
DROP TABLE c;

\set VERBOSITY default
DROP SCHEMA closure_indexes CASCADE;
DROP EXTENSION amcheck;
