# What can go wrong with a mirror: lost connections, cancelled and concurrent
# refreshes, another definition there, a password that is not asked for, a full
# disk. Whatever it is, readers go on seeing the old rows.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time usleep);

my $remote = PostgreSQL::Test::Cluster->new('remote');
$remote->init;
$remote->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'\nlog_statement = 'all'");
$remote->start;
my $local = PostgreSQL::Test::Cluster->new('local');
$local->init;
$local->start;

$remote->safe_psql('postgres', q{
	CREATE SCHEMA source;
	SET search_path = source;
	CREATE TABLE parent (id serial PRIMARY KEY, name text UNIQUE, filler text);
	CREATE TABLE child (id serial PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE, other int);
	INSERT INTO parent (name, filler) SELECT 'p' || i, repeat('x', 500) FROM generate_series(1, 60000) i;
	INSERT INTO child (parent, other) SELECT 1 + i % 60000, i FROM generate_series(1, 90000) i;
});
$local->safe_psql('postgres', q{
	CREATE EXTENSION catreg;
	CREATE SERVER remote FOREIGN DATA WRAPPER catreg OPTIONS (host '} . $remote->host . q{', port '} . $remote->port . q{', dbname 'postgres');
	CREATE USER MAPPING FOR CURRENT_USER SERVER remote;
});

my $contents = 'SELECT count(*), sum(id), md5(string_agg(name || filler, \'\' ORDER BY id)) FROM %1$s.parent
	UNION ALL SELECT count(*), sum(id), sum(parent)::text || sum(other) FROM %1$s.child';

sub contents_of { return $_[0]->safe_psql('postgres', sprintf($contents, $_[1])); }

# starts a statement, waits until the remote runs a query like this, and does something
sub interrupted
{
	my ($statement, $pattern, $action, $prepare) = @_;
	my $session = $local->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query('SELECT pg_backend_pid()');

	$session->query($prepare) if $prepare;
	$session->{stdin} .= "$statement;\n";
	$session->{run}->pump_nb;
	$remote->poll_query_until('postgres',
		qq{SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'catreg' AND query ~ '$pattern' AND state = 'active'})
	  or die "no query like $pattern";
	my $begun = time();
	$action->($pid);
	$session->query('SELECT 1');
	my $stderr = $session->{stderr};
	$session->quit;
	return ($stderr, time() - $begun);
}

# ------------------------------------------------------------- a first copy

my ($err, $seconds);

sub terminate_remote
{
	$remote->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'catreg'});
}

my $blocker = $remote->background_psql('postgres');
$blocker->query_safe('BEGIN; LOCK TABLE source.child');
($err, $seconds) = interrupted(q{SELECT catreg.create_mirror('remote', 'source', 'mirror')}, '^LOCK TABLE', \&terminate_remote);
like($err, qr/server "remote": terminating connection|lost the connection to server "remote"/, 'a killed connection is an error');
is($local->safe_psql('postgres', q{SELECT count(*) FROM pg_namespace WHERE nspname = 'mirror'}), '0', 'and nothing is left of the copy');

($err, $seconds) = interrupted(q{SELECT catreg.create_mirror('remote', 'source', 'mirror')}, '^LOCK TABLE',
	sub { $local->safe_psql('postgres', "SELECT pg_cancel_backend($_[0])") });
like($err, qr/canceling statement due to user request/, 'it can be cancelled while the remote waits');
cmp_ok($seconds, '<', 10, 'at once');
ok($remote->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'catreg'}), 'the remote has heard of it');
$local->psql('postgres', q{SET statement_timeout = '300ms'; SELECT catreg.create_mirror('remote', 'source', 'mirror')}, stderr => \$err);
like($err, qr/canceling statement due to statement timeout/, 'statement_timeout stops it as well');
$blocker->query_safe('COMMIT');
$blocker->quit;

$local->safe_psql('postgres', q{SELECT catreg.create_mirror('remote', 'source', 'mirror')});
is(contents_of($local, 'mirror'), contents_of($remote, 'source'), 'the first copy');
my $sequence = $local->safe_psql('postgres', q{INSERT INTO mirror.parent (name) VALUES ('own') RETURNING id});
is($sequence, '60001', 'its sequence is past its ids');

