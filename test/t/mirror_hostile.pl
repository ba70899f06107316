# A remote that does not keep to the protocol's word, or goes away in the middle of
# it: a proxy in front of an ordinary one alters, drops and repeats messages, and
# cuts connections. Whatever comes, it is an error or is taken for rows, no backend
# dies of it, no password is shown, and an error leaves the mirror as it was.
# CATREG_SEED repeats a run.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

my $seed = $ENV{CATREG_SEED} // int(rand(1 << 30));
note("CATREG_SEED=$seed");

my $remote = PostgreSQL::Test::Cluster->new('remote');
$remote->init;
$remote->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'");
$remote->start;
my $local = PostgreSQL::Test::Cluster->new('local');
$local->init;
$local->append_conf('postgresql.conf', "restart_after_crash = on");
$local->start;

# ------------------------------------------------------------------- the proxy

my $listen = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die 'cannot listen';

# What it does is read from a file at each connection: a seed, and how often a
# message is altered or after how many bytes the connection is cut.
my $orders = $local->basedir . '/orders';

sub garbage
{
	my @texts = ('', 'x', '-1', '9' x 30, "\xff\xfe", 't', '0', '1', '{}', '"', 'NaN', 'ctid', 'xmin', '32768', '2147483648',
		'-9223372036854775808', 'DROP TABLE mirror.parent', 'CREATE TABLE mirror.x (a int)', 'y' x 70000);
	return $texts[ int(rand(@texts)) ];
}

sub row_message
{
	return pack('n', scalar @_) . join('', map { defined $_ ? pack('N/a', $_) : pack('N', 0xffffffff) } @_);
}

