/*
 * test_size.c
 *    Checked sizes, and shapes and types of tensors.
 */
#include "core/size.h"
#include "core/tensor.h"
#include "tap.h"

static void
test_checked(void)
{
	size_t		r = 77;
	int64_t		s = 77;

	ok(dl_size_add(2, 3, &r) && r == 5, "2 + 3");
	ok(dl_size_add(SIZE_MAX - 1, 1, &r) && r == SIZE_MAX, "the largest sum");
	r = 77;
	ok(!dl_size_add(SIZE_MAX, 1, &r) && r == 77, "a sum that wraps leaves the result alone");
	ok(dl_size_mul(6, 7, &r) && r == 42, "6 * 7");
	ok(dl_size_mul(SIZE_MAX, 0, &r) && r == 0, "times 0");
	r = 77;
	ok(!dl_size_mul(SIZE_MAX / 2 + 1, 2, &r) && r == 77, "a product that wraps to 0");
	ok(!dl_size_mul((size_t) 1 << 32, (size_t) 1 << 32, &r) && r == 77, "two large factors");
	ok(dl_size_align(0, 64, &r) && r == 0, "0 is aligned");
	ok(dl_size_align(1, 64, &r) && r == 64, "1 becomes 64");
	ok(dl_size_align(64, 64, &r) && r == 64, "64 stays");
	r = 77;
	ok(!dl_size_align(SIZE_MAX - 5, 64, &r) && r == 77, "aligning that wraps");
	ok(dl_int64_mul(-3, 5, &s) && s == -15, "-3 * 5");
	s = 77;
	ok(!dl_int64_mul(INT64_MIN, -1, &s) && s == 77, "the least number negated");
	ok(!dl_int64_mul(INT64_MAX / 2, 3, &s) && s == 77, "a signed product that wraps");
}

static void
test_shapes(void)
{
	DlShape		batch = dl_shape_3(DL_BATCH, 4, 5);
	DlShape		wide = dl_shape_3(INT64_C(1) << 31, INT64_C(1) << 31, 4);
	DlShape		empty = {0, {0}};
	DlShape		four = {4, {1, 2, 3, 4}};
	DlShape		negative = dl_shape_2(3, -1);
	DlError		error;
	int64_t		count = 77;
	char		text[64];

	ok(dl_shape_count(&batch, 6, &count, &error) == DL_OK && count == 120, "elements of six rows");
	ok(dl_shape_count(&batch, 0, &count, &error) == DL_OK && count == 0, "of none");
	ok(dl_shape_count(&empty, 6, &count, &error) == DL_OK && count == 1, "of a single number");
	ok(dl_shape_row(&batch) == 20, "of one row");
	count = 77;
	ok(dl_shape_count(&wide, 1, &count, &error) == DL_ERROR_LIMIT && count == 77, "too many elements");
	ok(dl_shape_count(&batch, INT64_MAX / 4, &count, &error) == DL_ERROR_LIMIT && count == 77, "too many rows");
	ok(dl_shape_count(&negative, 1, &count, &error) == DL_ERROR_SHAPE, "a negative dimension");
	is_text(error.message, "shape [3, -1] has a negative dimension", "its message");
	ok(dl_shape_count(&batch, -2, &count, &error) == DL_ERROR_SHAPE, "a negative number of rows");

	is_text(dl_shape_print(&batch, text, sizeof(text)), "[batch, 4, 5]", "a shape with a batch");
	is_text(dl_shape_print(&four, text, sizeof(text)), "[1, 2, 3, 4]", "a shape of four dimensions");
	is_text(dl_shape_print(&empty, text, sizeof(text)), "[]", "a shape of none");
	is_text(dl_shape_print(&batch, text, 8), "[batch,", "a shape in little room");
	is_text(dl_shape_print(&batch, text, 1), "", "in none");
}

static void
test_types(void)
{
	ok(dl_dtype_size(DL_F32) == 4 && dl_dtype_size(DL_F64) == 8 && dl_dtype_size(DL_I32) == 4, "sizes of types");
	is_text(dl_dtype_name(DL_F32), "float32", "float32");
	is_text(dl_dtype_name(DL_F64), "float64", "float64");
	is_text(dl_dtype_name(DL_I32), "int32", "int32");
}

int
main(void)
{
	test_checked();
	test_shapes();
	test_types();
	return done_testing();
}
