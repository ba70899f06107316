# Mirrors of servers of other major versions, and mirrors there of this one: of
# every version that is installed beside this one, as Debian and others have them
# (.../15/bin, .../17/bin), and that CATREG_OTHER_INSTALLS names, by the folders that
# hold a bin, separated by colons. A mirror is made there if catreg is installed there.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($ours) = run_command([ 'pg_config', '--bindir' ]);
my @others = (split(/:/, $ENV{CATREG_OTHER_INSTALLS} // ''),
	grep { -x "$_/bin/initdb" && "$_/bin" ne $ours } glob($ours =~ s{/[^/]+/bin$}{/*}r));
# older ones are not supported
@others = grep { (run_command([ "$_/bin/postgres", '--version' ]))[0] =~ /\) (\d+)/ && $1 >= 13 } @others;
plan(skip_all => 'no other version is installed beside this one; CATREG_OTHER_INSTALLS may name some') if !@others;

my $source = q{
	CREATE SCHEMA "Source";
	SET search_path = "Source";
	CREATE TYPE mood AS ENUM ('sad', 'it''s ok', 'happy');
	CREATE TABLE parent (
		id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "Name" varchar(20) COLLATE "C" UNIQUE, mood mood DEFAULT 'sad', moods mood[],
		i2 int2, f4 float4, f8 float8, n numeric(20, 5), b bytea, u uuid DEFAULT gen_random_uuid(), j json, jb jsonb, d date, t time, ttz timetz,
		ts timestamp, tstz timestamptz, iv interval, ip inet, mac macaddr8, bits varbit(9), r int4range, mr nummultirange, p point,
		tsv tsvector, x xml, m money, a int[][], c "char", nm name, twice bigint GENERATED ALWAYS AS (i2 * 2) STORED, CHECK (i2 >= 0));
	CREATE TABLE child (parent bigint REFERENCES parent ON DELETE CASCADE, k text, v text, PRIMARY KEY (parent, k));
	CREATE INDEX ON child (k text_pattern_ops DESC) INCLUDE (v) WHERE v IS NOT NULL;
	CREATE TABLE part (day date NOT NULL, id int, v text, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
	CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
	CREATE TABLE part_2 PARTITION OF part DEFAULT;
	CREATE TABLE unkeyed (a int, b float8);
	CREATE TABLE slot (who int UNIQUE NOT NULL, during int8range, EXCLUDE USING gist (during WITH &&));
	INSERT INTO parent ("Name", mood, moods, i2, f4, f8, n, b, j, jb, d, t, ttz, ts, tstz, iv, ip, mac, bits, r, mr, p, tsv, x, m, a, c, nm)
	SELECT 'n' || i, (enum_range(NULL::mood))[1 + i % 3], ARRAY['happy', NULL, 'it''s ok']::mood[], i % 100, i / 7.0, i / 3.0 * 10 ^ (i % 60 - 30), i * 1.5,
		decode(md5(i::text), 'hex'), ('{"a":  1.0, "a": ' || i || '}')::json, jsonb_build_object('i', i, 'x', 'é'), date '1999-12-31' + i, time '01:02:03.456789',
		'01:02:03+05', timestamp '1066-10-14' + i * interval '1 day', timestamptz '2020-01-01' + i * interval '1 hour', i * interval '1 day 2 hours',
		'10.0.0.0/8', '08:00:2b:01:02:03:04:05', B'101', int4range(i, i + 2), nummultirange(numrange(i, i + 1)), point(i, 0.1), to_tsvector('simple', 'a b ' || i),
		'<a/>', i, ARRAY[[i, 2], [NULL, 4]], 'z', 'nm' || i
	FROM generate_series(1, 2000) i;
	INSERT INTO child SELECT 1 + i % 2000, E'k\\\\\t' || i, nullif(repeat('v', i % 50), '') FROM generate_series(1, 5000) i;
	INSERT INTO part SELECT date '2020-06-01' + i, i, 'p' FROM generate_series(1, 500) i;
	INSERT INTO unkeyed SELECT i, 'NaN' FROM generate_series(1, 50) i;
	INSERT INTO slot SELECT i, int8range(i, i + 1) FROM generate_series(1, 20) i};

my $edits = q{
	SET search_path = "Source";
	UPDATE parent SET f8 = f8 * 1.0000000000000002 WHERE id % 400 = 3;
	DELETE FROM parent WHERE id IN (SELECT id FROM parent ORDER BY id LIMIT 5);
	DELETE FROM child WHERE k IN (SELECT k FROM child ORDER BY k LIMIT 3);
	INSERT INTO parent ("Name", i2) SELECT 'new' || clock_timestamp()::time, 7;
	UPDATE part SET day = day - 365 WHERE id % 100 = 0;
	DELETE FROM part WHERE id = (SELECT min(id) FROM part);
	INSERT INTO unkeyed VALUES (1, 2), (1, 2)};

sub contents
{
	my ($node, $schema) = @_;
	my $union = join(' UNION ALL ', map { qq{SELECT '$_', count(*), md5(string_agg(t::text, '|' ORDER BY t::text COLLATE "C")) FROM "$schema".$_ t} }
		qw(parent child part unkeyed slot));
	return $node->safe_psql('postgres', "SET timezone = 'UTC'; SET lc_monetary = 'C'; $union");
}

sub has_catreg
{
	my ($node) = @_;
	return $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'catreg'});
}

sub mirrors
{
	my ($name, $there, $here) = @_;
	my $changed = q{SELECT string_agg(table_name, ' ' ORDER BY table_name COLLATE "C") FROM catreg.refresh_mirror('Mirror') WHERE inserted + updated + deleted > 0};

	# not every build has libxml
	$there->safe_psql('postgres', (grep { $_->psql('postgres', q{SELECT xml '<a/>'}) != 0 } $there, $here) ? $source =~ s/x xml/x text/r : $source);
	$there->safe_psql('postgres', $_) for 'CREATE ROLE hasty SUPERUSER LOGIN', q{ALTER ROLE hasty SET statement_timeout = '50ms'}, 'ALTER ROLE hasty SET quote_all_identifiers = on';
	$there->safe_psql('postgres', q{ALTER ROLE hasty SET transaction_timeout = '100ms'}) if $there->safe_psql('postgres', 'SHOW server_version_num') >= 170000;
	$here->safe_psql('postgres', q{
		CREATE EXTENSION catreg;
		CREATE SERVER there FOREIGN DATA WRAPPER catreg OPTIONS (host '} . $there->host . q{', port '} . $there->port . q{', dbname 'postgres');
		CREATE USER MAPPING FOR CURRENT_USER SERVER there OPTIONS (user 'hasty');
		SELECT catreg.create_mirror('there', 'Source', 'Mirror')});
	is(contents($here, 'Mirror'), contents($there, 'Source'), "$name: the first copy");
	is($here->safe_psql('postgres', $changed), '', "$name: nothing to do");
	$there->safe_psql('postgres', $edits);
	is($here->safe_psql('postgres', $changed), 'child parent part unkeyed', "$name: a refresh");
	is(contents($here, 'Mirror'), contents($there, 'Source'), "$name: equal");
	$there->safe_psql('postgres', $edits);
	$there->restart;
	like($here->safe_psql('postgres', q{SELECT * FROM catreg.check_mirror('Mirror')}), qr/^parent\|rows that differ/m, "$name: check_mirror");
	is($here->safe_psql('postgres', $changed), 'child parent part unkeyed', "$name: by comparison");
	is(contents($here, 'Mirror'), contents($there, 'Source'), "$name: equal again");
	is($here->safe_psql('postgres', q{SELECT * FROM catreg.check_mirror('Mirror')}), '', "$name: check_mirror has nothing to say");
	is($here->safe_psql('postgres', q{INSERT INTO "Mirror".parent ("Name") VALUES ('own') RETURNING id > (SELECT max(id) FROM "Mirror".parent)}), 't', "$name: ids go on");
}

my $local = PostgreSQL::Test::Cluster->new('local');
$local->init;
$local->start;
foreach my $other (@others)
{
	my $node = PostgreSQL::Test::Cluster->new($other =~ s/\W+/_/gr, install_path => $other);
	$node->init;
	$node->start;
	my ($version, $here) = map { int($_->safe_psql('postgres', 'SHOW server_version_num') / 10000) } $node, $local;
	mirrors("$here mirrors $version", $node, $local);
	$local->safe_psql('postgres', q{SELECT catreg.drop_mirror('Mirror'); DROP EXTENSION catreg CASCADE});
	SKIP:
	{
		skip "catreg is not installed for $version", 9 if !has_catreg($node);
		$node->safe_psql('postgres', 'DROP SCHEMA "Source" CASCADE');
		mirrors("$version mirrors $here", $local, $node);
	}
	$local->safe_psql('postgres', 'DROP SCHEMA IF EXISTS "Source" CASCADE; DROP ROLE IF EXISTS hasty');
	$node->stop;
}
$local->stop;
done_testing();
