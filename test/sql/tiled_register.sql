-- register_nodes on a catalog of tiled 0.2.20
\set test tiled_register
\set version '0.2.20'
\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/tiled.psql'
\i :setup
\set ECHO all
SELECT catreg.attach_tiled();

-- any order, any depth, parents in the catalog or in the batch
INSERT INTO batch VALUES ('a/b/c', 'd', 'container', '{"n": 4}', NULL), ('a', 'b', 'container', NULL, NULL), ('', 'a', 'container', '{"n": 1}', NULL),
    ('a/b', 'c', 'container', '{"n": 3}', '[{"name": "XDI"}, {"name": "x", "version": "2"}]');
SELECT * FROM catreg.register_nodes('batch');
SELECT id, parent, key, structure_family, metadata, specs, time_updated = time_created AS new FROM public.nodes ORDER BY id;
SELECT * FROM public.nodes_closure ORDER BY descendant, depth;
SELECT * FROM catreg.check_closure('nodes');

-- keys that look like something else, and children of an array, which Tiled accepts
TRUNCATE batch;
INSERT INTO batch VALUES ('', ' ', 'container'), ('', '.', 'container'), ('', '..', 'container'), ('', 'A', 'container'),
    ('', 'ключ', 'container'), ('ключ', repeat('ä', 1023), 'array'), ('', '\N', 'container'), ('', E'tab\there', 'container'),
    ('a/b/c/d/leaf', 'below', 'container');
INSERT INTO batch VALUES ('a/b/c/d', 'leaf', 'array', NULL, NULL, NULL, NULL, pg_temp.source('file:///1'));
SELECT id, left(path, 30) AS path, status FROM catreg.register_nodes('batch');
SELECT * FROM catreg.check_closure('nodes');

-- several data sources, several assets, sequences of them, no parameter, no structure
TRUNCATE batch;
INSERT INTO batch VALUES ('', 'many', 'array', '{"k": [1, null, "x"]}', NULL, NULL, NULL,
    '[{"structure_family": "array", "structure": {"shape": [2], "b": 1.0}, "mimetype": "multipart/related;type=image/tiff", "management": "external",
       "parameters": {"p": 1e2}, "properties": {"q": []},
       "assets": [{"data_uri": "file:///s1", "is_directory": false, "parameter": "data_uris", "num": 0},
                  {"data_uri": "file:///s2", "is_directory": false, "parameter": "data_uris", "num": 1, "size": 5},
                  {"data_uri": "file:///dir", "is_directory": true, "parameter": "data_uri", "num": null, "id": 99, "unknown": {}},
                  {"data_uri": "file:///side", "is_directory": false},
                  {"data_uri": "file:///side2", "is_directory": false}]},
      {"structure_family": "table", "structure": null, "mimetype": "text/csv", "management": "locked", "assets": []},
      {"structure_family": "array", "structure": { "b" : 1.0, "shape":[ 2 ]}, "mimetype": "x", "management": "external"}]'),
    ('', 'sharing', 'array', NULL, NULL, NULL, NULL,
    '[{"structure_family": "array", "structure": {"b": 1, "shape": [2]}, "mimetype": "x", "management": "writable",
       "assets": [{"data_uri": "file:///s1", "is_directory": false, "size": 11}]}]'),
    ('', 'empty', 'array', NULL, NULL, NULL, NULL, '[]');
SELECT * FROM catreg.register_nodes('batch');
SELECT n.key, d.id, d.structure_id, d.mimetype, d.parameters, d.properties, d.management, d.structure_family
FROM public.data_sources d JOIN public.nodes n ON n.id = d.node_id WHERE n.key IN ('many', 'sharing', 'empty') ORDER BY d.id;
SELECT s.*, s.id = catreg.structure_id(s.structure::text::json) AS same FROM public.structures s ORDER BY id;
SELECT data_source_id, data_uri, is_directory, size, hash_type, hash_content, parameter, num
FROM public.data_source_asset_association JOIN public.assets a ON a.id = asset_id ORDER BY 1, a.id;

-- an asset and a structure that are there are used again; a new size is taken over
TRUNCATE batch;
INSERT INTO batch VALUES ('a', 'again', 'array', NULL, NULL, NULL, NULL,
    replace(pg_temp.source('file:///s2')::text, '"size": 7', '"size": 6')::json), ('a', 'once more', 'array', NULL, NULL, NULL, NULL,
    replace(pg_temp.source('file:///s1')::text, '"size": 7', '"size": null')::json);
TABLE pg_temp.counts;
SELECT * FROM catreg.register_nodes('batch');
TABLE pg_temp.counts;
SELECT data_uri, size FROM public.assets WHERE data_uri ~ 's\d' ORDER BY 1;

-- conflicts: error, ignore, replace
TRUNCATE batch;
INSERT INTO batch VALUES ('', 'a', 'container', '{"n": "new"}', '[{"name": "spec"}]'), ('', 'new', 'container', NULL, NULL);
INSERT INTO batch VALUES ('a', 'again', 'array', '{"n": "new"}', NULL, NULL, NULL, pg_temp.source('file:///unused', '9'));
SELECT * FROM pg_temp.try($$SELECT * FROM catreg.register_nodes('batch')$$);
SELECT * FROM catreg.register_nodes('batch', 'public', 'ignore');
TABLE pg_temp.counts;
SELECT last_value FROM public.nodes_id_seq;
SELECT * FROM catreg.register_nodes('batch', on_conflict => 'replace');
SELECT * FROM catreg.register_nodes('batch', on_conflict => 'replace');
SELECT key, metadata, specs, time_updated > time_created AS updated FROM public.nodes WHERE key IN ('a', 'new', 'again') ORDER BY id;
SELECT n.key, revision_number, r.metadata, r.specs FROM public.revisions r JOIN public.nodes n ON n.id = node_id ORDER BY 1, 2;
SELECT last_value FROM public.nodes_id_seq;
INSERT INTO batch VALUES ('', 'twice', 'container', '{"n": 1}'), ('', 'twice', 'container', '{"n": 2}');
SELECT * FROM catreg.register_nodes('batch', on_conflict => 'ignore');
SELECT metadata FROM public.nodes WHERE key = 'twice';

