-- Mirrors: options, refusals, and one of another schema of this database.
\set VERBOSITY default
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
RESET client_min_messages;

-- options
CREATE SERVER wrong FOREIGN DATA WRAPPER catreg OPTIONS (host 'h', user 'u');
CREATE SERVER wrong FOREIGN DATA WRAPPER catreg OPTIONS (passfile '/etc/passwd');
CREATE SERVER wrong FOREIGN DATA WRAPPER catreg OPTIONS (service 's');
CREATE SERVER wrong FOREIGN DATA WRAPPER catreg OPTIONS (options '-c role=x');
ALTER FOREIGN DATA WRAPPER catreg OPTIONS (ADD host 'h');
CREATE SERVER down FOREIGN DATA WRAPPER catreg OPTIONS (host '127.0.0.1', port '1', dbname 'd', sslmode 'disable', connect_timeout '5');
CREATE USER MAPPING FOR CURRENT_USER SERVER down OPTIONS (host 'h');
CREATE USER MAPPING FOR CURRENT_USER SERVER down OPTIONS (password_required 'perhaps');
CREATE USER MAPPING FOR CURRENT_USER SERVER down OPTIONS (user 'u', password 'a secret', password_required 'false');
CREATE FOREIGN TABLE f (id int) SERVER down;
SELECT * FROM f;
DROP FOREIGN TABLE f;

-- files of this machine, and going without a password, are for superusers to allow
CREATE ROLE regress_mirror;
GRANT USAGE ON FOREIGN SERVER down TO regress_mirror;
SET ROLE regress_mirror;
CREATE USER MAPPING FOR regress_mirror SERVER down OPTIONS (password_required 'false');
CREATE USER MAPPING FOR regress_mirror SERVER down OPTIONS (sslkey '/root/key');
CREATE USER MAPPING FOR regress_mirror SERVER down OPTIONS (user 'u');
SELECT catreg.create_mirror('down', 'public', 'm');
SELECT umoptions FROM pg_user_mappings WHERE srvname = 'down' ORDER BY usename;
RESET ROLE;

-- refusals
\set VERBOSITY terse
SELECT catreg.create_mirror('nowhere', 'public', 'm');
SELECT catreg.create_mirror('down', 'public', 'm');
SELECT catreg.create_mirror('down', NULL, 'm');
SELECT catreg.create_mirror('down', 'public', 'm', '{}');
SELECT catreg.create_mirror('down', 'public', 'm', '{NULL}');
SELECT count(*) FROM pg_namespace WHERE nspname = 'm';
SELECT * FROM catreg.refresh_mirror('nowhere');
SELECT * FROM catreg.refresh_mirror('public');
SELECT * FROM catreg.check_mirror('public');
SELECT catreg.drop_mirror('public');
CREATE FOREIGN DATA WRAPPER other;
CREATE SERVER other FOREIGN DATA WRAPPER other;
SELECT catreg.create_mirror('other', 'public', 'm');
DROP FOREIGN DATA WRAPPER other CASCADE;
BEGIN READ ONLY;
SELECT catreg.create_mirror('down', 'public', 'm');
ROLLBACK;
\set VERBOSITY default

-- this database, as if it were another
DO $$
BEGIN
    EXECUTE format('CREATE SERVER here FOREIGN DATA WRAPPER catreg OPTIONS (host %L, port %L, dbname %L)',
                   CASE WHEN current_setting('unix_socket_directories') <> '' THEN split_part(current_setting('unix_socket_directories'), ',', 1)
                        ELSE split_part(current_setting('listen_addresses'), ',', 1) END,
                   current_setting('port'), current_database());
END
$$;
CREATE USER MAPPING FOR CURRENT_USER SERVER here;

CREATE SCHEMA source;
CREATE FUNCTION source.next() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TYPE source.mood AS ENUM ('sad', 'it''s ok', 'happy');
CREATE TABLE source.elsewhere (id int PRIMARY KEY);
CREATE TABLE source.tree (
    id serial PRIMARY KEY, parent int REFERENCES source.tree ON DELETE CASCADE, "Key" text COLLATE "C" NOT NULL,
    mood source.mood DEFAULT 'sad', moods source.mood[], size numeric(10,2) CHECK (size > 0), made int DEFAULT source.next(),
    twice int GENERATED ALWAYS AS (id * 2) STORED, UNIQUE (parent, "Key"));
