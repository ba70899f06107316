-- delete_nodes
\set test tiled_delete
\set version '0.2.20'
\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/tiled.psql'
\i :setup
\set ECHO all
SELECT catreg.attach_tiled();
INSERT INTO batch VALUES ('', 'a', 'container', NULL, NULL, '["public"]', NULL, NULL), ('a', 'b', 'container', NULL, NULL, NULL, NULL, NULL),
    ('a/b', '1', 'array', NULL, NULL, NULL, NULL, pg_temp.source('file:///1', '1')), ('a/b', '2', 'array', NULL, NULL, NULL, NULL, pg_temp.source('file:///2', '2')),
    ('a', '3', 'array', NULL, NULL, NULL, NULL, pg_temp.source('file:///3', '1')), ('a', 'shares 2', 'array', NULL, NULL, NULL, NULL, pg_temp.source('file:///2', '4')),
    ('', 'c', 'array', NULL, NULL, NULL, NULL, pg_temp.source('file:///3', '4')), ('', 'd', 'container', NULL, NULL, NULL, NULL, NULL);
SELECT count(*) FROM catreg.register_nodes('batch');
SELECT count(*) FROM catreg.register_nodes('batch', on_conflict => 'replace');
TABLE pg_temp.counts;

-- not there, the root, null: nothing is deleted
SELECT * FROM pg_temp.try($$SELECT * FROM catreg.delete_nodes('{a/b,a/nowhere}')$$);
SELECT * FROM pg_temp.try($$SELECT * FROM catreg.delete_nodes('{""}')$$);
SELECT * FROM pg_temp.try($$SELECT * FROM catreg.delete_nodes('{NULL}')$$);
SELECT * FROM pg_temp.try($$SELECT * FROM catreg.delete_nodes('{a//b}')$$);
TABLE pg_temp.counts;
SELECT * FROM catreg.delete_nodes('{}');

-- what is shared with nodes that stay, stays
BEGIN;
SELECT * FROM catreg.delete_nodes('{a/b}');
TABLE pg_temp.counts;
SELECT data_uri FROM public.assets ORDER BY 1;
SELECT * FROM catreg.check_closure('nodes');
ROLLBACK;

-- several paths: what only they use goes with the last of them
BEGIN;
SELECT * FROM catreg.delete_nodes('{a/b,"a/shares 2",c,a/3}');
TABLE pg_temp.counts;
ROLLBACK;
BEGIN;
SELECT * FROM catreg.delete_nodes('{a,a/b,a,c}');
TABLE pg_temp.counts;
SELECT count(*) FROM public.node_access_tags_association;
ROLLBACK;

-- the plain way deletes the same: by the setting, for a whole-transaction snapshot, for a webhook, for a stranger's trigger or foreign key
BEGIN;
SET LOCAL catreg.fk_check = row;
SELECT * FROM catreg.delete_nodes('{a/b,"a/shares 2",c,a/3}');
TABLE pg_temp.counts;
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM catreg.delete_nodes('{a/b,"a/shares 2",c,a/3}');
TABLE pg_temp.counts;
ROLLBACK;
BEGIN;
INSERT INTO public.webhooks (node_id, url) SELECT id, 'http://localhost' FROM public.nodes WHERE key IN ('b', 'd');
SELECT * FROM catreg.delete_nodes('{a/b,"a/shares 2",c,a/3}');
TABLE pg_temp.counts;
SELECT count(*) FROM public.webhooks;
ROLLBACK;
BEGIN;
CREATE FUNCTION pg_temp.tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'deleted: %', OLD.key; RETURN NULL; END $$;
CREATE TRIGGER tell AFTER DELETE ON public.nodes FOR EACH ROW EXECUTE FUNCTION pg_temp.tell();
SELECT * FROM catreg.delete_nodes('{c}');
ROLLBACK;
BEGIN;
CREATE TABLE mine (asset int REFERENCES public.assets ON DELETE SET NULL, data_source bigint REFERENCES public.data_sources);
SELECT * FROM catreg.delete_nodes('{c}');
INSERT INTO mine SELECT id FROM public.assets WHERE data_uri = 'file:///1';
SELECT * FROM catreg.delete_nodes('{a}');
TABLE mine;
INSERT INTO public.nodes (id, parent, key, structure_family, metadata, specs) VALUES (1000, 0, 'x', 'array', '{}', '[]');
INSERT INTO public.data_sources (id, node_id, mimetype, management, structure_family) VALUES (1000, 1000, 'x', 'external', 'array');
INSERT INTO mine VALUES (NULL, 1000);
SELECT * FROM pg_temp.try($$SELECT * FROM catreg.delete_nodes('{x}')$$);
ROLLBACK;

