/*-------------------------------------------------------------------------
 *
 * src/obscore/data_id.c
 *	  The key that a find-first table has one row of.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/md5.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/uuid.h"

#include "core/compat.h"

PG_FUNCTION_INFO_V1(obscore_data_id);

/* How a call's arguments become texts, in fn_extra. */
static FmgrInfo *
outputs_of(FunctionCallInfo fcinfo)
{
	FmgrInfo   *outputs = fcinfo->flinfo->fn_extra;

	if (outputs != NULL)
		return outputs;
	outputs = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(FmgrInfo) * PG_NARGS());
	for (int i = 1; i < PG_NARGS(); i++)
	{
		Oid			output;
		bool		is_varlena;

		getTypeOutputInfo(get_fn_expr_argtype(fcinfo->flinfo, i), &output, &is_varlena);
		fmgr_info_cxt(output, &outputs[i], fcinfo->flinfo->fn_mcxt);
	}
	return fcinfo->flinfo->fn_extra = outputs;
}

/*
 * obscore_data_id(dataset_type, VARIADIC values) -> uuid: the MD5 of the dataset
 * type's id and the dimensions' values, in the order of the columns.  The values'
 * texts have their lengths before them, so that no two data ids are the same
 * bytes.  A name for what is in the registry, which nobody gains by forging.
 */
Datum
obscore_data_id(PG_FUNCTION_ARGS)
{
	FmgrInfo   *outputs = outputs_of(fcinfo);
	StringInfoData bytes;
	pg_uuid_t  *uuid = palloc(UUID_LEN);
	const char *problem = NULL;

	initStringInfo(&bytes);
	appendStringInfo(&bytes, INT64_FORMAT, PG_GETARG_INT64(0));
	for (int i = 1; i < PG_NARGS(); i++)
	{
		char	   *value;

		if (PG_ARGISNULL(i))
			PG_RETURN_NULL();
		value = OutputFunctionCall(&outputs[i], PG_GETARG_DATUM(i));
		appendStringInfo(&bytes, ",%zu:", strlen(value));
		appendStringInfoString(&bytes, value);
		pfree(value);
	}
	if (!pg_md5_binary(bytes.data, bytes.len, uuid->data, &problem))
		elog(ERROR, "could not compute MD5: %s", problem);
	pfree(bytes.data);
	PG_RETURN_UUID_P(uuid);
}
