-- attach_tiled and detach_tiled; layouts
\set test tiled_attach
\set version '0.2.16'
\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/tiled.psql'
\i :setup
\set ECHO all

-- before attaching, Tiled's own trigger keeps the closure, for register_nodes too
INSERT INTO batch VALUES ('', 'a', 'container', '{}', NULL, NULL, '{"user": "alice"}', NULL), ('a', 'b', 'array', NULL, NULL, NULL, NULL, pg_temp.source('file:///1'));
SELECT * FROM catreg.register_nodes('batch');
SELECT * FROM public.nodes_closure ORDER BY descendant, depth;

CREATE FUNCTION pg_temp.triggers() RETURNS TABLE (name name, enabled "char") LANGUAGE sql AS
$$ SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'public.nodes'::regclass AND NOT tgisinternal ORDER BY 1 $$;
SELECT * FROM pg_temp.triggers();
SELECT catreg.attach_tiled();
SELECT * FROM pg_temp.triggers();
SELECT * FROM pg_temp.try('SELECT catreg.attach_tiled()');
SELECT name, kind, source, owner, triggers, last_refresh > now() - interval '1 minute' AS refreshed FROM catreg.status;

-- the older layout, with access blobs
TRUNCATE batch;
INSERT INTO batch VALUES ('a', 'c', 'container', '{"m": 1}', NULL, NULL, '{"tags": ["x"]}'), ('a', 'd', 'container', NULL, NULL, NULL, NULL);
SELECT * FROM catreg.register_nodes('batch');
SELECT key, metadata, access_blob FROM public.nodes ORDER BY id;
SELECT * FROM catreg.register_nodes('batch', on_conflict => 'replace');
SELECT node_id, revision_number, metadata, access_blob FROM public.revisions ORDER BY node_id;
UPDATE batch SET access_tags = '["x"]';
SELECT * FROM pg_temp.try($$SELECT * FROM catreg.register_nodes('batch', on_conflict => 'ignore')$$);
SELECT * FROM catreg.check_closure('nodes');
SELECT * FROM catreg.delete_nodes('{a/b,a/c}');
SELECT * FROM catreg.check_closure('nodes');

-- a row inserted by Tiled's own statements
INSERT INTO public.nodes (parent, key, structure_family, metadata, specs, access_blob) VALUES (1, 'e', 'container', '{}', '[]', '{}');
SELECT * FROM catreg.check_closure('nodes');

-- and back, and again; what went wrong in between is mended
SELECT catreg.detach_tiled();
SELECT * FROM pg_temp.triggers();
SELECT * FROM pg_temp.try('SELECT catreg.detach_tiled()');
INSERT INTO public.nodes (parent, key, structure_family, metadata, specs, access_blob) VALUES (1, 'f', 'container', '{}', '[]', '{}');
SELECT ancestor, depth FROM public.nodes_closure JOIN public.nodes n ON n.id = descendant WHERE key = 'f' ORDER BY 2;
DELETE FROM public.nodes_closure WHERE depth = 2;
SELECT catreg.attach_tiled();
SELECT * FROM catreg.check_closure('nodes');

-- what is no catalog, or of an unknown version, is refused with what was found
SELECT * FROM pg_temp.try($$SELECT catreg.attach_tiled('pg_catalog')$$);
CREATE SCHEMA other;
SELECT * FROM pg_temp.try($$SELECT catreg.attach_tiled('other')$$);
SELECT * FROM pg_temp.try($$SELECT catreg.attach_tiled('nowhere')$$);
SELECT catreg.detach_tiled();
BEGIN;
ALTER TABLE public.nodes DROP access_blob;
SELECT * FROM pg_temp.try('SELECT catreg.attach_tiled()');
ROLLBACK;
BEGIN;
ALTER TABLE public.assets ALTER size TYPE numeric;
SELECT * FROM pg_temp.try('SELECT catreg.attach_tiled()');
ROLLBACK;
BEGIN;
ALTER TABLE public.data_sources ADD owner int;
UPDATE public.data_sources SET owner = 1;
ALTER TABLE public.data_sources ALTER owner SET NOT NULL;
SELECT * FROM pg_temp.try('SELECT catreg.attach_tiled()');
ROLLBACK;
BEGIN;
DROP TRIGGER update_closure_table_when_inserting ON public.nodes;
SELECT * FROM pg_temp.try('SELECT catreg.attach_tiled()');
ROLLBACK;

-- another schema, with a name that wants quotes; columns of one's own do no harm
ALTER SCHEMA public RENAME TO "Tiled's ""catalog""";
CREATE SCHEMA public;
ALTER TABLE "Tiled's ""catalog""".nodes ADD remark text, ADD checked boolean NOT NULL DEFAULT false;
SELECT catreg.attach_tiled('"Tiled''s ""catalog"""');
TRUNCATE batch;
INSERT INTO batch VALUES ('a', 'g', 'container', NULL, NULL, NULL, NULL, NULL), ('a/g', 'h', 'array', NULL, NULL, NULL, NULL, pg_temp.source('file:///h'));
SELECT * FROM catreg.register_nodes('batch', '"Tiled''s ""catalog"""');
SET catreg.fk_check = row;
UPDATE batch SET key = key || '2', parent = replace(parent, 'g', 'g2');
SELECT * FROM catreg.register_nodes('batch', '"Tiled''s ""catalog"""');
RESET catreg.fk_check;
SELECT * FROM catreg.check_closure('"Tiled''s ""catalog""".nodes');
SELECT * FROM catreg.delete_nodes('{a/g}', '"Tiled''s ""catalog"""');
SELECT * FROM catreg.check_closure('"Tiled''s ""catalog""".nodes');
