-- What every tiled_*.spec begins with: a catalog made by the real Tiled, in
-- schema public, once for all specs; functions to fill it and to look at it, in
-- schema spec.  A spec cannot hold a closing brace, so JSON is written here.
--
-- The specs read it by the server's own environment, which it inherits from
-- pg_isolation_regress where that starts the server (--temp-instance).
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
DO $$
BEGIN
    IF to_regclass('public.nodes') IS NULL THEN
        EXECUTE pg_read_file((SELECT min(directory) FROM spec_environment) || '/fixtures/tiled_0.2.20.sql');
    END IF;
END
$$;
CREATE SCHEMA IF NOT EXISTS spec;

-- a table spec.NAME with a node for each item: 'path', a container, or
-- 'path uri shape', an array with one asset; with metadata where it is not empty
CREATE OR REPLACE FUNCTION spec.batch(name text, metadata text, VARIADIC items text[]) RETURNS void LANGUAGE plpgsql AS
$$
BEGIN
    EXECUTE format('DROP TABLE IF EXISTS spec.%1$I; CREATE TABLE spec.%1$I (LIKE catreg.tiled_batch)', name);
    EXECUTE format($q$
        INSERT INTO spec.%I
        SELECT coalesce(substring(part[1] from '(.*)/'), ''), substring(part[1] from '[^/]*$'),
            CASE WHEN part[2] IS NULL THEN 'container' ELSE 'array' END,
            CASE WHEN $2 <> '' THEN jsonb_build_object('of', $2) END, NULL, NULL, NULL,
            CASE WHEN part[2] IS NOT NULL THEN
                format('[{"structure_family": "array", "mimetype": "image/tiff", "management": "external",
                          "structure": {"shape": [%%s]},
                          "assets": [{"data_uri": "%%s", "is_directory": false, "size": %%s, "parameter": "data_uri", "num": null}]}]',
                       part[3], part[2], coalesce(part[4], '7'))::json
            END
        FROM unnest($1) WITH ORDINALITY u (item, position), string_to_array(item, ' ') part ORDER BY position $q$, name)
    USING items, metadata;
END
$$;

CREATE OR REPLACE FUNCTION spec.attached() RETURNS boolean LANGUAGE sql AS
$$ SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'nodes'::regclass AND tgfoid = 'catreg.maintain_closure'::regproc) $$;

-- an empty catalog, attached, and then the nodes of 'start':
--
--      a - b - s1 (asset u1, structure 1)
--        |   \ s2 (asset u2, structure 2)
--        \ c      (asset u3, structure 1)
--      d - e      (asset u1, structure 3)
CREATE OR REPLACE FUNCTION spec.reset() RETURNS void LANGUAGE plpgsql AS
$$
BEGIN
    DELETE FROM nodes WHERE id <> 0;
    DELETE FROM assets;
    DELETE FROM structures;
    ALTER SEQUENCE nodes_id_seq RESTART;
    ALTER SEQUENCE data_sources_id_seq RESTART;
    ALTER SEQUENCE assets_id_seq RESTART;
    PERFORM catreg.attach_tiled() WHERE NOT spec.attached();
    PERFORM spec.batch('start', '', 'a', 'a/b', 'a/b/s1 u1 1', 'a/b/s2 u2 2', 'a/c u3 1', 'd', 'd/e u1 3');
    PERFORM catreg.register_nodes('spec.start');
END
$$;

-- the nodes, and what they use; what nothing uses
CREATE OR REPLACE VIEW spec.contents AS
    WITH RECURSIVE paths (id, path) AS (
        SELECT id, '' FROM nodes WHERE parent IS NULL
        UNION ALL SELECT n.id, p.path || '/' || n.key FROM paths p JOIN nodes n ON n.parent = p.id)
    SELECT substr(p.path, 2) AS path, n.metadata ->> 'of' AS metadata,
        (SELECT max(revision_number) FROM revisions r WHERE r.node_id = n.id) AS revisions,
        string_agg(a.data_uri || coalesce('=' || nullif(a.size, 7), ''), ' ' ORDER BY a.data_uri) AS assets,
        string_agg(s.structure -> 'shape' ->> 0, ' ' ORDER BY s.structure) AS structures
    FROM paths p JOIN nodes n ON n.id = p.id LEFT JOIN data_sources d ON d.node_id = n.id LEFT JOIN structures s ON s.id = d.structure_id
        LEFT JOIN data_source_asset_association x ON x.data_source_id = d.id LEFT JOIN assets a ON a.id = x.asset_id
    WHERE n.id <> 0 GROUP BY p.path, n.id
    UNION ALL
    SELECT '(unused)', NULL, NULL, data_uri, NULL FROM assets a WHERE NOT EXISTS (SELECT FROM data_source_asset_association x WHERE x.asset_id = a.id)
    UNION ALL
    SELECT '(unused)', NULL, NULL, NULL, structure -> 'shape' ->> 0 FROM structures s WHERE NOT EXISTS (SELECT FROM data_sources d WHERE d.structure_id = s.id);

-- no row: the closure is that of the tree, nothing refers to what is not there,
-- and nothing is there twice
CREATE OR REPLACE VIEW spec.wrong AS
    WITH RECURSIVE pairs (ancestor, descendant, depth) AS (
        SELECT id, id, 0 FROM nodes
        UNION ALL SELECT n.parent, p.descendant, p.depth + 1 FROM pairs p JOIN nodes n ON n.id = p.ancestor WHERE n.parent IS NOT NULL)
    SELECT 'closure' AS problem, row(x.*)::text AS what FROM (TABLE nodes_closure EXCEPT ALL TABLE pairs) x
    UNION ALL SELECT 'no closure', row(x.*)::text FROM (TABLE pairs EXCEPT ALL TABLE nodes_closure) x
    UNION ALL SELECT 'check_closure', row(x.*)::text FROM spec.attached() a CROSS JOIN LATERAL catreg.check_closure(CASE WHEN a THEN 'nodes'::regclass END) x
    UNION ALL SELECT 'parent', row(n.id, n.parent)::text FROM nodes n WHERE parent NOT IN (SELECT id FROM nodes)
    UNION ALL SELECT 'source of no node', d.id::text FROM data_sources d WHERE node_id NOT IN (SELECT id FROM nodes)
    UNION ALL SELECT 'source of no structure', d.id::text FROM data_sources d WHERE structure_id NOT IN (SELECT id FROM structures)
    UNION ALL SELECT 'use by no source', row(x.*)::text FROM data_source_asset_association x WHERE data_source_id NOT IN (SELECT id FROM data_sources)
    UNION ALL SELECT 'use of no asset', row(x.*)::text FROM data_source_asset_association x WHERE asset_id NOT IN (SELECT id FROM assets)
    UNION ALL SELECT 'revision of no node', r.id::text FROM revisions r WHERE node_id NOT IN (SELECT id FROM nodes)
    UNION ALL SELECT 'tag of no node', x.node_id::text FROM node_access_tags_association x WHERE node_id NOT IN (SELECT id FROM nodes)
    UNION ALL SELECT 'asset twice', data_uri FROM assets GROUP BY data_uri HAVING count(*) > 1
    UNION ALL SELECT 'structure twice', id FROM structures GROUP BY id HAVING count(*) > 1
    UNION ALL SELECT 'node twice', row(parent, key)::text FROM nodes GROUP BY parent, key HAVING count(*) > 1;
