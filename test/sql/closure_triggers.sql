--
-- Closures: beside triggers, rules and constraints of the user's
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set ECHO none
\i :abs_srcdir/sql/include/closure_oracle.sql
\set ECHO all
CREATE SCHEMA closure_triggers;
SET search_path = closure_triggers, public;
SET statement_timeout = '120s';

CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON DELETE CASCADE, note text);
CREATE TABLE closure (
    ancestor int REFERENCES tree ON DELETE CASCADE,
    descendant int REFERENCES tree ON DELETE CASCADE,
    depth int,
    PRIMARY KEY (ancestor, descendant)
);
SELECT catreg.create_closure('tree', 'closure');
INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2), (4, 1);

-- a trigger on the tree does what the note of a row says, before or after it is
-- written, with its id and parent as id and parent
CREATE FUNCTION do_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.note LIKE TG_ARGV[0] || '%' THEN
        EXECUTE replace(replace(substr(new.note, 3), '$id', new.id::text), '$parent', coalesce(new.parent::text, 'NULL'));
    END IF;
    RETURN new;
END
$$;
CREATE TRIGGER before_it BEFORE INSERT OR UPDATE ON tree FOR EACH ROW EXECUTE FUNCTION do_note('b:');
CREATE TRIGGER after_it AFTER INSERT OR UPDATE ON tree FOR EACH ROW EXECUTE FUNCTION do_note('a:');

-- a trigger that changes the parent
CREATE FUNCTION change_parent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.note = 'to 3' THEN new.parent := 3; END IF;
    IF new.note = 'nowhere' THEN RETURN NULL; END IF;
    RETURN new;
END
$$;
CREATE TRIGGER change_parent BEFORE INSERT OR UPDATE ON tree FOR EACH ROW EXECUTE FUNCTION change_parent();
INSERT INTO tree VALUES (5, 1, 'to 3'), (6, 5, NULL), (7, 1, 'nowhere');
SELECT closure_is('tree');
UPDATE tree SET note = 'to 3' WHERE id = 4;
SELECT closure_is('tree');
SELECT * FROM closure WHERE descendant = 4 ORDER BY depth;
UPDATE tree SET parent = 2, note = 'to 3' WHERE id = 6;
SELECT closure_is('tree');

-- nodes that a BEFORE trigger inserts: parents, siblings, children
INSERT INTO tree VALUES (10, 11, 'b:INSERT INTO tree VALUES ($parent, 4)');
SELECT closure_is('tree');
INSERT INTO tree VALUES (12, 13, NULL), (14, 12, 'b:INSERT INTO tree VALUES (13, 14)'), (15, 4, 'b:INSERT INTO tree VALUES (16, 4)');
INSERT INTO tree VALUES (12, 13, NULL), (14, 12, 'b:INSERT INTO tree VALUES (13, 4)'), (15, 14, NULL);
SELECT closure_is('tree');
INSERT INTO tree VALUES (20, 4, NULL), (21, 20, 'b:INSERT INTO tree VALUES (22, 20), (23, 22)');
SELECT closure_is('tree');
-- the same, and an AFTER trigger
INSERT INTO tree VALUES (30, 4, NULL), (31, 30, 'a:INSERT INTO tree VALUES (32, $id), (33, 32)'), (34, 32, NULL);
SELECT closure_is('tree');
INSERT INTO tree VALUES (35, 31, 'a:INSERT INTO tree VALUES (36, 38)'), (37, 35, NULL), (38, 37, NULL);
SELECT closure_is('tree');
INSERT INTO tree VALUES (39, 38, 'a:INSERT INTO tree VALUES (100, $id, ''a:INSERT INTO tree VALUES (101, $id, ''''a:INSERT INTO tree VALUES (102, $id)'''')'')');
SELECT closure_is('tree');
SELECT * FROM closure WHERE descendant = 102 ORDER BY depth;

