-- What the closure tests compare with: closure_is(tree) computes the closure of
-- a tree by a recursive query that shares nothing with catreg's, and returns
-- 'right, n rows' or the first differences.  The definition says what the tables
-- and columns are called.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;

CREATE OR REPLACE FUNCTION public.closure_is(tree regclass) RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog SET jit = off AS
$$
DECLARE
    d catreg.closure;
    wrong text;
    n bigint;
BEGIN
    SELECT * INTO STRICT d FROM catreg.closure c WHERE c.tree = closure_is.tree;
    EXECUTE format($query$
        WITH RECURSIVE nodes (id, parent) AS (SELECT %1$I::bigint, %2$I::bigint FROM %3$s),
        up (ancestor, descendant, depth, next) AS (
            SELECT id, id, 0, parent FROM nodes
            UNION ALL
            SELECT n.id, u.descendant, u.depth + 1, n.parent FROM up u JOIN nodes n ON n.id = u.next),
        expected AS (SELECT ancestor, descendant, depth FROM up),
        found AS (SELECT %4$I::bigint AS ancestor, %5$I::bigint AS descendant, %6$I AS depth FROM %7$s),
        wrong AS (
            (SELECT 'missing' AS what, m.* FROM (TABLE expected EXCEPT ALL TABLE found) m)
            UNION ALL
            (SELECT 'too much', m.* FROM (TABLE found EXCEPT ALL TABLE expected) m)
            UNION ALL
            (SELECT 'check_closure', c.ancestor, c.descendant, c.depth FROM catreg.check_closure(%8$s) c))
        SELECT (SELECT string_agg(concat_ws(' ', what, ancestor, descendant, depth), ', ')
                FROM (SELECT * FROM wrong ORDER BY what, descendant, ancestor LIMIT 10) w),
               (SELECT count(*) FROM found)
        $query$, d.id, d.parent, d.tree, d.ancestor, d.descendant, d.depth, d.closure, d.tree::oid)
    INTO wrong, n;
    RETURN coalesce('WRONG: ' || wrong, format('right, %s rows', n));
END
$$;
RESET client_min_messages;
