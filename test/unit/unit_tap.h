/*-------------------------------------------------------------------------
 *
 * test/unit/unit_tap.h
 *	  Results of a unit test, in the Test Anything Protocol.
 *
 *-------------------------------------------------------------------------
 */
#ifndef UNIT_TAP_H
#define UNIT_TAP_H

#include <stdarg.h>
#include <stdio.h>

static int	n_tests = 0;
static int	n_failed = 0;

static inline int
ok(int passed, const char *name)
{
	n_tests++;
	n_failed += passed ? 0 : 1;
	printf("%sok %d - %s\n", passed ? "" : "not ", n_tests, name);
	return passed;
}

static inline void
note(const char *format,...)
{
	va_list		arguments;

	printf("# ");
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
}

/*
 * Prints the plan; returns main()'s exit status.
 */
static inline int
end_of_tests(void)
{
	printf("1..%d\n", n_tests);
	return n_failed == 0 ? 0 : 1;
}

#endif							/* UNIT_TAP_H */