# ---------------------------------------------------------------- a refresh

my $before = contents_of($local, 'mirror');
$remote->safe_psql('postgres', q{
	UPDATE source.parent SET filler = repeat('y', 500) WHERE id % 2 = 0;
	DELETE FROM source.parent WHERE id % 1000 = 1});
$blocker = $remote->background_psql('postgres');
$blocker->query_safe('BEGIN; LOCK TABLE source.child');
($err) = interrupted(q{SELECT * FROM catreg.refresh_mirror('mirror')}, '^LOCK TABLE', \&terminate_remote);
like($err, qr/ERROR/, 'a refresh whose connection is killed fails');
is(contents_of($local, 'mirror'), $before, 'and leaves the old mirror');

# a second refresh waits for the first, and then finds nothing to do
my $first = $local->background_psql('postgres');
$first->query_safe('BEGIN');
$blocker->query_safe('COMMIT');
$first->query_safe(q{SELECT * FROM catreg.refresh_mirror('mirror')});
is(contents_of($local, 'mirror'), $before, 'readers see the old mirror until the refresh commits');
my $second = $local->background_psql('postgres');
$second->{stdin} .= q{SELECT sum(inserted + updated + deleted) AS changed FROM catreg.refresh_mirror('mirror');} . "\n";
$second->{run}->pump_nb;
ok($local->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query ~ '^SELECT sum' AND wait_event_type = 'Lock'}),
	'a second refresh waits');
$first->query_safe('COMMIT');
is($second->query(''), '0', 'and has nothing to do');
$first->quit;
$second->quit;
is(contents_of($local, 'mirror'), contents_of($remote, 'source'), 'the mirror is right');

# ------------------------------------------------- who else has written what

# a transaction there that has a number, and commits later
$remote->safe_psql('postgres', q{DELETE FROM source.child WHERE id = 5});
my $open = $remote->background_psql('postgres');
$open->query_safe(q{BEGIN; UPDATE source.parent SET name = 'late' WHERE id = 10; DELETE FROM source.child WHERE id = 6});
my $deleted = q{SELECT table_name || ' ' || inserted || ' ' || updated || ' ' || deleted FROM catreg.refresh_mirror('mirror') WHERE inserted + updated + deleted > 0 ORDER BY 1};
is($local->safe_psql('postgres', $deleted), 'child 0 0 1', 'what has committed there is seen');
$open->query_safe('COMMIT');
$open->quit;
is($local->safe_psql('postgres', $deleted), "child 0 0 1\nparent 0 1 0", 'and what commits later, next time');
is($local->safe_psql('postgres', $deleted), '', 'and then nothing');

# what goes along with other rows, and what goes by itself
$remote->safe_psql('postgres', q{DELETE FROM source.parent WHERE id = 20});
like($local->safe_psql('postgres', $deleted), qr/^child 0 0 [12]\nparent 0 0 1$/, 'rows that have gone by a foreign key');
$remote->safe_psql('postgres', q{DELETE FROM source.parent WHERE id = 22; DELETE FROM source.child WHERE id = 30});
like($local->safe_psql('postgres', $deleted), qr/^child 0 0 [23]\nparent 0 0 1$/, 'and others as well');
$remote->safe_psql('postgres', q{
	UPDATE source.child SET parent = 26 WHERE parent = 24 AND id = (SELECT min(id) FROM source.child WHERE parent = 24);
	DELETE FROM source.child WHERE id = 33;
	DELETE FROM source.parent WHERE id = 24});
like($local->safe_psql('postgres', $deleted), qr/^child 0 1 [12]\nparent 0 0 1$/, 'but not what refers to something else by then');
is(contents_of($local, 'mirror'), contents_of($remote, 'source'), 'the mirror is right');

