-- structure_id: the canonical text's rules, one by one; test/unit has the rest
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
RESET client_min_messages;
SELECT catreg.structure_id('{}') = md5('{}') AS empty,
       catreg.structure_id(' { "b" : 1 , "a" : [ 1, 2 ] } ') = md5('{"a":[1,2],"b":1}') AS sorted,
       catreg.structure_id('{"a": 1, "a": 2}') = md5('{"a":2}') AS last_wins,
       catreg.structure_id('[1.0, 1e16, 1e-7, -0.0, -0, 100000000000000000000]') = md5('[1.0,1e+16,1e-07,-0.0,0,100000000000000000000]') AS numbers,
       catreg.structure_id('["\u00e9\/\u001f\n"]') = md5(E'["é/\\u001f\\n"]') AS texts,
       catreg.structure_id('1e16') <> catreg.structure_id('1e16'::json::jsonb::text::json) AS not_from_jsonb;
SELECT catreg.structure_id('{"shape": [200], "chunks": [[200]], "dims": null, "resizable": false,
    "data_type": {"kind": "f", "itemsize": 8, "dt_units": null, "endianness": "little"}}');
SELECT catreg.structure_id(NULL) IS NULL AS strict;
SELECT catreg.structure_id('{"a": 1e400}');
SELECT catreg.structure_id('["\ud800"]');
SELECT catreg.structure_id((repeat('[', 2000) || repeat(']', 2000))::json);
