/*
 * fuzz_network.c
 *    Any bytes as the text of a network: refused, or written out as a text that
 *    reads back as itself, and that builds with or without an error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/network.h"

#define PARSE_BUDGET ((size_t) 16 << 20)
#define BUILD_BUDGET ((size_t) 64 << 20)
#define MOST_PARAMETERS 1000000

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(int condition, const char *what)
{
	if (!condition)
	{
		fprintf(stderr, "broken: %s\n", what);
		abort();
	}
}

static void
check_error(const DlError *error, DlStatus status, size_t size)
{
	require(error->status == status, "an error has its status");
	require(error->message[0] != '\0', "an error has a message");
	require(error->position >= 0 && (size_t) error->position <= size + 1, "the position is in the text");
	require(status != DL_ERROR_SYNTAX || error->position > 0, "a mistake has a position");
	for (const char *c = error->message; *c != '\0'; c++)
		require(*c >= 0x20 && *c < 0x7f, "messages are printable ASCII");
}

/* Parameters of the network for these inputs; -1 when it cannot be built. */
static int64_t
summarise(const DlNetwork *network, const DlNetworkInputs *inputs, DlArena *arena)
{
	DlLayerSummary *rows;
	DlError		error;
	int64_t		sum = 0;
	int			count;

	if (dl_network_summary(network, inputs, 2, arena, &rows, &count, &error) != DL_OK)
		return -1;
	for (int i = 0; i < count; i++)
	{
		require(rows[i].layer != NULL && rows[i].outputs > 0 && rows[i].parameters >= 0, "a row is whole");
		sum += rows[i].parameters;
	}
	return sum;
}

static void
build(const DlNetwork *network)
{
	static const int64_t levels[] = {3, 40};
	DlNetworkInputs inputs = {.numbers = 4,.continuous = 3,.categories = 2,.levels = levels};
	DlNetworkNodes nodes;
	DlError		error;
	DlArena    *arena;
	DlGraph    *graph;
	int64_t		expected;
	int64_t		trained = 0;

	dl_error_reset(&error);
	if (dl_arena_create(BUILD_BUDGET, &arena, &error) != DL_OK)
		return;
	expected = summarise(network, &inputs, arena);
	if (expected >= 0 && expected < MOST_PARAMETERS && dl_graph_create(arena, &graph, &error) == DL_OK)
	{
		DlStatus	status = dl_network_build(network, &inputs, 2, graph, &nodes, &error);

		require(status == DL_OK || status == DL_ERROR_MEMORY, "what is summarised can be built");
		for (int i = 0; status == DL_OK && i < dl_graph_parameter_count(graph); i++)
			if (dl_graph_parameter_info(graph, i)->rate != 0)
				trained += dl_graph_parameter_elements(graph, i);
		require(status != DL_OK || trained == expected, "rows sum up to the parameters");
		require(status != DL_OK || dl_graph_shape(graph, nodes.output).dims[1] == 2, "the output has its columns");
	}
	dl_arena_destroy(arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	DlError		error;
	DlArena    *arena;
	DlNetwork  *network;
	DlNetwork  *again;
	char	   *text;
	char	   *same;
	DlStatus	status;

	dl_error_reset(&error);
	if (dl_arena_create(PARSE_BUDGET, &arena, &error) != DL_OK)
		return 0;
	status = dl_network_parse(arena, (const char *) data, size, &network, &error);
	if (status != DL_OK)
		check_error(&error, status, size);
	else if (dl_network_text(network, arena, &text, &error) == DL_OK)
	{
		status = dl_network_parse(arena, text, strlen(text), &again, &error);
		require(status == DL_OK || status == DL_ERROR_MEMORY, "canonical text is accepted");
		if (status == DL_OK && dl_network_text(again, arena, &same, &error) == DL_OK)
			require(strcmp(text, same) == 0, "canonical text is stable");
		build(network);
	}
	dl_arena_destroy(arena);
	return 0;
}
