/*-------------------------------------------------------------------------
 *
 * src/mirror/options.c
 *	  The foreign-data wrapper catreg: where a remote is, and how to log in.
 *
 * It has a validator and no handler: foreign tables cannot be read through it.
 * Who may connect is decided as postgres_fdw and dblink decide it: USAGE on the
 * server, a user mapping, and a password in it that the remote asks for, lest
 * somebody goes out under the name of the operating system's user that runs
 * this server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "core/compat.h"
#include "mirror/mirror.h"

typedef struct Option
{
	const char *name;
	Oid			catalog;		/* whose option it is */
	bool		superuser;		/* only he may set it: a file of this machine */
} Option;

/*
 * libpq's options that say where and how, and nothing of what the session is to
 * do; none that has it read a file of passwords or of further options.
 */
static const Option options[] = {
	{"host", ForeignServerRelationId},
	{"hostaddr", ForeignServerRelationId},
	{"port", ForeignServerRelationId},
	{"dbname", ForeignServerRelationId},
	{"connect_timeout", ForeignServerRelationId},
	{"application_name", ForeignServerRelationId},
	{"keepalives", ForeignServerRelationId},
	{"keepalives_idle", ForeignServerRelationId},
	{"keepalives_interval", ForeignServerRelationId},
	{"keepalives_count", ForeignServerRelationId},
	{"tcp_user_timeout", ForeignServerRelationId},
	{"target_session_attrs", ForeignServerRelationId},
	{"channel_binding", ForeignServerRelationId},
	{"requirepeer", ForeignServerRelationId},
	{"sslmode", ForeignServerRelationId},
	{"sslcompression", ForeignServerRelationId},
	{"sslrootcert", ForeignServerRelationId},
	{"sslcrl", ForeignServerRelationId},
	{"sslcrldir", ForeignServerRelationId},
	{"sslsni", ForeignServerRelationId},
	{"ssl_min_protocol_version", ForeignServerRelationId},
	{"ssl_max_protocol_version", ForeignServerRelationId},
	{"gssencmode", ForeignServerRelationId},
	{"krbsrvname", ForeignServerRelationId},
	{"gsslib", ForeignServerRelationId},
	{"user", UserMappingRelationId},
	{"password", UserMappingRelationId},
	{"password_required", UserMappingRelationId},
	{"sslcert", UserMappingRelationId, true},
	{"sslkey", UserMappingRelationId, true},
	{"sslpassword", UserMappingRelationId},
};

static const Option *
find_option(const char *name, Oid catalog)
{
	for (int i = 0; i < lengthof(options); i++)
		if (options[i].catalog == catalog && strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

static void
refuse_option(const char *name, Oid catalog)
{
	StringInfoData valid;

	initStringInfo(&valid);
	for (int i = 0; i < lengthof(options); i++)
		if (options[i].catalog == catalog)
			appendStringInfo(&valid, "%s%s", valid.len > 0 ? ", " : "", options[i].name);
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 valid.len > 0 ? errhint("Valid options in this context are: %s", valid.data) :
			 errhint("There are no valid options in this context.")));
}

static void
check_option(DefElem *element, Oid catalog)
{
	const Option *option = find_option(element->defname, catalog);

	if (option == NULL)
		refuse_option(element->defname, catalog);
	if (strcmp(option->name, "password_required") == 0)
	{
		bool		required = defGetBoolean(element);

		if (!required && !superuser())
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("password_required=false is superuser-only"),
					 errhint("User mappings with the password_required option set to false may only be created or modified by the superuser.")));
	}
	if (strcmp(option->name, "connect_timeout") == 0)
		(void) pg_strtoint32(defGetString(element));
	if (option->superuser && !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only a superuser may set option \"%s\"", option->name),
				 errdetail("It names a file that this server reads.")));
}

PG_FUNCTION_INFO_V1(mirror_validator);

/*
 * mirror_validator(options, catalog): of a server or of a user mapping.
 */
Datum
mirror_validator(PG_FUNCTION_ARGS)
{
	List	   *given = untransformRelOptions(PG_GETARG_DATUM(0));
	ListCell   *cell;

	foreach(cell, given)
		check_option(lfirst(cell), PG_GETARG_OID(1));
	PG_RETURN_VOID();
}

static ForeignServer *
open_server(const char *name)
{
	ForeignServer *server = GetForeignServerByName(name, false);
	ForeignDataWrapper *wrapper = GetForeignDataWrapper(server->fdwid);
	AclResult	allowed;

	if (strcmp(wrapper->fdwname, "catreg") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is not of foreign-data wrapper \"%s\"", name, "catreg"),
				 errdetail("It is of \"%s\".", wrapper->fdwname)));
	allowed = catreg_server_aclcheck(server->serverid, GetUserId(), ACL_USAGE);
	if (allowed != ACLCHECK_OK)
		aclcheck_error(allowed, OBJECT_FOREIGN_SERVER, name);
	return server;
}

/*
 * Reads how the current user logs in on a server, in the current memory context.
 */
void
mirror_options(const char *name, MirrorLogin *login)
{
	ForeignServer *server = open_server(name);
	UserMapping *mapping = GetUserMapping(GetUserId(), server->serverid);
	List	   *given = list_concat_copy(server->options, mapping->options);
	bool		has_password = false;
	bool		required = true;
	int			n = 0;
	ListCell   *cell;

	login->keywords = palloc0(sizeof(char *) * (list_length(given) + 3));
	login->values = palloc0(sizeof(char *) * (list_length(given) + 3));
	login->secrets = NIL;
	login->timeout = 0;
	login->keywords[n] = "fallback_application_name";
	login->values[n++] = "catreg";
	foreach(cell, given)
	{
		DefElem    *element = lfirst(cell);
		char	   *value;

		if (strcmp(element->defname, "password_required") == 0)
		{
			required = defGetBoolean(element);
			continue;
		}
		value = defGetString(element);
		if (strcmp(element->defname, "connect_timeout") == 0)
			login->timeout = Max(pg_strtoint32(value), 0);
		if (strcmp(element->defname, "password") == 0)
			has_password = value[0] != '\0';
		if (strcmp(element->defname, "password") == 0 || strcmp(element->defname, "sslpassword") == 0)
			login->secrets = lappend(login->secrets, value);
		login->keywords[n] = element->defname;
		login->values[n++] = value;
	}
	login->keywords[n] = "client_encoding";
	login->values[n++] = GetDatabaseEncodingName();

	login->password_needed = !superuser() && required;
	if (login->password_needed && !has_password)
		ereport(ERROR,
				(errcode(ERRCODE_S_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED),
				 errmsg("password is required"),
				 errdetail("Non-superusers must provide a password in the user mapping.")));
}
