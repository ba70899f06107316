# Mirrors of servers of every kind: of a streaming replica, also when it becomes
# the primary, of a database in another encoding, of one that crashes; a mirror
# that is dumped and restored, and one that is on a replica itself.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "wal_keep_size = '1GB'\nrestart_after_crash = on");
$primary->start;
$primary->safe_psql('postgres', q{CREATE DATABASE catalog TEMPLATE template0 ENCODING 'UTF8'});
$primary->safe_psql('catalog', q{
	CREATE TABLE tree (id serial PRIMARY KEY, parent int REFERENCES tree ON DELETE CASCADE, name text, at timestamptz DEFAULT now());
	CREATE INDEX ON tree (parent);
	CREATE TABLE tree_closure (ancestor int REFERENCES tree ON DELETE CASCADE, descendant int REFERENCES tree ON DELETE CASCADE, depth int NOT NULL, PRIMARY KEY (ancestor, descendant));
	CREATE TABLE pair (a text, b uuid DEFAULT gen_random_uuid(), v jsonb, PRIMARY KEY (a, b));
	INSERT INTO tree (parent, name) SELECT nullif(i / 3, 0), 'ä' || i FROM generate_series(1, 3000) i;
	INSERT INTO pair (a, v) SELECT 'é' || i, jsonb_build_object('i', i) FROM generate_series(1, 2000) i;
});
$primary->backup('base');
my $replica = PostgreSQL::Test::Cluster->new('replica');
$replica->init_from_backup($primary, 'base', has_streaming => 1);
$replica->start;

my $local = PostgreSQL::Test::Cluster->new('local');
$local->init(allows_streaming => 1);
$local->start;
$local->safe_psql('postgres', q{CREATE DATABASE catalog TEMPLATE template0 ENCODING 'UTF8'});

sub make_server
{
	my ($name, $node, $database) = @_;
	$local->safe_psql('catalog', "CREATE SERVER $name FOREIGN DATA WRAPPER catreg OPTIONS (host '" . $node->host . "', port '" . $node->port
		. "', dbname '$database'); CREATE USER MAPPING FOR CURRENT_USER SERVER $name");
}
$local->safe_psql('catalog', 'CREATE EXTENSION catreg');
make_server('replica', $replica, 'catalog');

my $contents = q{SET timezone = 'UTC';
	SELECT count(*), md5(string_agg(t::text, '|' ORDER BY id)) FROM tree t UNION ALL
	SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text COLLATE "C")) FROM pair t};

