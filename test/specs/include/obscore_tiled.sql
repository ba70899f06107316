-- The nodes and the ObsCore table of obscore_tiled_writers.spec: a specification holds no braces.
SELECT spec.reset();
DELETE FROM public.nodes WHERE id <> 0;
DELETE FROM public.assets;
INSERT INTO public.nodes (id, parent, key, structure_family, metadata, specs) VALUES
    (1, 0, 'top', 'container', '{}', '[]'), (2, 1, 'middle', 'container', '{}', '[]'),
    (3, 2, 'low', 'container', '{}', '[]'), (4, 0, 'other', 'container', '{}', '[]'),
    (5, 3, 'run', 'container', '{"a": 1}', '[{"name": "Run"}]'), (6, 3, 'draft', 'container', '{"a": 1}', '[]');
INSERT INTO public.assets (id, data_uri, is_directory, size) VALUES (1, 'file:///x', false, 1000);
INSERT INTO public.data_sources (id, node_id, mimetype, parameters, properties, management, structure_family) VALUES
    (1, 5, 'text', '{}', '{}', 'external', 'array'), (2, 6, 'text', '{}', '{}', 'external', 'array');
SELECT pg_catalog.setval('public.nodes_id_seq', 100);
SELECT catreg.create_obscore('{"source": "tiled", "nodes": {"specs": ["Run"]},
    "columns": {"obs_id": {"node": "path"}, "access_url": {"node": "data_uri", "optional": true},
                "access_format": {"node": "mimetype"}, "access_estsize": {"node": "size", "optional": true}},
    "extra_columns": {"a": {"metadata": "a", "type": "int"}}}', name => 'published');
-- a node below low, that shares the asset, of whose size it says nothing
SELECT spec.batch('shares', '', 'top/middle/low/new file:///x 3');
UPDATE spec.shares SET specs = '[{"name": "Run"}]', metadata = '{"a": 1}',
    data_sources = (SELECT jsonb_agg(jsonb_set(s, '{assets}', (SELECT jsonb_agg(a - 'size') FROM jsonb_array_elements(s -> 'assets') a)))
                    FROM jsonb_array_elements(data_sources::jsonb) s)::json;
