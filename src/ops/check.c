/*
 * check.c
 *    Checks that the shape rules of the operators share.  Every message says
 *    what was expected, what came, and which other shape demands it.
 */
#include <stdio.h>

#include "ops/op.h"

static const char *
role(const DlOpNode *node, int index, char *text, size_t size)
{
	const DlOpDefinition *definition = dl_op_definition(node->op);

	if (index < DL_OP_MAX_ROLES && definition->roles[index] != NULL)
		return definition->roles[index];
	snprintf(text, size, "input %d", index + 1);
	return text;
}

/* A shape whose free dimensions read "any". */
static const char *
print_expected(const DlShape *shape, char *text, size_t size)
{
	size_t		used = 0;

	for (int i = 0; i < shape->rank && used < size; i++)
	{
		const char *before = i == 0 ? "[" : ", ";
		const char *after = i == shape->rank - 1 ? "]" : "";

		if (shape->dims[i] == DL_BATCH || shape->dims[i] == DL_OP_ANY_DIMENSION)
			used += (size_t) snprintf(text + used, size - used, "%s%s%s", before,
									  shape->dims[i] == DL_BATCH ? "batch" : "any", after);
		else
			used += (size_t) snprintf(text + used, size - used, "%s%lld%s", before, (long long) shape->dims[i], after);
	}
	return text;
}

DlStatus
dl_op_expect(const DlOpNode *node, int index, DlShape expected, int because, DlError *error)
{
	const DlShape *got = &node->inputs[index];
	bool		fits = got->rank == expected.rank;
	char		expected_text[128];
	char		got_text[128];
	char		because_text[128];
	char		role_text[32];
	char		other_text[32];

	for (int i = 0; i < expected.rank; i++)
	{
		if (fits && expected.dims[i] != DL_OP_ANY_DIMENSION && expected.dims[i] != got->dims[i])
			fits = false;
	}
	if (fits)
		return DL_OK;
	return dl_error_set(error, DL_ERROR_SHAPE, "%s: %s has shape %s, expected %s because %s has shape %s",
						dl_op_name(node->op), role(node, index, role_text, sizeof(role_text)),
						dl_shape_print(got, got_text, sizeof(got_text)),
						print_expected(&expected, expected_text, sizeof(expected_text)),
						role(node, because, other_text, sizeof(other_text)),
						dl_shape_print(&node->inputs[because], because_text, sizeof(because_text)));
}

DlStatus
dl_op_check_activation(const DlOpNode *node, DlError *error)
{
	if ((unsigned) node->attributes.activation >= DL_ACTIVATION_COUNT)
		return dl_error_set(error, DL_ERROR_INVALID, "%s: activation %d does not exist", dl_op_name(node->op),
							(int) node->attributes.activation);
	return DL_OK;
}

DlStatus
dl_op_check_range(const DlOpNode *node, const char *name, double value, double low, double high, bool open,
				  DlError *error)
{
	/* so written that NaN fails */
	if (value >= low && (open ? value < high : value <= high))
		return DL_OK;
	return dl_error_set(error, DL_ERROR_INVALID, "%s: %s must be from %g to %s%g, got %g", dl_op_name(node->op), name,
						low, open ? "below " : "", high, value);
}
