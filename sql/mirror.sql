-- mirror ------------------------------------------------------------------

CREATE TABLE catreg.mirror (
    relation regclass PRIMARY KEY,
    server name NOT NULL,
    remote_schema name NOT NULL,
    remote_table name NOT NULL,
    whole boolean NOT NULL,
    remote_state text,
    remote_xmin numeric,
    local_state text,
    local_xid numeric,
    local_file text,
    local_lsn pg_lsn,
    refreshed timestamptz
);
COMMENT ON TABLE catreg.mirror IS 'the tables that catreg keeps equal to those of other servers; written by create_mirror(), refresh_mirror() and drop_mirror() only';
COMMENT ON COLUMN catreg.mirror.whole IS 'true: all tables of the schema are mirrored, those that are made later as well';
COMMENT ON COLUMN catreg.mirror.remote_state IS 'which table of which run of the server it was last equal to; NULL: rows are to be compared';
COMMENT ON COLUMN catreg.mirror.remote_xmin IS 'the oldest transaction there that had not ended then';
COMMENT ON COLUMN catreg.mirror.local_state IS 'print of the rows here then: their number, a sum over their versions, their columns';
COMMENT ON COLUMN catreg.mirror.local_xid IS 'the transaction here that took the print';
COMMENT ON COLUMN catreg.mirror.local_file IS 'which file of which cluster held the rows then, and how long it was';
COMMENT ON COLUMN catreg.mirror.local_lsn IS 'where the log ended then: a page written since is of a later place';
COMMENT ON COLUMN catreg.mirror.refreshed IS 'when the table was last made equal to the remote''s';
SELECT pg_catalog.pg_extension_config_dump('catreg.mirror', '');
GRANT SELECT ON catreg.mirror TO PUBLIC;

CREATE FUNCTION catreg.mirror_validator(options text[], catalog oid) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.mirror_validator(text[], oid) IS
    'internal: checks the options of a server or a user mapping';

CREATE FOREIGN DATA WRAPPER catreg VALIDATOR catreg.mirror_validator;
COMMENT ON FOREIGN DATA WRAPPER catreg IS 'where catalogs are that can be mirrored, and how to log in';

CREATE FUNCTION catreg.create_mirror(server name, remote_schema name, local_schema name, tables text[] DEFAULT NULL) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.create_mirror(name, name, name, text[]) IS
    'copies the tables of a schema on another server, all or those named, with their keys and indexes';

CREATE FUNCTION catreg.refresh_mirror(local_schema name,
        OUT table_name name, OUT inserted bigint, OUT updated bigint, OUT deleted bigint)
    RETURNS SETOF record LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.refresh_mirror(name) IS
    'makes a mirror equal to what the other server has now; reads what has changed';

CREATE FUNCTION catreg.check_mirror(local_schema name, OUT table_name name, OUT problem text)
    RETURNS SETOF record LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.check_mirror(name) IS
    'what is not the same in a mirror and on the other server, every row compared; no row means equal';

CREATE FUNCTION catreg.drop_mirror(local_schema name) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.drop_mirror(name) IS
    'drops the tables of a mirror';

CREATE FUNCTION catreg.mirror_follow_drop() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    DELETE FROM catreg.mirror m USING pg_event_trigger_dropped_objects() o
    WHERE o.classid = 'pg_class'::regclass AND o.objsubid = 0 AND o.objid = m.relation;
END
$$;
COMMENT ON FUNCTION catreg.mirror_follow_drop() IS
    'event trigger: lets go of a mirrored table that is dropped';

CREATE EVENT TRIGGER catreg_mirror_drop ON sql_drop
    EXECUTE FUNCTION catreg.mirror_follow_drop();
-- under session_replication_role = replica too
ALTER EVENT TRIGGER catreg_mirror_drop ENABLE ALWAYS;

