/*-------------------------------------------------------------------------
 *
 * src/core/settings.c
 *	  The settings catreg.*
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/guc.h"

#include "core/settings.h"

int			catreg_fk_check = FK_CHECK_SET;

static const struct config_enum_entry fk_check_options[] = {
	{"set", FK_CHECK_SET, false},
	{"row", FK_CHECK_ROW, false},
	{NULL, 0, false}
};

/*
 * Defines the settings; once, when the module is loaded.
 */
void
settings_define(void)
{
	DefineCustomEnumVariable("catreg.fk_check",
							 "How catreg checks the foreign keys of rows that it writes.",
							 "\"set\" checks a set of keys at a time where that is proven to be the same; "
							 "\"row\" leaves every row to PostgreSQL's own triggers.",
							 &catreg_fk_check,
							 FK_CHECK_SET,
							 fk_check_options,
							 PGC_USERSET,
							 0,
							 NULL, NULL, NULL);
	MarkGUCPrefixReserved("catreg");
}
