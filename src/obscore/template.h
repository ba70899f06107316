/*-------------------------------------------------------------------------
 *
 * src/obscore/template.h
 *	  Templates in the language of Python's str.format: read, and made SQL.
 *
 * A template is literal text and fields {name.attribute[index]!conversion:spec}.
 * What a name stands for, the caller says: an SQL expression and its type.  The
 * text that comes out of it here is Python's, to the last character.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CATREG_OBSCORE_TEMPLATE_H
#define CATREG_OBSCORE_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct TemplateAccessor
{
	bool		index;			/* [name], or else .name */
	const char *name;
} TemplateAccessor;

typedef struct TemplatePiece
{
	const char *literal;		/* NULL: a field */
	const char *name;
	int			n_accessors;
	TemplateAccessor *accessors;
	char		conversion;		/* 'r', 's', 'a', or 0 */
	const char *spec;			/* "" where there is none */
} TemplatePiece;

/* One block of memory, the strings included */
typedef struct Template
{
	int			n_pieces;
	TemplatePiece *pieces;
} Template;

extern const char *template_parse(const char *text, Template **template,
								  size_t *where);

typedef enum TemplateType
{
	TEMPLATE_TEXT,
	TEMPLATE_INT,
	TEMPLATE_FLOAT,
	TEMPLATE_BOOL,
	TEMPLATE_UUID,
	TEMPLATE_TIMESPAN,			/* int8range of nanoseconds TAI */
	TEMPLATE_TIME,				/* bigint, nanoseconds TAI */
	TEMPLATE_OTHER
} TemplateType;

typedef enum TemplateFound
{
	TEMPLATE_FOUND,
	TEMPLATE_MISSING,			/* Python's KeyError */
	TEMPLATE_REFUSED
} TemplateFound;

typedef struct TemplateValue
{
	TemplateType type;
	const char *sql;			/* an expression */
	int			consumed;		/* how many accessors it stands for */
	bool		not_null;
	const char *problem;		/* why it is refused */
} TemplateValue;

typedef TemplateFound (*TemplateResolver) (const TemplatePiece *field,
										   TemplateValue *value, void *arg);

struct StringInfoData;

extern const char *template_compile(struct StringInfoData *sql,
									const Template *template,
									TemplateResolver resolve, void *arg,
									bool *missing);

#endif							/* CATREG_OBSCORE_TEMPLATE_H */