CREATE INDEX ON source.tree ("Key" text_pattern_ops DESC) INCLUDE (size) WHERE mood = 'happy';
CREATE INDEX "odd USING name" ON source.tree USING gin (moods);
CREATE TABLE source.part (day date, id int GENERATED ALWAYS AS IDENTITY, tree int REFERENCES source.tree ON DELETE CASCADE, other int REFERENCES source.elsewhere, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
CREATE TABLE source.part_1 PARTITION OF source.part FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE source.part_2 PARTITION OF source.part DEFAULT;
CREATE TABLE source.slot (who int, during int8range, EXCLUDE USING gist (during WITH &&));
CREATE TABLE source.empty (a int);
INSERT INTO source.tree (parent, "Key", moods, size) SELECT nullif(i / 2, 0), 'k' || i, '{happy}', i FROM generate_series(1, 20) i;
INSERT INTO source.part (day, tree) SELECT date '2020-12-25' + i, 1 + i FROM generate_series(1, 15) i;
INSERT INTO source.slot SELECT i, int8range(i, i + 1) FROM generate_series(1, 10) i;

SELECT catreg.create_mirror('here', 'nowhere', 'm');
SELECT catreg.create_mirror('here', 'source', 'm', '{tree,nowhere}');
SELECT catreg.create_mirror('here', 'source', 'm', '{tree,part,slot,empty}');
\d m.tree
\d m.part
\d m.slot
SELECT relation, server, remote_schema, remote_table, whole, refreshed IS NOT NULL AS refreshed FROM catreg.mirror ORDER BY 1;
SELECT name, kind, source, triggers FROM catreg.status ORDER BY 1;
SELECT * FROM catreg.check_mirror('m');
SELECT catreg.create_mirror('here', 'source', 'm');

-- what is done there
DELETE FROM source.tree WHERE id = 16;
UPDATE source.tree SET moods = '{"it''s ok"}' WHERE id = 3;
INSERT INTO source.tree (parent, "Key") VALUES (8, 'k16');
UPDATE source.part SET day = day + 1 WHERE tree = 5;
DELETE FROM source.slot WHERE who = 4;
INSERT INTO source.slot VALUES (4, '[4,5)');
SELECT * FROM catreg.check_mirror('m') ORDER BY 1, 2;
SELECT * FROM catreg.refresh_mirror('m');
SELECT * FROM catreg.check_mirror('m');
SELECT id, "Key", mood FROM m.tree WHERE parent = 8;

-- and here
DELETE FROM m.tree WHERE id = 2;
SELECT count(*) FROM m.tree;
SELECT * FROM catreg.refresh_mirror('m');
SELECT * FROM catreg.check_mirror('m');

-- two rows that change places
UPDATE source.tree SET "Key" = 'x' WHERE id = 4;
UPDATE source.tree SET "Key" = 'k4', parent = 2 WHERE id = 5;
UPDATE source.tree SET "Key" = 'k5', parent = 2 WHERE id = 4;
SELECT * FROM catreg.refresh_mirror('m') WHERE updated > 0;
SELECT * FROM catreg.check_mirror('m');
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'm.tree'::regclass ORDER BY 1;

-- a label that is called otherwise: no row is written
ALTER TYPE source.mood RENAME VALUE 'sad' TO 'blue';
SELECT * FROM catreg.refresh_mirror('m');
ALTER TYPE m.mood RENAME VALUE 'sad' TO 'blue';
SELECT * FROM catreg.refresh_mirror('m') WHERE inserted + updated + deleted > 0;

-- renamed here
ALTER SCHEMA m RENAME TO "M n";
ALTER TABLE "M n".tree RENAME TO forest;
UPDATE source.tree SET size = 99 WHERE id = 7;
SELECT * FROM catreg.refresh_mirror('M n');
SELECT size FROM "M n".forest WHERE id = 7;

-- tables that are there already
CREATE SCHEMA m;
CREATE TABLE m.empty (a bigint);
SELECT catreg.create_mirror('here', 'source', 'm', '{empty}');
DROP TABLE m.empty;
CREATE TABLE m.slot (LIKE source.slot INCLUDING ALL);
INSERT INTO m.slot VALUES (77, '[3,4)');
SELECT catreg.create_mirror('here', 'source', 'm', '{slot}');
SELECT * FROM catreg.check_mirror('m');
SELECT count(*), max(who) FROM m.slot;
ALTER TABLE m.slot OWNER TO regress_mirror;
SELECT * FROM catreg.refresh_mirror('m');
ALTER TABLE m.slot OWNER TO CURRENT_USER;
SELECT catreg.drop_mirror('m');

-- what a column here computes cannot be mirrored
CREATE TABLE m.slot (who int, during int8range GENERATED ALWAYS AS (int8range(who, who + 1)) STORED, EXCLUDE USING gist (during WITH &&));
SELECT catreg.create_mirror('here', 'source', 'm', '{slot}');
DROP TABLE m.slot;

-- keys that are equal and do not look the same
CREATE TABLE source.equal (k numeric PRIMARY KEY, v text);
INSERT INTO source.equal SELECT i, 'v' FROM generate_series(1, 16500) i;
SELECT catreg.create_mirror('here', 'source', 'm', '{equal}');
UPDATE source.equal SET k = k::numeric(9, 2) WHERE k % 100 = 7;
DELETE FROM source.equal WHERE k = 8;
INSERT INTO source.equal VALUES (20001.0, 'new');
UPDATE catreg.mirror SET remote_state = NULL;
SELECT * FROM catreg.refresh_mirror('m');
SELECT * FROM catreg.check_mirror('m');
SELECT * FROM m.equal WHERE k IN (7, 8, 20001);
SELECT catreg.drop_mirror('m');
DROP TABLE source.equal;

-- a child table's rows would be counted twice, or not at all
CREATE TABLE source.child () INHERITS (source.empty);
SELECT catreg.create_mirror('here', 'source', 'm', '{empty}');

SELECT catreg.drop_mirror('M n');
SELECT relname FROM pg_class WHERE relnamespace = '"M n"'::regnamespace;
SELECT typname FROM pg_type WHERE typnamespace = '"M n"'::regnamespace;
SELECT count(*) FROM catreg.mirror;

SET client_min_messages = warning;
DROP SCHEMA source, m, "M n" CASCADE;
DROP EXTENSION catreg CASCADE;
DROP ROLE regress_mirror;
