-- butler: dimension records -----------------------------------------------

CREATE FUNCTION catreg.ingest_dimensions(batch regclass, element text, on_conflict text DEFAULT 'error',
        registry regnamespace DEFAULT 'public'::text::regnamespace) RETURNS bigint
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.ingest_dimensions(regclass, text, text, regnamespace) IS
    'writes dimension records with the sky pixels that their regions touch, as a client of the Butler does; returns how many';