-- access tags
TRUNCATE batch;
INSERT INTO batch VALUES ('a', 'tagged', 'container', NULL, NULL, '["public", "user:alice", "public"]'), ('', 'untagged', 'container', NULL, NULL, '[]');
SELECT * FROM catreg.register_nodes('batch');
SELECT n.key, t.name, t.is_public, x.parent_id = n.parent AS parent
FROM public.node_access_tags_association x JOIN public.nodes n ON n.id = x.node_id JOIN public.access_tags t ON t.id = x.tag_id ORDER BY 1, 2;

-- an empty batch; a view, a table of another schema and a role that may only read it as a batch
TRUNCATE batch;
SELECT * FROM catreg.register_nodes('batch');
CREATE SCHEMA "My Schema";
CREATE TABLE "My Schema"."My Batch" (LIKE catreg.tiled_batch, extra int);
INSERT INTO "My Schema"."My Batch" VALUES ('', 'from a table', 'container');
CREATE VIEW my_view AS SELECT data_sources, access_blob, access_tags, specs, metadata, structure_family, key || '?' AS key, parent FROM "My Schema"."My Batch";
SELECT * FROM catreg.register_nodes('"My Schema"."My Batch"');
SELECT * FROM catreg.register_nodes('my_view');

-- the same rows, with PostgreSQL's own checks and triggers: the plain way
INSERT INTO batch SELECT CASE WHEN g % 7 = 0 THEN '' ELSE 'way/' || 7 * (g / 7) END, CASE WHEN g % 7 = 0 THEN 'x' || g ELSE 'k' || g END, 'array',
    jsonb_build_object('g', g), NULL, '["public"]', NULL, pg_temp.source('file:///w' || g, (g % 3)::text) FROM generate_series(1, 3000) g;
UPDATE batch SET parent = 'way', key = substr(key, 2) WHERE parent = '';
INSERT INTO batch VALUES ('', 'way', 'container'), ('way', '0', 'container');
CREATE FUNCTION pg_temp.contents() RETURNS TABLE (line text) LANGUAGE sql AS
$$
    SELECT row(n.key, n.structure_family, n.metadata, n.specs, p.key)::text FROM public.nodes n LEFT JOIN public.nodes p ON p.id = n.parent
    UNION ALL SELECT row(n.key, d.structure_id, d.mimetype, d.parameters, a.data_uri, a.size, x.parameter, x.num)::text
        FROM public.data_sources d JOIN public.nodes n ON n.id = d.node_id JOIN public.data_source_asset_association x ON x.data_source_id = d.id JOIN public.assets a ON a.id = x.asset_id
    UNION ALL SELECT row(a.key, d.key, depth)::text FROM public.nodes_closure JOIN public.nodes a ON a.id = ancestor JOIN public.nodes d ON d.id = descendant
    UNION ALL SELECT row(n.key, tag_id, parent_id = n.parent)::text FROM public.node_access_tags_association JOIN public.nodes n ON n.id = node_id
$$;
BEGIN;
SELECT status, count(*) FROM catreg.register_nodes('batch') GROUP BY 1;
CREATE TEMP TABLE fast_contents ON COMMIT PRESERVE ROWS AS SELECT * FROM pg_temp.contents();
COMMIT;
SELECT sum(nodes), sum(assets), sum(structures) FROM catreg.delete_nodes('{way}');
SET catreg.fk_check = row;
SELECT status, count(*) FROM catreg.register_nodes('batch') GROUP BY 1;
RESET catreg.fk_check;
SELECT count(*) FROM (TABLE fast_contents EXCEPT ALL SELECT * FROM pg_temp.contents()) x;
SELECT count(*) FROM (SELECT * FROM pg_temp.contents() EXCEPT ALL TABLE fast_contents) x;
SELECT * FROM catreg.check_closure('nodes');
-- every index agrees with its table
CREATE EXTENSION amcheck;
SELECT count(*) > 10 AS checked FROM
    (SELECT bt_index_check(indexrelid, true) FROM pg_index JOIN pg_class c ON c.oid = indexrelid
     WHERE c.relam = 403 AND c.relnamespace = 'public'::regnamespace) x;
SET enable_seqscan = off;
SELECT count(*) FROM public.nodes WHERE metadata @> '{"g": 70}';
SELECT count(*) FROM public.nodes WHERE jsonb_to_tsvector('simple', metadata, '["string"]') @@ 'new';
RESET enable_seqscan;

-- rolled back, nothing stays
TABLE pg_temp.counts;
BEGIN;
UPDATE batch SET key = key || ' b' WHERE parent = '';
UPDATE batch SET parent = replace(parent, 'way', 'way b') WHERE parent <> '';
SELECT status, count(*) FROM catreg.register_nodes('batch') GROUP BY 1;
ROLLBACK;
TABLE pg_temp.counts;
