-- register_nodes: bad input is an error that names the row, and nothing is written
\set test tiled_errors
\set version '0.2.20'
\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/tiled.psql'
\i :setup
\set ECHO all
SELECT catreg.attach_tiled();

-- paths and keys
SELECT * FROM pg_temp.try_row('nowhere', 'a', 'container');
SELECT * FROM pg_temp.try_row('good/nowhere', 'a', 'container');
SELECT * FROM pg_temp.try_row('/good', 'a', 'container');
SELECT * FROM pg_temp.try_row('good/', 'a', 'container');
SELECT * FROM pg_temp.try_row('good//x', 'a', 'container');
SELECT * FROM pg_temp.try_row('', '', 'container');
SELECT * FROM pg_temp.try_row('', 'a/b', 'container');
SELECT * FROM pg_temp.try_row('', repeat('ä', 1024), 'container');
SELECT * FROM pg_temp.try_row('', NULL, 'container');
SELECT * FROM pg_temp.try_row(NULL, 'a', 'container');
SELECT * FROM pg_temp.try_row('', 'good', 'container');

-- families, metadata, specs
SELECT * FROM pg_temp.try_row('', 'a', 'folder');
SELECT * FROM pg_temp.try_row('', 'a', NULL);
SELECT * FROM pg_temp.try_row('', 'a', 'container', '[]');
SELECT * FROM pg_temp.try_row('', 'a', 'container', '"text"');
SELECT * FROM pg_temp.try_row('', 'a', 'container', '{"a": {"b": [1.797e308, -1e400]}}');
SELECT * FROM pg_temp.try_row('', 'a', 'container', '{}', '{}');
SELECT * FROM pg_temp.try_row('', 'a', 'container', '{}', '["XDI"]');
SELECT * FROM pg_temp.try_row('', 'a', 'container', '{}', '[{"version": "1"}]');
SELECT * FROM pg_temp.try_row('', 'a', 'container', '{}', '[{"name": 1}]');
SELECT * FROM pg_temp.try_row('', 'a', 'container', '{}', '[{"name": "a", "nme": "b"}]');
SELECT * FROM pg_temp.try_row('', 'a', 'container', '{}', '[{"name": "a"}, {"name": "a", "version": null}]');
SELECT * FROM pg_temp.try_row('', 'a', 'container', '{}', (SELECT jsonb_agg(jsonb_build_object('name', g)) FROM generate_series(1, 21) g));
SELECT left(error, 60) FROM pg_temp.try_row('', 'a', 'container', '{}', jsonb_build_array(jsonb_build_object('name', repeat('x', 256))));

-- access
SELECT * FROM pg_temp.try_row('', 'a', 'container', tags => '["nobody defined it"]');
SELECT * FROM pg_temp.try_row('', 'a', 'container', tags => '"public"');
SELECT * FROM pg_temp.try_row('', 'a', 'container', tags => '[1]');
SELECT * FROM pg_temp.try_row('', 'a', 'container', tags => jsonb_build_array('user:' || repeat('x', 251)));
SELECT * FROM pg_temp.try_row('', 'a', 'container', blob => '{}');

