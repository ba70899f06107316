/*-------------------------------------------------------------------------
 *
 * src/closure/command.c
 *	  What a command that changes tables means to a closure.
 *
 * Event triggers, in sql/closure.sql, follow renamed columns, partitions that
 * come and go, and triggers that are enabled other than they should be.  What a
 * command is can only be seen from C.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "nodes/parsenodes.h"
#include "tcop/deparse_utility.h"
#include "utils/builtins.h"

static const char *
kind_of_create(const CreateStmt *statement)
{
	if (statement->partbound != NULL)
		return "partition";
	return statement->inhRelations != NIL ? "inherit" : NULL;
}

static const char *
kind_of_alter(const List *subcommands)
{
	ListCell   *cell;

	foreach(cell, subcommands)
	{
		const CollectedATSubcmd *subcommand = lfirst(cell);

		switch (castNode(AlterTableCmd, subcommand->parsetree)->subtype)
		{
			case AT_AttachPartition:
			case AT_DetachPartition:
			case AT_DetachPartitionFinalize:
				return "partition";
			case AT_AddInherit:
				return "inherit";
			case AT_EnableTrigAll:
			case AT_EnableTrigUser:
				return "enable";
			default:
				break;
		}
	}
	return NULL;
}

PG_FUNCTION_INFO_V1(closure_command);

/*
 * closure_command(pg_ddl_command) -> (kind, old_name): 'partition' where the
 * partitions of a table have changed, 'inherit' where a table has got a child,
 * 'enable' where all triggers were enabled, 'rename' where a column that was
 * called old_name has got another name, NULL for all else.
 */
Datum
closure_command(PG_FUNCTION_ARGS)
{
	const CollectedCommand *command = (CollectedCommand *) PG_GETARG_POINTER(0);
	const char *kind = NULL;
	NameData	old_name;
	TupleDesc	desc;
	Datum		values[2] = {0};
	bool		nulls[2] = {true, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	if (command->type == SCT_AlterTable)
		kind = kind_of_alter(command->d.alterTable.subcmds);
	else if (command->type == SCT_Simple && IsA(command->parsetree, CreateStmt))
		kind = kind_of_create((const CreateStmt *) command->parsetree);
	else if (command->type == SCT_Simple && IsA(command->parsetree, RenameStmt) &&
			 ((const RenameStmt *) command->parsetree)->renameType == OBJECT_COLUMN)
	{
		kind = "rename";
		namestrcpy(&old_name, ((const RenameStmt *) command->parsetree)->subname);
		values[1] = NameGetDatum(&old_name);
		nulls[1] = false;
	}

	if (kind != NULL)
	{
		values[0] = CStringGetTextDatum(kind);
		nulls[0] = false;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
