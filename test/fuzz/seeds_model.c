/*
 * seeds_model.c
 *    Writes the seeds of fuzz_model into a directory: small models of each kind
 *    and one file for each row of safetensors_cases.h.
 *
 *    seeds_model test/fuzz/corpus/model
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/model_samples.h"
#include "../unit/safetensors_cases.h"

#define LARGEST_SEED 8192

static bool
write_seed(const char *directory, const char *name, const void *bytes, size_t length)
{
	char		path[1024];
	char	   *p;
	FILE	   *file;
	bool		written;

	p = path + snprintf(path, sizeof(path), "%s/", directory);
	snprintf(p, sizeof(path) - (size_t) (p - path), "%s", name);
	for (; *p != '\0'; p++)
		if (*p == ' ')
			*p = '_';
	file = fopen(path, "wb");
	if (file == NULL)
		return false;
	written = fwrite(bytes, 1, length, file) == length;
	return fclose(file) == 0 && written;
}

static bool
write_case(const char *directory, int index)
{
	const SafetensorsCase *c = &safetensors_cases[index];
	size_t		length = strlen(c->header);
	unsigned char bytes[1024] = {0};
	char		name[128];

	snprintf(name, sizeof(name), "header %02d %s", index, c->what);
	for (char *p = name; *p != '\0'; p++)
		if (*p == '^' || *p == '+')
			*p = '-';
	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char) ((unsigned long long) length >> (8 * i));
	memcpy(bytes + 8, c->header, length);
	return write_seed(directory, name, bytes, 8 + length + c->data);
}

static bool
write_model(const char *directory, const ModelSample *sample, const char *precision)
{
	DlModel    *model;
	DlArena    *arena;
	DlError		error;
	void	   *bytes;
	size_t		length = 0;
	char		name[128];
	bool		written = false;

	if (model_sample_create(sample, 1, &model, &error) != DL_OK)
		return false;
	model->record.matmul_precision = precision;
	snprintf(name, sizeof(name), "model %s", sample->name);
	if (dl_arena_create(0, &arena, &error) == DL_OK)
	{
		written = dl_model_encode(model, arena, &bytes, &length, &error) == DL_OK &&
			(length > LARGEST_SEED || write_seed(directory, name, bytes, length));
		dl_arena_destroy(arena);
	}
	dl_model_destroy(model);
	return written;
}

/* Files whose length itself is wrong. */
static bool
write_short(const char *directory)
{
	static const unsigned char whole[10] = {2, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
	static const unsigned char empty[9] = {0};
	static const unsigned char longer[10] = {3, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
	static const unsigned char huge[10] = {0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, '{', '}'};

	return write_seed(directory, "length 5", whole, 5) && write_seed(directory, "length of header 0", empty, 9) &&
		write_seed(directory, "length too large", longer, 10) && write_seed(directory, "length that wraps", huge, 10);
}

int
main(int argc, char **argv)
{
	static const ModelSample medium = {"medium", DL_TASK_MULTICLASS, "nn", "dense(17, relu)", 2, 3, NULL};
	bool		written;

	if (argc != 2)
	{
		fprintf(stderr, "usage: seeds_model DIRECTORY\n");
		return 2;
	}
	written = write_short(argv[1]);
	for (int i = 0; i < (int) SAFETENSORS_CASE_COUNT; i++)
		written &= write_case(argv[1], i);
	for (int i = 0; i < model_sample_count; i++)
		written &= write_model(argv[1], &model_samples[i], "highest");
	written &= write_model(argv[1], &medium, "medium");
	return written ? 0 : 1;
}