sub is_equal
{
	my ($name, $node, $schema, $database) = @_;
	is($local->safe_psql($database // 'catalog', "SET search_path = $schema; $contents"), $node->safe_psql('catalog', $contents), "$name: equal");
}

my $changed = q{SELECT string_agg(table_name || ' ' || inserted || ' ' || updated || ' ' || deleted, ', ' ORDER BY table_name)
	FROM catreg.refresh_mirror('mirror') WHERE inserted + updated + deleted > 0};
my $edits = q{
	UPDATE tree SET name = name || 'x' WHERE id % 100 = 1;
	DELETE FROM tree WHERE id % 500 = 2 AND id > 1000;
	INSERT INTO tree (parent, name) VALUES (7, 'new');
	DELETE FROM pair WHERE a = 'é' || (SELECT count(*) / 2 FROM pair);
	INSERT INTO pair (a) VALUES ('other')};

# ---------------------------------------------------- of a streaming replica

$local->safe_psql('catalog', q{SELECT catreg.create_mirror('replica', 'public', 'mirror', '{tree,tree_closure,pair}')});
is_equal('a mirror of a replica', $replica, 'mirror');
$local->safe_psql('catalog', q{SELECT catreg.create_closure('mirror.tree', 'mirror.tree_closure')});
is($local->safe_psql('catalog', q{SELECT count(*) FROM catreg.check_closure('mirror.tree')}), '0', 'it has a closure of its own');
$primary->safe_psql('catalog', $edits);
$primary->wait_for_catchup($replica);
is($local->safe_psql('catalog', $changed), 'pair 1 0 1, tree 1 30 4', 'a refresh writes what has changed');
is_equal('refreshed', $primary, 'mirror');
is($local->safe_psql('catalog', q{SELECT count(*) FROM catreg.check_closure('mirror.tree')}), '0', 'its closure has followed');
is($local->safe_psql('catalog', 'SELECT count(*) > 3000 FROM mirror.tree_closure'), 't', 'it is there');

$primary->stop;
$replica->promote;
$replica->safe_psql('catalog', $edits);
is($local->safe_psql('catalog', $changed), 'pair 1 0 0, tree 1 31 0', 'the replica has become the primary');
is_equal('promoted', $replica, 'mirror');

# ------------------------------------------------------------ of one that crashes

# a transaction that is lost may have been seen, and its number is given again
$replica->append_conf('postgresql.conf', "synchronous_commit = off\nwal_writer_delay = 10s\nautovacuum = off");
$replica->reload;
$replica->safe_psql('catalog', q{CHECKPOINT; INSERT INTO tree (parent, name) VALUES (1, 'lost ' || txid_current())});
$local->safe_psql('catalog', $changed);
is($local->safe_psql('catalog', q{SELECT count(*) FROM mirror.tree WHERE name ~ '^lost'}), '1', 'a row is seen');
my $state = $local->safe_psql('catalog', q{SELECT remote_state FROM catreg.mirror WHERE relation = 'mirror.tree'::regclass});
my $victim = $replica->background_psql('postgres');
my $pid = $victim->query('SELECT pg_backend_pid()');
kill('KILL', $pid);
eval { $victim->quit; };
sleep(1);
$replica->poll_query_until('catalog', 'SELECT true');
my $lost = $replica->safe_psql('catalog', q{SELECT count(*) FROM tree WHERE name ~ '^lost'});
note("rows that the crash has left: $lost");
$replica->safe_psql('catalog', q{INSERT INTO tree (id, parent, name) VALUES (9000, 1, 'found ' || txid_current())});
$local->safe_psql('catalog', $changed);
is_equal('after a crash', $replica, 'mirror');
isnt($local->safe_psql('catalog', q{SELECT remote_state FROM catreg.mirror WHERE relation = 'mirror.tree'::regclass}), $state,
	'transactions of before the crash are not trusted');

# ------------------------------------------------------------- in another encoding

$replica->safe_psql('postgres', q{CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'});
$replica->safe_psql('latin', q{
	SET client_encoding = 'UTF8';
	CREATE TABLE t (k text PRIMARY KEY, v text, n serial);
	INSERT INTO t SELECT 'ä' || i, 'é' || i FROM generate_series(1, 1000) i});
make_server('latin', $replica, 'latin');
my $texts = q{SET client_encoding = 'UTF8'; SELECT md5(string_agg(k || v, '|' ORDER BY n)) FROM %st};

# md5() of what is UTF8 there, too
sub all_of
{
	my ($node, $database, $schema) = @_;
	return $node->safe_psql($database, "SET client_encoding = 'UTF8'; SELECT n, k, v FROM ${schema}t ORDER BY n");
}
$local->safe_psql('catalog', q{SET client_encoding = 'LATIN1'; SELECT catreg.create_mirror('latin', 'public', 'latin')});
is(all_of($local, 'catalog', 'latin.'), all_of($replica, 'latin', ''), 'a mirror of LATIN1 in UTF8, asked for in LATIN1');
$replica->safe_psql('latin', q{SET client_encoding = 'UTF8'; UPDATE t SET v = 'ü' WHERE n = 4; DELETE FROM t WHERE k = 'ä7'; INSERT INTO t VALUES ('ö')});
$local->safe_psql('catalog', q{UPDATE catreg.mirror SET remote_state = NULL});
is($local->safe_psql('catalog', q{SELECT * FROM catreg.refresh_mirror('latin')}), 't|1|1|1', 'compared');
is(all_of($local, 'catalog', 'latin.'), all_of($replica, 'latin', ''), 'and equal');
$replica->safe_psql('latin', q{SET client_encoding = 'UTF8'; UPDATE t SET v = 'û' WHERE n = 5; DELETE FROM t WHERE k = 'ä8'});
is($local->safe_psql('catalog', q{SET client_encoding = 'LATIN1'; SELECT * FROM catreg.refresh_mirror('latin')}), 't|0|1|1', 'followed');
is(all_of($local, 'catalog', 'latin.'), all_of($replica, 'latin', ''), 'and equal');

# -------------------------------------------------------------- dumped and restored

my $dump = $local->basedir . '/mirror.sql';
$local->run_log([ 'pg_dump', '-d', $local->connstr('catalog'), '-f', $dump ]) or die 'pg_dump failed';
$local->safe_psql('postgres', q{CREATE DATABASE restored TEMPLATE template0 ENCODING 'UTF8'});
ok($local->run_log([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $local->connstr('restored'), '-f', $dump ]), 'a dump is restored');
is($local->safe_psql('restored', $changed), '', 'nothing to do for a restored mirror');
$replica->safe_psql('catalog', $edits);
$local->safe_psql('restored', $changed);
is_equal('restored', $replica, 'mirror', 'restored');
is($local->safe_psql('restored', q{SELECT count(*) FROM catreg.check_closure('mirror.tree')}), '0', 'the closure follows there');

# ---------------------------------------------------------------- on a replica

$local->backup('base');
my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init_from_backup($local, 'base', has_streaming => 1);
$copy->start;
$local->safe_psql('catalog', $changed);
$local->wait_for_catchup($copy);
is($copy->safe_psql('catalog', "SET search_path = mirror; $contents"), $replica->safe_psql('catalog', $contents), 'a replica of a mirror has the same');
is($copy->safe_psql('catalog', q{SELECT * FROM catreg.check_mirror('mirror')}), '', 'and can be checked');
my $err;
$copy->psql('catalog', q{SELECT * FROM catreg.refresh_mirror('mirror')}, stderr => \$err);
like($err, qr/cannot execute refresh_mirror\(\) during recovery|read-only transaction/, 'but not refreshed');

$copy->stop;
$local->stop;
$replica->stop;
done_testing();
