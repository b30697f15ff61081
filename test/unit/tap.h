/*
 * tap.h
 *    The few lines that a unit test needs: Test Anything Protocol on stdout.
 *
 * A program calls plan_none() implicitly: it ends with `return done_testing();`,
 * which prints the plan and gives the exit status.
 */
#ifndef DL_TEST_TAP_H
#define DL_TEST_TAP_H

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int	tap_count;
static int	tap_failed;

static inline bool __attribute__((format(printf, 4, 5)))
tap_ok(bool passed, const char *file, int line, const char *format,...)
{
	va_list		args;

	tap_count++;
	printf("%sok %d - ", passed ? "" : "not ", tap_count);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	if (!passed)
	{
		tap_failed++;
		printf("#   failed at %s line %d\n", file, line);
	}
	fflush(stdout);
	return passed;
}

/* ok(condition, "what, with %s", values) */
#define ok(condition, ...) tap_ok((condition), __FILE__, __LINE__, __VA_ARGS__)

/* Passes when |got - want| <= tolerance * max(1, |want|); prints both when not. */
static inline bool
tap_close(double got, double want, double tolerance, const char *file, int line, const char *name)
{
	double		scale = fabs(want) > 1 ? fabs(want) : 1;
	bool		passed = fabs(got - want) <= tolerance * scale;

	tap_ok(passed, file, line, "%s", name);
	if (!passed)
		printf("#   got %.17g, want %.17g within %g\n", got, want, tolerance);
	return passed;
}

#define is_close(got, want, tolerance, name) tap_close((got), (want), (tolerance), __FILE__, __LINE__, (name))

static inline bool
tap_text(const char *got, const char *want, const char *file, int line, const char *name)
{
	bool		passed = got != NULL && want != NULL && strcmp(got, want) == 0;

	tap_ok(passed, file, line, "%s", name);
	if (!passed)
		printf("#   got  \"%s\"\n#   want \"%s\"\n", got ? got : "(null)", want ? want : "(null)");
	return passed;
}

#define is_text(got, want, name) tap_text((got), (want), __FILE__, __LINE__, (name))

#define skip(why) printf("ok %d # SKIP %s\n", ++tap_count, (why))

static inline int
done_testing(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed > 0;
}

#endif							/* DL_TEST_TAP_H */
