# The closure of a subscriber's tree: initial copy, then every kind of change
# that its publisher makes, compared with a recursive query.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical');
$publisher->start;
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init;
$subscriber->start;

my $tables = q{
	CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON DELETE CASCADE);
	CREATE INDEX ON tree (parent);
};
$publisher->safe_psql('postgres', $tables);
$publisher->safe_psql('postgres',
	'INSERT INTO tree SELECT i, nullif(i / 3, 0) FROM generate_series(1, 500) i');
$publisher->safe_psql('postgres', 'CREATE PUBLICATION trees FOR TABLE tree');
$subscriber->safe_psql('postgres', $tables . q{
	CREATE TABLE closure (ancestor int, descendant int, depth int NOT NULL, PRIMARY KEY (ancestor, descendant));
	CREATE INDEX ON closure (descendant);
	CREATE EXTENSION catreg;
	SELECT catreg.create_closure('tree', 'closure');
});
$subscriber->safe_psql('postgres',
	'CREATE SUBSCRIPTION trees CONNECTION $$' . $publisher->connstr('postgres') . '$$ PUBLICATION trees');
$subscriber->wait_for_subscription_sync($publisher, 'trees');

# wrong pairs and missing ones, and how many there are at all
my $oracle = q{
	WITH RECURSIVE path (ancestor, descendant, depth) AS (
		SELECT id, id, 0 FROM tree
		UNION ALL SELECT p.id, path.descendant, path.depth + 1
		FROM path JOIN tree t ON t.id = path.ancestor JOIN tree p ON p.id = t.parent)
	SELECT (SELECT count(*) FROM (TABLE closure EXCEPT ALL TABLE path) w),
		(SELECT count(*) FROM (TABLE path EXCEPT ALL TABLE closure) m),
		(SELECT count(*) FROM path)
};

sub is_right
{
	my ($name) = @_;

	$publisher->wait_for_catchup('trees');
	my $here = $publisher->safe_psql('postgres', 'SELECT count(*), sum(id), sum(parent) FROM tree');
	is($subscriber->safe_psql('postgres', 'SELECT count(*), sum(id), sum(parent) FROM tree'),
		$here, "$name: the tree has arrived");
	my ($wrong, $missing, $all) = split(/\|/, $subscriber->safe_psql('postgres', $oracle));
	is("$wrong|$missing", '0|0', "$name: its closure of $all rows is right");
}

is_right('initial copy');

$publisher->safe_psql('postgres', 'INSERT INTO tree VALUES (1003, 1002), (1002, 1001), (1001, 7)');
is_right('children before parents');

$publisher->safe_psql('postgres', q{
	BEGIN;
	INSERT INTO tree VALUES (1100, 1003);
	SAVEPOINT s;
	INSERT INTO tree VALUES (1101, 1100), (1102, 1101);
	UPDATE tree SET parent = 1102 WHERE id = 9;
	ROLLBACK TO s;
	UPDATE tree SET parent = 1100 WHERE id = 8;
	INSERT INTO tree VALUES (1103, 8);
	COMMIT;
});
is_right('a rolled back savepoint');

$publisher->safe_psql('postgres', 'UPDATE tree SET parent = 5 WHERE id IN (4, 6)');
is_right('moves');
$publisher->safe_psql('postgres', 'DELETE FROM tree WHERE id IN (20, 5)');
is_right('deletes');
$publisher->safe_psql('postgres',
	'INSERT INTO tree SELECT i, CASE WHEN i % 10 = 0 THEN 1 ELSE i - 1 END FROM generate_series(10000, 29999) i');
is_right('twenty thousand rows in a transaction');
$publisher->safe_psql('postgres', 'BEGIN; TRUNCATE tree; INSERT INTO tree VALUES (1, NULL), (2, 1); COMMIT');
is_right('TRUNCATE');

# a session that plays replica is served the same way
$subscriber->safe_psql('postgres', q{
	BEGIN;
	SET LOCAL session_replication_role = replica;
	INSERT INTO tree VALUES (3, 2), (4, 3);
	UPDATE tree SET parent = 1 WHERE id = 3;
	COMMIT;
});
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM closure WHERE descendant = 4'), '3',
	'session_replication_role = replica');

$subscriber->stop;
$publisher->stop;
done_testing();
