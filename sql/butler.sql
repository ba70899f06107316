-- butler ------------------------------------------------------------------

CREATE FUNCTION catreg.match_collections(patterns text[], registry regnamespace DEFAULT 'public'::text::regnamespace,
        OUT name text, OUT type text)
    RETURNS SETOF record LANGUAGE c STABLE STRICT ROWS 100 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.match_collections(text[], regnamespace) IS
    'the collections that names, globs and regular expressions (~...) choose, chains as they are';

CREATE FUNCTION catreg.flatten_collections(names text[], registry regnamespace DEFAULT 'public'::text::regnamespace,
        OUT "position" int, OUT name text, OUT type text)
    RETURNS SETOF record LANGUAGE c STABLE STRICT ROWS 100 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.flatten_collections(text[], regnamespace) IS
    'the search path that collections stand for: chains give way to their members, depth first';

CREATE FUNCTION catreg.match_dataset_types(patterns text[], registry regnamespace DEFAULT 'public'::text::regnamespace,
        OUT name text)
    RETURNS SETOF text LANGUAGE c STABLE STRICT ROWS 100 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.match_dataset_types(text[], regnamespace) IS
    'the dataset types that names, globs and regular expressions (~...) choose';