-- within a client's statement that inserts what is deleted, or its children
CREATE FUNCTION pg_temp.delete(path text) RETURNS int LANGUAGE plpgsql VOLATILE AS
$$ BEGIN RETURN sum(nodes) FROM catreg.delete_nodes(ARRAY[path]); END $$;
BEGIN;
INSERT INTO public.nodes (id, parent, key, structure_family, metadata, specs)
    SELECT 1000 + i, CASE i WHEN 1 THEN 0 ELSE 1001 END, 'new ' || i, 'container', jsonb_build_object('deleted', CASE i WHEN 3 THEN pg_temp.delete('new 1/new 2') WHEN 5 THEN pg_temp.delete('a/b') END), '[]'
    FROM generate_series(1, 6) i;
SELECT id, metadata FROM public.nodes WHERE id > 1000 ORDER BY 1;
SELECT * FROM catreg.check_closure('nodes');
ROLLBACK;
BEGIN;
WITH new AS (INSERT INTO public.nodes (id, parent, key, structure_family, metadata, specs)
    VALUES (1001, 0, 'new 1', 'container', '{}', '[]'), (1002, 1001, 'new 2', 'container', '{}', '[]') RETURNING key)
SELECT pg_temp.delete(key) FROM new WHERE key = 'new 1';
ROLLBACK;

-- data that Tiled manages is Tiled's to delete
BEGIN;
UPDATE public.data_sources SET management = 'writable' WHERE node_id = (SELECT id FROM public.nodes WHERE key = '2');
SELECT * FROM pg_temp.try($$SELECT * FROM catreg.delete_nodes('{a}')$$);
ROLLBACK;

-- rights: those of the caller on nodes, assets and structures; what refers to them goes along
CREATE ROLE regress_catreg_deleter;
GRANT SELECT ON public.nodes TO regress_catreg_deleter;
SET ROLE regress_catreg_deleter;
SELECT * FROM pg_temp.try($$SELECT * FROM catreg.delete_nodes('{a/b}')$$);
RESET ROLE;
GRANT DELETE ON public.nodes, public.assets, public.structures TO regress_catreg_deleter;
GRANT SELECT ON public.assets, public.structures TO regress_catreg_deleter;
SET ROLE regress_catreg_deleter;
BEGIN;
SELECT * FROM catreg.delete_nodes('{a/b}');
ROLLBACK;
RESET ROLE;
ALTER TABLE public.nodes ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON public.nodes TO regress_catreg_deleter USING (key <> 'c');
SET ROLE regress_catreg_deleter;
SELECT * FROM pg_temp.try($$SELECT * FROM catreg.delete_nodes('{c}')$$);
BEGIN;
SELECT * FROM catreg.delete_nodes('{a/b}');
ROLLBACK;
RESET ROLE;
DROP OWNED BY regress_catreg_deleter;
DROP ROLE regress_catreg_deleter;

-- all
SELECT * FROM catreg.delete_nodes('{a,c,d}');
TABLE pg_temp.counts;
SELECT * FROM catreg.check_closure('nodes');