-- new nodes that are moved, deleted, given another id, before the statement ends
INSERT INTO tree VALUES (40, 1, NULL), (41, 40, NULL), (42, 41, 'b:UPDATE tree SET parent = 3 WHERE id = 41');
SELECT closure_is('tree');
INSERT INTO tree VALUES (43, 1, 'a:UPDATE tree SET parent = 45, note = NULL WHERE id = $id'), (44, 43, NULL), (45, 1, NULL);
SELECT closure_is('tree');
SELECT * FROM closure WHERE descendant = 44 ORDER BY depth;
INSERT INTO tree VALUES (46, 1, 'a:DELETE FROM tree WHERE id = $id'), (47, 1, NULL), (48, 47, NULL);
SELECT closure_is('tree');
INSERT INTO tree VALUES (50, 1, NULL), (51, 50, NULL), (52, 1, 'b:DELETE FROM tree WHERE id = 50'), (53, 52, NULL);
SELECT closure_is('tree');
SELECT id FROM tree WHERE id BETWEEN 46 AND 53 ORDER BY id;
INSERT INTO tree VALUES (54, 1, NULL), (55, 1, 'b:UPDATE tree SET id = 56 WHERE id = 54'), (57, 56, NULL);
SELECT closure_is('tree');
INSERT INTO tree VALUES (58, 1, NULL), (59, 58, 'a:WITH x AS (DELETE FROM tree WHERE id = 59) INSERT INTO tree VALUES (60, 58)');
SELECT closure_is('tree');
-- old nodes that are moved meanwhile, above and below the new ones
INSERT INTO tree VALUES (61, 60, NULL), (62, 61, 'a:UPDATE tree SET parent = 3 WHERE id = 60');
SELECT closure_is('tree');
INSERT INTO tree VALUES (63, 1, NULL), (64, 63, 'b:UPDATE tree SET parent = 63 WHERE id = 60');
SELECT closure_is('tree');
SELECT * FROM closure WHERE descendant = 62 ORDER BY depth;
INSERT INTO tree VALUES (65, 66, NULL), (67, 65, 'b:UPDATE tree SET parent = 65 WHERE id = 60'), (66, 3, NULL);
SELECT closure_is('tree');
SELECT * FROM closure WHERE descendant = 62 ORDER BY depth;
INSERT INTO tree VALUES (68, 62, 'a:DELETE FROM tree WHERE id = 60'), (69, 67, NULL);
SELECT closure_is('tree');
INSERT INTO tree VALUES (70, 69, 'a:UPDATE tree SET parent = 70 WHERE id = 65');
SELECT closure_is('tree');
-- the closure is rebuilt in the midst of an INSERT
INSERT INTO tree VALUES (71, 69, NULL), (72, 71, 'b:SELECT catreg.rebuild_closure(''tree'')'), (73, 71, 'a:SELECT catreg.rebuild_closure(''tree'')');
SELECT closure_is('tree');
-- the same by a function in the statement
CREATE FUNCTION do_it(what text, result int) RETURNS int LANGUAGE plpgsql AS 'BEGIN EXECUTE what; RETURN result; END';
INSERT INTO tree SELECT i, CASE i WHEN 82 THEN do_it('UPDATE tree SET parent = 3 WHERE id = 80', 80) ELSE 4 END FROM generate_series(80, 84) i;
SELECT closure_is('tree');
INSERT INTO tree SELECT i, CASE i WHEN 87 THEN do_it('DELETE FROM tree WHERE id = 85', 4) ELSE 4 END FROM generate_series(85, 88) i;
SELECT closure_is('tree');
-- UPDATE and DELETE
UPDATE tree SET parent = 3, note = 'a:UPDATE tree SET parent = 81 WHERE id = 82' WHERE id = 83;
SELECT closure_is('tree');
UPDATE tree SET parent = 83, note = CASE id WHEN 84 THEN 'a:DELETE FROM tree WHERE id = 86' END WHERE id IN (84, 86);
SELECT closure_is('tree');
CREATE FUNCTION another() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO tree VALUES (old.id + 1000, old.parent); RETURN old; END';
CREATE TRIGGER another AFTER DELETE ON tree FOR EACH ROW WHEN (old.note = 'leave another') EXECUTE FUNCTION another();
UPDATE tree SET note = 'leave another' WHERE id IN (88, 84);
DELETE FROM tree WHERE id IN (88, 84);
SELECT closure_is('tree');
-- a cursor's loop in one statement of the client, with errors caught
DO $$
BEGIN
    FOR i IN 200..230 LOOP
        INSERT INTO tree VALUES (i, i - 1) ON CONFLICT DO NOTHING;
        UPDATE tree SET parent = i WHERE id = i - 7;
        DELETE FROM tree WHERE id = i - 5;
    END LOOP;
