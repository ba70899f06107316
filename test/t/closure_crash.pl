# Leaf pages with entries marked dead, which is not logged, are filled with new ones:
# what recovery makes of them is what they were.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "wal_consistency_checking = 'btree,generic'\nautovacuum = off\nmax_wal_size = '8GB'");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION catreg;
	CREATE EXTENSION amcheck;
	CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON DELETE CASCADE);
	CREATE INDEX ON tree (parent);
	CREATE TABLE closure (ancestor int REFERENCES tree ON DELETE CASCADE, descendant int REFERENCES tree ON DELETE CASCADE,
		depth int NOT NULL, PRIMARY KEY (ancestor, descendant) WITH (fillfactor = 40));
	CREATE INDEX ON closure (descendant);
	SELECT catreg.create_closure('tree', 'closure');
	INSERT INTO tree VALUES (0, NULL);
	INSERT INTO tree SELECT g * 2, 0 FROM generate_series(1, 20000) g;
	REINDEX TABLE closure;
	CHECKPOINT;
	-- each page has its image in the log before an entry dies
	INSERT INTO tree SELECT g * 100 + 1, 0 FROM generate_series(1, 400) g;
	DELETE FROM tree WHERE id % 50 = 0 AND id > 0;
});

# a reader finds the dead entries, and marks them
my $read = q{
	SET enable_seqscan = off;
	SET enable_bitmapscan = off;
	SELECT count(depth) FROM closure WHERE ancestor = 0 AND descendant BETWEEN 1 AND 50000
};
$node->safe_psql('postgres', $read);
$node->safe_psql('postgres', 'INSERT INTO tree SELECT g * 2 + 1, 0 FROM generate_series(1, 20000) g WHERE g % 50 <> 0');
my $rows = $node->safe_psql('postgres', $read);
$node->stop('immediate');
ok($node->start(fail_ok => 1), 'recovery finds each page as it was');
is($node->safe_psql('postgres', $read), $rows, 'the same rows');
is($node->safe_psql('postgres', q{SELECT count(*) FROM catreg.check_closure('tree')}), '0', 'the closure is right');
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM (SELECT bt_index_check(indexrelid, true) FROM pg_index WHERE indrelid = 'closure'::regclass) x}),
	'2', 'the indexes agree with the table');
$node->stop;
done_testing();