# the last pages here are emptied, and cut off
$local->safe_psql('postgres', q{VACUUM mirror.child});
is($local->safe_psql('postgres', $deleted), '', 'VACUUM changes nothing');
my $pages = $local->safe_psql('postgres', q{SELECT pg_relation_size('mirror.child')});
$local->safe_psql('postgres', q{DELETE FROM mirror.child WHERE ctid >= '(300,0)'});
$local->safe_psql('postgres', q{VACUUM mirror.child});
cmp_ok($local->safe_psql('postgres', q{SELECT pg_relation_size('mirror.child')}), '<', $pages, 'the file is shorter');
like($local->safe_psql('postgres', $deleted), qr/^child \d{5} 0 0$/, 'rows that are deleted here, with their pages, come back');

# a refresh under a snapshot that is older than its lock
my $old = $local->background_psql('postgres');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
$local->safe_psql('postgres', q{DELETE FROM mirror.child WHERE id = 12});
is($old->query_safe(q{SELECT count(*) FROM catreg.refresh_mirror('mirror') WHERE inserted > 0}), '0', 'an old snapshot does not show what was written here');
$old->query_safe('COMMIT');
$old->quit;
is($local->safe_psql('postgres', $deleted), 'child 1 0 0', 'the next refresh mends it all the same');

# written in the transaction that makes the mirror, and refreshes it
like($local->safe_psql('postgres', q{BEGIN; SELECT catreg.create_mirror('remote', 'source', 'twice'); DELETE FROM twice.child WHERE id = 40;
	SELECT inserted FROM catreg.refresh_mirror('twice') WHERE table_name = 'child'; SELECT catreg.drop_mirror('twice'); COMMIT}), qr/^\s*1\s*$/, 'written by the very transaction');

# a server that is gone, and back
$before = contents_of($local, 'mirror');
$blocker->query_safe('BEGIN; LOCK TABLE source.child');
($err) = interrupted(q{SELECT * FROM catreg.refresh_mirror('mirror')}, '^LOCK TABLE', sub { $remote->stop('immediate') });
like($err, qr/ERROR/, 'a refresh whose server is killed fails');
eval { $blocker->quit; };
my ($status, $out);
($status, $out, $err) = $local->psql('postgres', q{SELECT * FROM catreg.refresh_mirror('mirror')});
like($err, qr/could not connect to server "remote"/, 'a server that is down is an error');
is(contents_of($local, 'mirror'), $before, 'the mirror stays');
$remote->start;
$remote->safe_psql('postgres', q{DELETE FROM source.child WHERE id % 700 = 3; UPDATE source.child SET other = -1 WHERE id % 700 = 4});
is($local->safe_psql('postgres', q{SELECT * FROM catreg.refresh_mirror('mirror') ORDER BY 1}), "child|0|129|129\nparent|0|0|0", 'it is compared when it is back');
is(contents_of($local, 'mirror'), contents_of($remote, 'source'), 'and right');

# ------------------------------------------------------------------- drift

sub drifts
{
	my ($name, $there, $like, $here) = @_;

	$remote->safe_psql('postgres', "SET search_path = source; $there");
	my ($status, $out, $err) = $local->psql('postgres', q{SELECT * FROM catreg.refresh_mirror('mirror')});
	like($err, $like, "$name is an error that names it");
	like($err, qr/HINT/, "with a hint");
	like($local->safe_psql('postgres', q{SELECT * FROM catreg.check_mirror('mirror')}), qr/./, 'check_mirror says so too');
	$local->safe_psql('postgres', "SET search_path = mirror; $here");
	is($local->safe_psql('postgres', q{SELECT count(*) FROM catreg.refresh_mirror('mirror')}), $name =~ /dropped table/ ? '1' : '2', 'and can be mended here');
	is($local->safe_psql('postgres', q{SELECT * FROM catreg.check_mirror('mirror')}), '', "equal after $name");
}

drifts('a new column', q{ALTER TABLE child ADD note text DEFAULT 'n'}, qr/table "child" .*column "note" of type text there, which is missing here/s,
	'ALTER TABLE child ADD note text');
drifts('another type', 'ALTER TABLE child ALTER other TYPE bigint', qr/"other" is of type bigint there, and of type integer here/,
	'ALTER TABLE child ALTER other TYPE bigint');