EXCEPTION WHEN foreign_key_violation THEN RAISE NOTICE '%', sqlerrm;
END
$$;
DO $$
BEGIN
    FOR i IN 200..230 LOOP
        BEGIN
            INSERT INTO tree VALUES (i, CASE WHEN i = 200 THEN 1 ELSE i - 1 END);
            UPDATE tree SET parent = i WHERE id = i - 7;
        EXCEPTION WHEN check_violation THEN NULL;
        END;
        IF i % 4 = 0 THEN
            UPDATE tree SET parent = 1 WHERE id = i - 2;
            DELETE FROM tree WHERE id = i - 3;
        END IF;
        IF closure_is('tree') LIKE 'WRONG%' THEN
            RAISE EXCEPTION '% %', i, closure_is('tree');
        END IF;
    END LOOP;
END
$$;
SELECT closure_is('tree');
DROP TRIGGER before_it ON tree;
DROP TRIGGER after_it ON tree;
DROP TRIGGER change_parent ON tree;
DROP TRIGGER another ON tree;

-- what stands on the closure: the plain way, and why
ALTER TABLE closure ADD COLUMN made_by text DEFAULT 'somebody', ADD COLUMN number serial, ADD COLUMN empty int;
SET client_min_messages = debug1;
INSERT INTO tree VALUES (2000, 3);
RESET client_min_messages;
SELECT ancestor, made_by, number IS NOT NULL AS numbered, empty FROM closure WHERE descendant = 2000 ORDER BY depth;
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RAISE NOTICE ''% % % %'', TG_OP, TG_WHEN, TG_LEVEL, CASE TG_LEVEL WHEN ''ROW'' THEN new.descendant END; RETURN new; END';
CREATE TRIGGER watch_row AFTER INSERT ON closure FOR EACH ROW EXECUTE FUNCTION watch();
SET client_min_messages = debug1;
INSERT INTO tree VALUES (2001, 1);
RESET client_min_messages;
ALTER TABLE closure DISABLE TRIGGER watch_row;
SET client_min_messages = debug1;
INSERT INTO tree VALUES (2002, 1);
RESET client_min_messages;
ALTER TABLE closure ENABLE REPLICA TRIGGER watch_row;
SET client_min_messages = debug1;
INSERT INTO tree VALUES (2003, 1);
RESET client_min_messages;
DROP TRIGGER watch_row ON closure;
CREATE TRIGGER watch_statement BEFORE INSERT ON closure FOR EACH STATEMENT EXECUTE FUNCTION watch();
SET client_min_messages = debug1;
INSERT INTO tree VALUES (2004, 1);
RESET client_min_messages;
DROP TRIGGER watch_statement ON closure;
CREATE TRIGGER watch_delete AFTER DELETE ON closure FOR EACH STATEMENT EXECUTE FUNCTION watch();
SET client_min_messages = debug1;
INSERT INTO tree VALUES (2005, 1);
RESET client_min_messages;
DROP TRIGGER watch_delete ON closure;
CREATE RULE also AS ON INSERT TO closure DO ALSO NOTIFY closure_written;
SET client_min_messages = debug1;
INSERT INTO tree VALUES (2006, 1);
RESET client_min_messages;
DROP RULE also ON closure;
ALTER TABLE closure ADD COLUMN generated int GENERATED ALWAYS AS (depth + 1) STORED;
SET client_min_messages = debug1;
INSERT INTO tree VALUES (2007, 1);
RESET client_min_messages;
SELECT ancestor, generated FROM closure WHERE descendant = 2007 ORDER BY depth;
ALTER TABLE closure DROP COLUMN generated, ADD COLUMN identity int GENERATED ALWAYS AS IDENTITY;
SET client_min_messages = debug1;
INSERT INTO tree VALUES (2008, 1);
RESET client_min_messages;
ALTER TABLE closure DROP COLUMN identity;
CREATE DOMAIN mark AS text CHECK (value IS NOT NULL);
ALTER TABLE closure DROP COLUMN empty, ADD COLUMN mark mark DEFAULT 'x';
SET client_min_messages = debug1;
INSERT INTO tree VALUES (2009, 1);
RESET client_min_messages;
ALTER TABLE closure ALTER mark DROP DEFAULT;
INSERT INTO tree VALUES (2015, 1);
ALTER TABLE closure DROP COLUMN mark;
ALTER TABLE closure ADD UNIQUE (number) DEFERRABLE;
INSERT INTO tree VALUES (2010, 1);
ALTER TABLE closure DROP COLUMN number;
ALTER TABLE closure ADD EXCLUDE USING btree (ancestor WITH =, descendant WITH =);
SET client_min_messages = debug1;
INSERT INTO tree VALUES (2011, 1);
RESET client_min_messages;
ALTER TABLE closure DROP CONSTRAINT closure_ancestor_descendant_excl;
ALTER TABLE closure ADD FOREIGN KEY (depth) REFERENCES tree NOT VALID;
INSERT INTO tree VALUES (2012, 1);
SELECT count(*) FROM tree WHERE id = 2012;
ALTER TABLE closure DROP CONSTRAINT closure_depth_fkey;
ALTER TABLE closure DROP CONSTRAINT closure_ancestor_fkey;
ALTER TABLE closure ADD FOREIGN KEY (ancestor) REFERENCES tree DEFERRABLE INITIALLY DEFERRED;
INSERT INTO tree VALUES (2013, 1);
DELETE FROM tree WHERE id = 2013;
ALTER TABLE closure DROP CONSTRAINT closure_ancestor_fkey;
ALTER TABLE closure ADD FOREIGN KEY (ancestor) REFERENCES tree ON DELETE CASCADE;
SET catreg.fk_check = row;
SET client_min_messages = debug1;
INSERT INTO tree VALUES (2013, 1);
RESET client_min_messages;
RESET catreg.fk_check;
-- row security does not stand in the owner's way, forced or not
ALTER TABLE closure ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SET client_min_messages = debug1;
INSERT INTO tree VALUES (2014, 1);
RESET client_min_messages;
UPDATE tree SET parent = 2 WHERE id = 2014;
ALTER TABLE closure DISABLE ROW LEVEL SECURITY;
-- checks, expressions, other indexes
ALTER TABLE closure ADD CHECK (depth < 10) NOT VALID, ADD CHECK (made_by <> 'nobody');
CREATE INDEX ON closure USING hash (descendant);
CREATE INDEX ON closure (ancestor DESC, depth) WHERE depth > 0;
CREATE INDEX ON closure ((ancestor + descendant), made_by);
CREATE INDEX ON closure USING brin (descendant);
CREATE INDEX ON closure (descendant) INCLUDE (depth);
SET client_min_messages = debug1;
INSERT INTO tree SELECT 3000 + i, CASE WHEN i = 0 THEN 1 ELSE 3000 + i - 1 END FROM generate_series(0, 8) i;
RESET client_min_messages;
SET client_min_messages = debug1;
INSERT INTO tree VALUES (3009, 3008);
RESET client_min_messages;
SET client_min_messages = debug1;
INSERT INTO tree SELECT 4000 + i, 1 + i % 3 FROM generate_series(0, 2000) i;
RESET client_min_messages;
SET enable_seqscan = off;
SELECT count(*) FROM closure WHERE descendant = 3008;
SELECT count(*) FROM closure WHERE ancestor = 3 AND depth > 0;
SELECT count(*) FROM closure WHERE ancestor + descendant = 4003;
RESET enable_seqscan;
SELECT closure_is('tree');
-- a closure that is itself a tree's
CREATE TABLE second (ancestor int, descendant int, depth int, PRIMARY KEY (ancestor, descendant));
ALTER TABLE closure ADD COLUMN id int GENERATED BY DEFAULT AS IDENTITY UNIQUE, ADD COLUMN parent int;
SELECT catreg.create_closure('closure', 'second');
INSERT INTO tree VALUES (7000, 4), (7001, 7000);
UPDATE tree SET parent = 1 WHERE id = 7000;
SELECT closure_is('tree'), closure_is('closure');

SET client_min_messages = warning;
DROP SCHEMA closure_triggers CASCADE;
