-- Python's text of values, and its values of text: what templates are made of ---

CREATE FUNCTION catreg.python_str(value float8) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'python_str_float';
COMMENT ON FUNCTION catreg.python_str(float8) IS
    'Python''s str() of a float';
CREATE FUNCTION catreg.python_str(value boolean) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'python_str_bool';
COMMENT ON FUNCTION catreg.python_str(boolean) IS
    'Python''s str() of a boolean';
CREATE FUNCTION catreg.python_repr(value text) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.python_repr(text) IS
    'Python''s repr() of a text';
CREATE FUNCTION catreg.python_ascii(value text) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.python_ascii(text) IS
    'Python''s ascii() of a text';

CREATE FUNCTION catreg.python_format(value text, spec text) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'python_format_text';
COMMENT ON FUNCTION catreg.python_format(text, text) IS
    'Python''s format() of a text; NULL where Python raises an error';
CREATE FUNCTION catreg.python_format(value bigint, spec text) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'python_format_bigint';
COMMENT ON FUNCTION catreg.python_format(bigint, text) IS
    'Python''s format() of an integer; NULL where Python raises an error';
CREATE FUNCTION catreg.python_format(value float8, spec text) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'python_format_double';
COMMENT ON FUNCTION catreg.python_format(float8, text) IS
    'Python''s format() of a float; NULL where Python raises an error';
CREATE FUNCTION catreg.python_format(value boolean, spec text) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'python_format_boolean';
COMMENT ON FUNCTION catreg.python_format(boolean, text) IS
    'Python''s format() of a boolean; NULL where Python raises an error';

CREATE FUNCTION catreg.python_not_none(value anyelement, problem text) RETURNS anyelement
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.python_not_none(anyelement, text) IS
    'the value; where it is NULL, the problem is reported as that of a template';
CREATE FUNCTION catreg.timespan_bound(nanoseconds bigint, problem text) RETURNS bigint
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.timespan_bound(bigint, text) IS
    'an end of a Butler''s timespan; where there is none, the problem is reported as that of a template';

CREATE FUNCTION catreg.python_int(value text) RETURNS bigint
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.python_int(text) IS
    'Python''s int() of a text; NULL where Python raises an error, or where it is out of range';
CREATE FUNCTION catreg.python_float(value text) RETURNS float8
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.python_float(text) IS
    'Python''s float() of a text; NULL where Python raises an error';
CREATE FUNCTION catreg.python_bool(value text) RETURNS boolean
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.python_bool(text) IS
    'Python''s bool(int()) of a text; NULL where Python raises an error';