drifts('a dropped column', 'ALTER TABLE child DROP note', qr/column "note" here, which is missing there/, 'ALTER TABLE child DROP note');

# no row is written there, and yet all are others
$remote->safe_psql('postgres', q{ALTER TABLE source.child DROP other, ADD other bigint DEFAULT -77});
is($local->safe_psql('postgres', q{SELECT updated FROM catreg.refresh_mirror('mirror') WHERE table_name = 'child'}),
	$remote->safe_psql('postgres', 'SELECT count(*) FROM source.child'), 'a column that is another one of the same name is noticed');
is($local->safe_psql('postgres', q{SELECT * FROM catreg.check_mirror('mirror')}), '', 'and its values are mirrored');

$remote->safe_psql('postgres', q{CREATE TABLE source.late (id int PRIMARY KEY, parent int REFERENCES source.parent); INSERT INTO source.late VALUES (1, 2)});
is($local->safe_psql('postgres', q{SELECT inserted FROM catreg.refresh_mirror('mirror') WHERE table_name = 'late'}), '1', 'a new table comes along');
$remote->safe_psql('postgres', q{DROP TABLE source.late});
$local->psql('postgres', q{SELECT * FROM catreg.refresh_mirror('mirror')}, stderr => \$err);
like($err, qr/table "source.late" does not exist on server "remote".*drop table "mirror.late" here/s, 'a dropped table is an error');
$local->safe_psql('postgres', q{DROP TABLE mirror.late; SELECT * FROM catreg.refresh_mirror('mirror')});

# a host that does not answer
my $silent = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die 'cannot listen';
$local->safe_psql('postgres', q{CREATE SERVER silent FOREIGN DATA WRAPPER catreg OPTIONS (host '127.0.0.1', port '} . $silent->sockport . q{', connect_timeout '2');
	CREATE USER MAPPING FOR CURRENT_USER SERVER silent});
$local->psql('postgres', q{SELECT catreg.create_mirror('silent', 'source', 'own')}, stderr => \$err);
like($err, qr/could not connect to server "silent".*no answer within 2 seconds/s, 'connect_timeout');
$local->psql('postgres', q{SET statement_timeout = '300ms'; SELECT catreg.create_mirror('silent', 'source', 'own')}, stderr => \$err);
like($err, qr/canceling statement due to statement timeout/, 'statement_timeout while connecting');

# --------------------------------------------------------------- passwords

$remote->safe_psql('postgres', q{
	CREATE ROLE reader LOGIN PASSWORD 'correct horse battery';
	GRANT USAGE ON SCHEMA source TO reader;
	GRANT SELECT ON ALL TABLES IN SCHEMA source TO reader});
$local->safe_psql('postgres', q{
	CREATE ROLE somebody LOGIN;
	GRANT CREATE ON DATABASE postgres TO somebody;
	CREATE SERVER tcp FOREIGN DATA WRAPPER catreg OPTIONS (host '127.0.0.1', port '} . $remote->port . q{', dbname 'postgres')});
my $create = q{SET ROLE somebody; SELECT catreg.create_mirror('tcp', 'source', 'own')};

sub refused
{
	my ($name, $like) = @_;
	my ($status, $out, $err) = $local->psql('postgres', $create);
	like($err, $like, $name);
	unlike($err, qr/horse/, 'no password in the message');
}

