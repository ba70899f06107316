# catreg: derived tables of scientific catalogs, kept inside the server.
# `make && make install`; ./check builds and runs every test.

EXTENSION = catreg
EXTVERSION = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" catreg.control)

MODULE_big = catreg
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*/*.c)))

# The extension script is kept in parts, one a room, in the order of their dependence.
SQL_PARTS = sql/core.sql sql/closure.sql sql/tiled.sql sql/sky.sql sql/butler.sql sql/butler_dimensions.sql sql/butler_ingest.sql sql/obscore_format.sql sql/obscore.sql \
	sql/obscore_tap.sql sql/obscore_nodes.sql sql/obscore_parts.sql sql/mirror.sql sql/status.sql
DATA_built = sql/catreg--$(EXTVERSION).sql
DOCS = $(wildcard docs/*.md)

PKG_CONFIG ?= pkg-config
# sky/ has to compute what sphgeom and astropy do, to the last bit: no operation may be contracted.
PG_CPPFLAGS = -ffp-contract=off -I$(srcdir)/src $(shell $(PKG_CONFIG) --cflags json-c) -I$(libpq_srcdir)
SHLIB_LINK_INTERNAL = $(libpq)
SHLIB_LINK = $(shell $(PKG_CONFIG) --libs json-c)

# PostgreSQL 16 and later look for expected output beside the input unless told otherwise.
REGRESS = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test
ISOLATION = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=.
ifneq ($(wildcard test/t/*.pl),)
TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl
endif

EXTRA_CLEAN = sql/catreg--$(EXTVERSION).sql

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

ifneq ($(filter-out 15,$(MAJORVERSION)),)
REGRESS_OPTS += --expecteddir=.
ISOLATION_OPTS += --expecteddir=.
endif

$(OBJS): $(wildcard src/*/*.h)

sql/catreg--$(EXTVERSION).sql: $(SQL_PARTS) catreg.control
	cat $(SQL_PARTS) > $@
