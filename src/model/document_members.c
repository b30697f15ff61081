/*
 * document_members.c
 *    The networks and members of a model in its document; weights of networks are
 *    tensors of their own.
 */
#include <math.h>

#include "model/model_internal.h"

/* How far the members' weights may sum up to something else than 1. */
#define WEIGHT_TOLERANCE 1e-6

void
dl_document_write_doubles(DlJsonWriter *writer, const char *key, const double *values, int32_t count)
{
	dl_json_begin_array(writer, key);
	for (int32_t i = 0; i < count; i++)
		dl_json_put_double(writer, NULL, values[i]);
	dl_json_end_array(writer);
}

DlStatus
dl_document_read_doubles(const DlModel *model, const DlJson *object, const char *key, int32_t expected, bool finite,
						 double **result, DlError *error)
{
	DlJson		array;
	size_t		count = 0;

	DL_TRY(dl_json_array(object, key, DL_NETWORK_MAX_WIDTH, &array, &count, error));
	if (count != (size_t) expected)
		return dl_json_fail(&array, error, "has %zu items, expected %d", count, expected);
	DL_TRY(dl_arena_calloc(model->arena, count, sizeof(double), result, error));
	for (size_t i = 0; i < count; i++)
	{
		DlJson		item;

		DL_TRY(dl_json_item(&array, i, &item, error));
		DL_TRY(dl_json_double(&item, &(*result)[i], error));
		if (isnan((*result)[i]) || (finite && isinf((*result)[i])))
			return dl_json_fail(&item, error, "must be a %snumber", finite ? "finite " : "");
	}
	return DL_OK;
}

static void
write_scaling(const DlModel *model, const DlTargetScaling *target, DlJsonWriter *writer)
{
	dl_json_begin_object(writer, "target");
	dl_json_put_bool(writer, "log", target->log);
	dl_document_write_doubles(writer, "center", target->center, model->outputs);
	dl_document_write_doubles(writer, "scale", target->scale, model->outputs);
	if (target->log)
		dl_document_write_doubles(writer, "shift", target->shift, model->outputs);
	dl_json_end_object(writer);
}

void
dl_document_write_members(const DlModel *model, DlJsonWriter *writer)
{
	dl_json_begin_array(writer, "networks");
	for (int32_t i = 0; i < model->network_count; i++)
	{
		dl_json_begin_object(writer, NULL);
		dl_json_put_string(writer, "network", model->networks[i].text);
		dl_document_write_graph(&model->networks[i], writer);
		dl_json_end_object(writer);
	}
	dl_json_end_array(writer);
	dl_json_begin_array(writer, "members");
	for (int32_t i = 0; i < model->member_count; i++)
	{
		dl_json_begin_object(writer, NULL);
		dl_json_put_int(writer, "network", model->members[i].network);
		dl_json_put_double(writer, "weight", model->members[i].weight);
		if (model->task == DL_TASK_REGRESSION)
			write_scaling(model, &model->members[i].target, writer);
		dl_json_end_object(writer);
	}
	dl_json_end_array(writer);
}

static DlStatus
read_scaling(const DlModel *model, const DlJson *member, DlTargetScaling *target, DlError *error)
{
	DlJson		json;

	DL_TRY(dl_json_member(member, "target", &json, error));
	DL_TRY(dl_json_member_bool(&json, "log", &target->log, error));
	DL_TRY(dl_document_read_doubles(model, &json, "center", model->outputs, true, &target->center, error));
	DL_TRY(dl_document_read_doubles(model, &json, "scale", model->outputs, true, &target->scale, error));
	if (target->log)
		DL_TRY(dl_document_read_doubles(model, &json, "shift", model->outputs, true, &target->shift, error));
	return DL_OK;
}

static DlStatus
read_networks(DlModel *model, const DlJson *root, DlError *error)
{
	DlJson		array;
	size_t		count = 0;

	DL_TRY(dl_json_array(root, "networks", DL_MODEL_MAX_MEMBERS, &array, &count, error));
	if (count == 0)
		return dl_json_fail(&array, error, "must not be empty");
	DL_TRY(dl_arena_calloc(model->arena, count, sizeof(DlModelNetwork), &model->networks, error));
	model->network_count = (int32_t) count;
	for (size_t i = 0; i < count; i++)
	{
		DlJson		item;

		DL_TRY(dl_json_item(&array, i, &item, error));
		DL_TRY(dl_json_member_string(&item, "network", model->arena, DL_NETWORK_MAX_TEXT, &model->networks[i].text,
									 error));
	}
	return DL_OK;
}

/* A network that no member is of has no weights in the file, which bound its size. */
static DlStatus
check_networks(const DlModel *model, const DlJson *root, DlError *error)
{
	for (int32_t i = 0; i < model->network_count; i++)
	{
		bool		used = false;

		for (int32_t m = 0; m < model->member_count; m++)
			used |= model->members[m].network == i;
		if (!used)
			return dl_json_fail(root, error, "has network %d, which no member is of", i);
	}
	return DL_OK;
}

DlStatus
dl_document_read_members(DlModel *model, const DlJson *root, DlError *error)
{
	DlJson		array;
	size_t		count = 0;
	double		sum = 0;

	DL_TRY(read_networks(model, root, error));
	DL_TRY(dl_json_array(root, "members", DL_MODEL_MAX_MEMBERS, &array, &count, error));
	if (count == 0)
		return dl_json_fail(&array, error, "must not be empty");
	DL_TRY(dl_arena_calloc(model->arena, count, sizeof(DlModelMember), &model->members, error));
	model->member_count = (int32_t) count;
	for (size_t i = 0; i < count; i++)
	{
		DlModelMember *member = &model->members[i];
		DlJson		item;

		DL_TRY(dl_json_item(&array, i, &item, error));
		DL_TRY(dl_json_member_int32(&item, "network", 0, model->network_count - 1, &member->network, error));
		DL_TRY(dl_json_member_finite(&item, "weight", &member->weight, error));
		if (!(member->weight > 0))
			return dl_json_fail(&item, error, "has a weight that is not positive");
		sum += member->weight;
		if (model->task == DL_TASK_REGRESSION)
			DL_TRY(read_scaling(model, &item, &member->target, error));
	}
	if (!(fabs(sum - 1) <= WEIGHT_TOLERANCE))
		return dl_json_fail(&array, error, "has weights that sum to %g, expected 1", sum);
	return check_networks(model, root, error);
}
