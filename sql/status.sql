
-- everywhere --------------------------------------------------------------

CREATE VIEW catreg.status AS
    SELECT c.closure AS name, 'closure' AS kind, c.tree::text AS source,
           pg_catalog.pg_get_userbyid(r.relowner) AS owner,
           (SELECT pg_catalog.count(*) = 5 FROM pg_catalog.pg_trigger t
            WHERE t.tgrelid = c.tree AND t.tgenabled <> 'D'
              AND t.tgname IN ('catreg_closure_insert', 'catreg_closure_update', 'catreg_closure_delete',
                               'catreg_closure_truncate', 'catreg_closure_collect')) AS triggers,
           c.refreshed AS last_refresh
    FROM catreg.closure c LEFT JOIN pg_catalog.pg_class r ON r.oid = c.closure
    UNION ALL
    SELECT o.obscore, 'obscore', catreg.schema_of_registry(o.registry)::text, pg_catalog.pg_get_userbyid(r.relowner),
           catreg.obscore_has_triggers(o.obscore),
           o.refreshed
    FROM catreg.obscore o LEFT JOIN pg_catalog.pg_class r ON r.oid = o.obscore
    UNION ALL
    SELECT m.relation, 'mirror', pg_catalog.format('%I.%I on server %I', m.remote_schema, m.remote_table, m.server),
           pg_catalog.pg_get_userbyid(r.relowner), NULL, m.refreshed
    FROM catreg.mirror m LEFT JOIN pg_catalog.pg_class r ON r.oid = m.relation;
COMMENT ON VIEW catreg.status IS 'each derived table, its source and owner, whether its triggers are in place, and when it was last compared as a whole';
COMMENT ON COLUMN catreg.status.triggers IS 'are all triggers on the source there and enabled? NULL where it cannot be told, and for a mirror, which has none';
COMMENT ON COLUMN catreg.status.last_refresh IS 'when the whole table was last compared with its source, by rebuild_closure() or its like';
GRANT SELECT ON catreg.status TO PUBLIC;