# Messages in place of one.
sub altered
{
	my ($kind, $body) = @_;
	my $choice = rand();

	if ($kind eq 'D')
	{
		my ($n, @values, $at) = (unpack('n', $body));
		for ($at = 2; $n > 0; $n--)
		{
			my $length = unpack('l>', substr($body, $at, 4));
			push @values, $length < 0 ? undef : substr($body, $at + 4, $length);
			$at += 4 + ($length < 0 ? 0 : $length);
		}
		return () if $choice < 0.1;
		return ([ $kind, $body ]) x 50 if $choice < 0.2;
		return [ $kind, row_message(@values, garbage()) ] if $choice < 0.25 || !@values;
		return [ $kind, row_message(@values[ 1 .. $#values ]) ] if $choice < 0.3;
		$values[ int(rand(@values)) ] = $choice < 0.6 ? undef : garbage();
		return [ $kind, row_message(@values) ];
	}
	return [ 'T', pack('n', 0) ] if $kind eq 'T';
	if ($kind eq 'd' && length($body) > 0)
	{
		return () if $choice < 0.2;
		return [ $kind, substr($body, 0, int(rand(length($body)))) ] if $choice < 0.4;
		return ([ $kind, $body ]) x 50 if $choice < 0.5;
		substr($body, int(rand(length($body))), 1) = chr(int(rand(256)));
		return [ $kind, $body ];
	}
	if ($kind eq 'C')
	{
		my @states = ('', '1', '00000', '57014', 'XX000', "\xff" x 5);
		return [ 'E', "SERROR\0C" . $states[ int(rand(@states)) ] . "\0Mbad \xff\xc3 and a correct h\xc3\xb6rse battery, and worse \xff\0\0" ] if $choice < 0.6;
		return $choice < 0.8 ? () : [ 'G', "\0\0\0" ];
	}
	return ([ 'S', "client_encoding\0LATIN1\0" ], [ $kind, $body ]) if $kind eq 'Z';
	return [ 'T', pack('n', 0) ] if $kind eq 'H';
	return [ $kind, $body ];
}

sub forward
{
	my ($client) = @_;
	my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $remote->port) or die 'cannot connect';
	my ($order_seed, $rate, $cut) = split / /, slurp_file($orders);
	my ($select, $buffer, $sent, $begun) = (IO::Select->new($client, $server), '', 0, 0);

	srand($order_seed);
	while (1)
	{
		for my $from ($select->can_read)
		{
			sysread($from, my $data, 65536) or return;
			if ($from == $client)
			{
				syswrite($server, $data);
				next;
			}
			my $out = '';
			$buffer .= $data;
			while (length($buffer) >= 5 && length($buffer) > (my $length = unpack('N', substr($buffer, 1, 4))))
			{
				my ($kind, $body) = (substr($buffer, 0, 1), substr($buffer, 5, $length - 4));
				substr($buffer, 0, 1 + $length) = '';
				$out .= join('', map { $_->[0] . pack('N', length($_->[1]) + 4) . $_->[1] } $begun && rand() < $rate ? altered($kind, $body) : [ $kind, $body ]);
				$begun ||= $kind eq 'Z';
			}
			$out = substr($out, 0, $cut - $sent) if $cut > 0 && $sent + length($out) > $cut;
			$sent += length($out);
			for (my $done = 0; $done < length($out);)
			{
				$done += syswrite($client, $out, length($out) - $done, $done) // return;
			}
			return if $cut > 0 && $sent >= $cut;
		}
	}
}

sub proxy
{
	local $SIG{PIPE} = 'IGNORE';
	local $SIG{CHLD} = 'IGNORE';
	while (my $client = $listen->accept)
	{
		if (fork() == 0)
		{
			eval { forward($client) };
			POSIX::_exit(0);
		}
		close($client);
	}
	POSIX::_exit(0);
}

my $proxy = fork();
proxy() if $proxy == 0;

sub order
{
	open(my $file, '>', "$orders.new") or die $!;
	print $file join(' ', @_);
	close($file);
	rename("$orders.new", $orders) or die $!;
}

# -------------------------------------------------------------------- the mirror

my @tables = ('parent', 'child', 'unkeyed');
$remote->safe_psql('postgres', q{
	CREATE SCHEMA source;
	SET search_path = source;
	CREATE TYPE mood AS ENUM ('sad', 'happy');
	CREATE TABLE parent (id serial PRIMARY KEY, name text UNIQUE, mood mood DEFAULT 'sad', moods mood[], j jsonb, f float8);
	CREATE TABLE child (a text, b int, parent int REFERENCES parent ON DELETE CASCADE, n numeric, PRIMARY KEY (a, b));
	CREATE TABLE unkeyed (a int, b text);
	INSERT INTO parent SELECT i, 'n' || i, 'happy', '{sad}', '{"x": 1}', i / 3.0 FROM generate_series(1, 400) i;
	INSERT INTO child SELECT 'k' || i, i, 1 + i % 400, i FROM generate_series(1, 800) i;
	INSERT INTO unkeyed SELECT i, 'u' FROM generate_series(1, 50) i});
$local->safe_psql('postgres', q{
	CREATE EXTENSION catreg;
	CREATE SERVER remote FOREIGN DATA WRAPPER catreg OPTIONS (host '127.0.0.1', port '} . $listen->sockport . q{', dbname 'postgres', sslmode 'disable', gssencmode 'disable');
	CREATE USER MAPPING FOR CURRENT_USER SERVER remote OPTIONS (password 'correct h} . "\xc3\xb6" . q{rse battery')});
my $create = q{SELECT catreg.create_mirror('remote', 'source', 'mirror')};
my $refresh = q{SELECT * FROM catreg.refresh_mirror('mirror')};
my $compare = q{UPDATE catreg.mirror SET remote_state = NULL; } . $refresh;
my $check = q{SELECT * FROM catreg.check_mirror('mirror')};

sub contents
{
	my ($node, $schema) = @_;
	return $node->safe_psql('postgres', join(' UNION ALL ',
		map { qq{SELECT '$_', count(*), md5(string_agg(t::text, '|' ORDER BY t::text COLLATE "C")) FROM $schema.$_ t} } @tables));
}

sub edit
{
	my ($i) = @_;
	$remote->safe_psql('postgres', qq{
		SET search_path = source;
		UPDATE parent SET f = f + 1 WHERE id % 97 = $i % 97;
		DELETE FROM parent WHERE id = 3 * $i;
		INSERT INTO parent (id, name) SELECT 1000 + $i, 'new' || $i;
		DELETE FROM child WHERE b % 401 = $i;
		INSERT INTO unkeyed VALUES ($i, 'z')});
}

my ($out, $err, $i, $leaks, $errors, $dead) = ('', '', 0, 0, 0, 0);
my $started = $local->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

sub attempt
{
	my $status = $local->psql('postgres', "SET statement_timeout = '5s'; $_[0]", stdout => \$out, stderr => \$err);
	$leaks++ if $err =~ /rse battery/;
	$dead++ if $status == 2;
	$errors++ if $err ne '';
	return $err eq '';
}

# connections that are cut after so many bytes
order($seed, 0, 0);
$local->safe_psql('postgres', $create);
is(contents($local, 'mirror'), contents($remote, 'source'), 'the proxy, doing nothing');
my ($changed, $wrong) = (0, 0);
for my $cut (map { 200 + $_ * 400 } 1 .. 20)
{
	edit(++$i);
	my $before = contents($local, 'mirror');
	order($seed, 0, $cut);
	my $done = attempt($i % 3 == 0 ? $compare : $refresh);
	$changed++ if !$done && contents($local, 'mirror') ne $before;
	$wrong++ if $done && contents($local, 'mirror') ne contents($remote, 'source');
}
cmp_ok($errors, '>', 5, 'connections are cut');
is($changed, 0, 'an error leaves the mirror as it was');
is($wrong, 0, 'and without one it is right');
order($seed, 0, 0);
$local->safe_psql('postgres', $refresh);
is(contents($local, 'mirror'), contents($remote, 'source'), 'the next refresh mends it');

# messages that are altered
($errors, $changed) = (0, 0);
my $end = time() + 25;
for my $round (1 .. 80)
{
	my $statement = ($refresh, $compare, $check, $create)[ $round % 4 ];

	last if time() > $end;
	edit(++$i) if $i < 120;
	order(0, 0, 0);
	if ($statement eq $create)
	{
		$local->safe_psql('postgres', 'SET client_min_messages = warning; DROP SCHEMA IF EXISTS mirror CASCADE');
	}
	elsif (!$local->safe_psql('postgres', q{SELECT count(*) FROM catreg.mirror}))
	{
		$local->safe_psql('postgres', "SET client_min_messages = warning; DROP SCHEMA IF EXISTS mirror CASCADE; $create");
	}
	my $before = $statement eq $create ? '' : contents($local, 'mirror');
	order($seed + $round, (0.05, 0.01, 0.2)[ $round % 3 ], 0);
	my $done = attempt($statement);
	$changed++ if !$done && $statement ne $create && contents($local, 'mirror') ne $before;
	# what it has been told it believes
	$local->safe_psql('postgres', 'SET client_min_messages = warning; DROP SCHEMA IF EXISTS mirror CASCADE') if $done;
}
cmp_ok($errors, '>', 5, 'messages are altered');
is($changed, 0, 'an error leaves the mirror as it was');
is($leaks, 0, 'no message shows the password');
is($dead, 0, 'no backend has died');
unlike(slurp_file($local->logfile), qr/terminated by signal|TRAP:/, 'nor does the log say so');
is($local->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'the server is the same');

kill('TERM', $proxy);
waitpid($proxy, 0);
$local->stop;
$remote->stop;
done_testing();