-- data sources: their JSON
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => '{}');
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => '[1]');
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => replace(pg_temp.source('f')::text, '[3]', '[1e400]'));
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => replace(pg_temp.source('f')::text, '[3]', '["\ud800"]'));
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => replace(pg_temp.source('f')::text, '[3]', '["\u0000"]'));
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => pg_temp.source('f\u0000')::text);
SELECT * FROM pg_temp.try('INSERT INTO batch VALUES ('''', ''a'', ''array'', NULL, NULL, NULL, NULL, ''[{"structure": NaN}]'')');

-- their form
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => replace(pg_temp.source('f')::text, '"mimetype": "image/tiff", ', ''));
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => replace(pg_temp.source('f')::text, '"management": "external",', ''));
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => replace(pg_temp.source('f')::text, 'external', 'borrowed'));
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => replace(pg_temp.source('f')::text, '"array"', '"arrow"'));
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => replace(pg_temp.source('f')::text, '"structure_family": "array", ', ''));
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => replace(pg_temp.source('f')::text, '"mimetype"', '"mime_type"'));
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => replace(pg_temp.source('f')::text, '"image/tiff"', '7'));
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => replace(pg_temp.source('f')::text, 'image/tiff', repeat('x', 256)));
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => replace(pg_temp.source('f')::text, '"external"', '"external", "parameters": []'));
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => replace(pg_temp.source('f')::text, '"external"', '"external", "parameters": {"p": 1e400}'));
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => replace(pg_temp.source('f')::text, '"external"', '"external", "properties": {"p": [-1e309]}'));
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => replace(pg_temp.source('f')::text, '"external"', '"external", "properties": null'));
SELECT error FROM pg_temp.try_row('', 'a', 'array', sources => regexp_replace(pg_temp.source('f')::text, '"structure": \{[^}]*\}', '"structure": 5'));
SELECT error FROM pg_temp.try_row('', 'a', 'array', sources => regexp_replace(pg_temp.source('f')::text, '"assets": \[.*\]\}', '"assets": {}}'));

-- their assets
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => replace(pg_temp.source('f')::text, '"data_uri": "f", ', ''));
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => replace(pg_temp.source('f')::text, '"is_directory": false, ', ''));
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => replace(pg_temp.source('f')::text, 'false', '"no"'));
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => replace(pg_temp.source('f')::text, '"size": 7', '"size": 7.5'));
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => replace(pg_temp.source('f')::text, '"size": 7', '"size": 9223372036854775808'));
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => replace(pg_temp.source('f')::text, '"num": null', '"num": 2147483648'));
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => replace(pg_temp.source('f')::text, '"num": null', '"num": "1"'));
SELECT left(error, 70) FROM pg_temp.try_row('', 'a', 'array', sources => pg_temp.source(repeat('u', 1024))::text);
SELECT left(error, 70) FROM pg_temp.try_row('', 'a', 'array', sources => replace(pg_temp.source('f')::text, '"parameter": "data_uri"', '"parameter": "' || repeat('p', 256) || '"'));

CREATE FUNCTION pg_temp.assets(list text) RETURNS text LANGUAGE sql AS
$$ SELECT regexp_replace(pg_temp.source('f')::text, '"assets": \[.*\]\}', '"assets": [' || list || ']}') $$;
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => pg_temp.assets('{"data_uri": "f", "is_directory": false, "parameter": "p", "num": 0}, {"data_uri": "f", "is_directory": false, "parameter": "p", "num": 1}'));
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => pg_temp.assets('{"data_uri": "f", "is_directory": false, "parameter": "p", "num": 1}, {"data_uri": "g", "is_directory": false, "parameter": "p", "num": 1}'));
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => pg_temp.assets('{"data_uri": "f", "is_directory": false, "parameter": "p", "num": 1}, {"data_uri": "g", "is_directory": false, "parameter": "p"}'));
SELECT * FROM pg_temp.try_row('', 'a', 'array', sources => pg_temp.assets('{"data_uri": "f", "is_directory": false, "parameter": "p"}, {"data_uri": "g", "is_directory": false, "parameter": "p"}'));

-- nothing at all has been written, and no id was used
TABLE pg_temp.counts;
SELECT is_called FROM public.nodes_id_seq;

-- arguments
SELECT * FROM pg_temp.try($$SELECT * FROM catreg.register_nodes('batch', 'public', 'upsert')$$);
SELECT * FROM pg_temp.try($$SELECT * FROM catreg.register_nodes('batch', 'pg_catalog')$$);
SELECT * FROM pg_temp.try($$SELECT * FROM catreg.register_nodes('batch', 'nowhere')$$);
SELECT * FROM pg_temp.try($$SELECT * FROM catreg.register_nodes('nowhere')$$);
CREATE TEMP TABLE narrow (parent text, key text);
SELECT * FROM pg_temp.try($$SELECT * FROM catreg.register_nodes('narrow')$$);
CREATE TEMP TABLE wrong (LIKE catreg.tiled_batch);
ALTER TABLE wrong ALTER data_sources TYPE jsonb;
SELECT * FROM pg_temp.try($$SELECT * FROM catreg.register_nodes('wrong')$$);
BEGIN READ ONLY;
SELECT * FROM catreg.register_nodes('batch');
ROLLBACK;

-- a node that is there
TRUNCATE batch;
INSERT INTO batch VALUES ('', 'a', 'container'), ('a', 'b', 'container');
SELECT * FROM catreg.register_nodes('batch');
DELETE FROM batch WHERE key = 'a';
SELECT * FROM pg_temp.try($$SELECT * FROM catreg.register_nodes('batch')$$);

-- a unique index of one's own: the first attempt is the last
CREATE UNIQUE INDEX serial ON public.nodes ((metadata ->> 'serial'));
TRUNCATE batch;
INSERT INTO batch VALUES ('', 'one', 'container', '{"serial": 1}'), ('', 'two', 'container', '{"serial": 1}');
SELECT last_value AS before FROM public.nodes_id_seq \gset
SELECT * FROM pg_temp.try($$SELECT * FROM catreg.register_nodes('batch')$$);
SELECT last_value - :before AS ids_used FROM public.nodes_id_seq;
