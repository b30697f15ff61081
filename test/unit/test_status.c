/*
 * test_status.c
 *    Errors: texts, cutting, and passing on.
 */
#include "core/status.h"
#include "tap.h"

static int	calls;

static DlStatus
step(DlStatus status, DlError *error)
{
	calls++;
	return status == DL_OK ? DL_OK : dl_error_set(error, status, "step %d failed", calls);
}

static DlStatus
three_steps(DlStatus second, DlError *error)
{
	DL_TRY(step(DL_OK, error));
	DL_TRY(step(second, error));
	DL_TRY(step(DL_OK, error));
	return DL_OK;
}

int
main(void)
{
	DlError		error;
	char		text[3 * DL_ERROR_TEXT];

	memset(&error, 0x55, sizeof(error));
	ok(dl_error_set(&error, DL_ERROR_SHAPE, "expected %d columns, got %d", 3, 4) == DL_ERROR_SHAPE, "set returns the status");
	ok(error.status == DL_ERROR_SHAPE && error.position == 0, "the status is kept, the position cleared");
	is_text(error.message, "expected 3 columns, got 4", "message");
	is_text(error.detail, "", "no detail");
	is_text(error.hint, "", "no hint");
	dl_error_detail(&error, "Column %s is missing.", "\"a\"");
	dl_error_hint(&error, "Name %d columns.", 3);
	is_text(error.detail, "Column \"a\" is missing.", "detail");
	is_text(error.hint, "Name 3 columns.", "hint");
	is_text(error.message, "expected 3 columns, got 4", "the message stays");
	dl_error_set(&error, DL_ERROR_DATA, "another");
	is_text(error.detail, "", "another error clears the detail");
	is_text(error.hint, "", "and the hint");

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	dl_error_set(&error, DL_ERROR_DATA, "%s", text);
	ok(strlen(error.message) == DL_ERROR_TEXT - 1, "a long message is cut");
	is_text(error.detail, "", "and does not run over");
	dl_error_detail(&error, "%s", text);
	dl_error_hint(&error, "%s", text);
	ok(strlen(error.detail) == DL_ERROR_TEXT - 1 && strlen(error.hint) == DL_ERROR_TEXT - 1, "so are detail and hint");

	dl_error_reset(&error);
	ok(error.status == DL_OK && error.message[0] == '\0' && error.hint[0] == '\0', "reset");

	ok(dl_error_set(NULL, DL_ERROR_IO, "nobody reads this") == DL_ERROR_IO, "no place for an error");
	dl_error_detail(NULL, "Nor this.");
	dl_error_hint(NULL, "Nor this.");
	dl_error_reset(NULL);

	ok(three_steps(DL_OK, &error) == DL_OK && calls == 3, "DL_TRY goes on after success");
	calls = 0;
	ok(three_steps(DL_ERROR_IO, &error) == DL_ERROR_IO && calls == 2, "and returns after a failure");
	is_text(error.message, "step 2 failed", "with the error of the origin");
	return done_testing();
}