refused('no USAGE on the server', qr/permission denied for foreign server tcp/);
$local->safe_psql('postgres', q{GRANT USAGE ON FOREIGN SERVER tcp TO somebody});
refused('no user mapping', qr/user mapping not found/);
$local->safe_psql('postgres', q{CREATE USER MAPPING FOR somebody SERVER tcp OPTIONS (user 'reader')});
refused('no password', qr/Non-superusers must provide a password/);
$local->safe_psql('postgres', q{ALTER USER MAPPING FOR somebody SERVER tcp OPTIONS (ADD password 'correct horse battery')});
refused('a password that is not asked for', qr/Non-superuser cannot connect if the server does not request a password/);
unlink($remote->data_dir . '/pg_hba.conf');
$remote->append_conf('pg_hba.conf', "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n");
$remote->reload;
$local->safe_psql('postgres', q{ALTER USER MAPPING FOR somebody SERVER tcp OPTIONS (SET password 'wrong horse battery')});
refused('a wrong password', qr/could not connect to server "tcp".*password authentication failed/s);
$local->safe_psql('postgres', q{ALTER USER MAPPING FOR somebody SERVER tcp OPTIONS (SET password 'correct horse battery')});
$local->safe_psql('postgres', q{ALTER SERVER tcp OPTIONS (SET dbname 'the correct horse battery')});
refused('a message of the remote that has the password in it', qr/database "the \*\*\*" does not exist/);
$local->safe_psql('postgres', q{ALTER SERVER tcp OPTIONS (SET dbname 'postgres')});
$local->safe_psql('postgres', $create);
is(contents_of($local, 'own'), contents_of($remote, 'source'), 'the right one');
$local->psql('postgres', q{SELECT * FROM catreg.refresh_mirror('own')}, stderr => \$err);
like($err, qr/must be owner of mirror "own".*owned by "somebody".*SET ROLE somebody/s, 'a superuser does not refresh the mirror of another');
$local->psql('postgres', q{SELECT catreg.drop_mirror('own')}, stderr => \$err);
like($err, qr/must be owner of mirror "own"/, 'nor drops it');
$local->psql('postgres', q{SET ROLE somebody; SELECT catreg.drop_mirror('mirror')}, stderr => \$err);
like($err, qr/must be owner of mirror "mirror"/, 'nor the other way round');
is($local->safe_psql('postgres', q{SELECT count(*) FROM pg_user_mappings m, catreg.status s, catreg.mirror x WHERE s::text || x::text ~ ('hor' || 'se')}), '0', 'no view shows a password');
unlike(slurp_file($local->logfile) =~ s/^.*(USER MAPPING|ALTER SERVER).*$//mgr, qr/horse/, 'no log does, but for the statement that sets it');
$local->safe_psql('postgres', q{SET ROLE somebody; SELECT catreg.drop_mirror('own')});

# --------------------------------------------------------------- a full disk

SKIP:
{
	# who may not mount one may be given one of 4 MB
	my $folder = $ENV{CATREG_SMALL_FOLDER} // $local->basedir . '/small';
	my $mounted = 0;
	if (!$ENV{CATREG_SMALL_FOLDER})
	{
		mkdir($folder);
		$mounted = system("mount -t tmpfs -o size=4m,mode=0700,uid=$> none $folder 2>/dev/null") == 0;
		skip 'cannot mount a small tmpfs, and CATREG_SMALL_FOLDER names none', 5 if !$mounted;
	}
	$local->safe_psql('postgres', "CREATE TABLESPACE small LOCATION '$folder'");
	($status, $out, $err) = $local->psql('postgres', q{SET default_tablespace = small; SELECT catreg.create_mirror('remote', 'source', 'full')});
	like($err, qr/No space left on device/, 'a full disk is an error of a first copy');
	is($local->safe_psql('postgres', q{SELECT count(*) FROM pg_namespace WHERE nspname = 'full'}), '0', 'and nothing is left');
	ok($remote->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'catreg'}), 'the remote has heard of it');
	# rows that are looked at first are in temporary files
	$remote->safe_psql('postgres', q{UPDATE source.parent SET filler = md5(id::text) || repeat('z', 500)});
	$before = contents_of($local, 'mirror');
	($status, $out, $err) = $local->psql('postgres', q{SET temp_tablespaces = small; SELECT * FROM catreg.refresh_mirror('mirror')});
	like($err, qr/No space left on device/, 'and of a refresh');
	is(contents_of($local, 'mirror'), $before, 'which leaves the old mirror');
	$local->safe_psql('postgres', 'DROP TABLESPACE small');
	system("umount $folder") if $mounted;
}

$local->stop;
$remote->stop;
done_testing();
