# Other sessions change what the caches hold of a tree and its closure table, again
# and again, while rows are written and removed: the server stays up, and the closure right.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "restart_after_crash = off\nfsync = off\nsynchronous_commit = off");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION catreg;
	CREATE ROLE reader;
	CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON DELETE CASCADE);
	CREATE INDEX ON tree (parent);
	CREATE TABLE closure (ancestor int REFERENCES tree ON DELETE CASCADE, descendant int REFERENCES tree ON DELETE CASCADE,
		depth int NOT NULL, PRIMARY KEY (ancestor, descendant));
	CREATE INDEX ON closure (descendant);
	SELECT catreg.create_closure('tree', 'closure');
	INSERT INTO tree VALUES (0, NULL);
	CREATE SEQUENCE ids;
});

# a client that runs a line of statements again and again
sub start_client
{
	my ($name, $line) = @_;
	my $file = $node->basedir . "/$name.sql";

	append_to_file($file, "$line\n");
	return IPC::Run::start([ 'pgbench', '-n', '-T', 8, '-f', $file, $node->connstr('postgres') ], '>', \my $out, '2>&1');
}

my @clients = (
	start_client('grants', 'GRANT SELECT ON closure TO reader; REVOKE SELECT ON closure FROM reader; '
		. 'GRANT SELECT ON tree TO reader; REVOKE SELECT ON tree FROM reader;'),
	start_client('inserts', "INSERT INTO tree VALUES (nextval('ids'), 0);"));
ok($_->finish, 'a client has gone on to the end') for @clients;
my ($status) = $node->psql('postgres', 'SELECT');
is($status, 0, 'the server is up');
SKIP:
{
	skip 'the server has crashed', 1 if $status != 0;
	is($node->safe_psql('postgres', q{SELECT count(*) FROM catreg.check_closure('tree')}), '0', 'the closure is right');
	$node->stop;
}

done_testing();
