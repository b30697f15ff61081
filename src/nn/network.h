/*
 * network.h
 *    The network language: parsing, canonical text, and building a graph.
 *
 *    network  := layer { '>' layer }
 *    layer    := name [ '(' [ argument { ',' argument } ] ')' ]
 *    argument := [ name '=>' ] ( number | name | network )
 *
 * Names are lower case; white space and SQL comments are free.  Errors carry
 * the 1-based character position in DlError.position, name what was expected,
 * and a misspelt name gets the nearest valid one as its hint.
 */
#ifndef DL_NN_NETWORK_H
#define DL_NN_NETWORK_H

#include "core/graph.h"

typedef struct DlNetwork DlNetwork;

/* Limits of what is accepted, so that hostile text costs little. */
#define DL_NETWORK_MAX_TEXT 65536
#define DL_NETWORK_MAX_LAYERS 1024
#define DL_NETWORK_MAX_DEPTH 32
#define DL_NETWORK_MAX_WIDTH 65536

/*
 * Parses length bytes (UTF-8, not necessarily terminated).  The result lives
 * in arena.  DL_ERROR_SYNTAX for mistakes, DL_ERROR_LIMIT beyond the limits.
 */
extern DlStatus dl_network_parse(DlArena *arena, const char *text, size_t length, DlNetwork **result, DlError *error);

/* Canonical text: parses to the same network; presets stay as written. */
extern DlStatus dl_network_text(const DlNetwork *network, DlArena *arena, char **result, DlError *error);

/* What the prepared columns of a table offer to a network. */
typedef struct DlNetworkInputs
{
	int64_t		numbers;		/* float inputs of a row */
	int64_t		continuous;		/* the first so many of them are real numbers; the rest are indicators and one-hot */
	int			categories;		/* embedded columns of codes */
	const int64_t *levels;		/* of each: codes are in [0, levels) */
	bool		logits;			/* the outputs are logits, of targets that are 0 or 1 */
} DlNetworkInputs;

typedef struct DlNetworkNodes
{
	DlNode		numbers;		/* input "numbers" [B, inputs.numbers]; DL_NO_NODE when there are none */
	DlNode		codes;			/* input "codes" [B, categories] int32; DL_NO_NODE when there are none */
	DlNode		hidden;			/* what the output layer reads: the embedding of a row */
	DlNode		output;			/* [B, outputs]: logits or values, before any softmax */
	DlNode		neighbours;		/* the operator of that name, whose rows training fills in; DL_NO_NODE: none */
} DlNetworkNodes;

/*
 * Adds the network to an empty graph: inputs, embeddings of the categories
 * (implicit unless the network begins with embedding(...)), its layers, and the
 * implicit output layer of outputs columns.  Parameter names are stable and
 * readable: "layers.0.weight", "layers.2.1.bias", "embeddings.3.weight",
 * "output.weight".
 */
extern DlStatus dl_network_build(const DlNetwork *network, const DlNetworkInputs *inputs, int64_t outputs,
								 DlGraph *graph, DlNetworkNodes *nodes, DlError *error);

/* One row a layer of the flattened network, for dl.summary. */
typedef struct DlLayerSummary
{
	const char *layer;			/* canonical text of the layer */
	int64_t		outputs;
	int64_t		parameters;
} DlLayerSummary;

extern DlStatus dl_network_summary(const DlNetwork *network, const DlNetworkInputs *inputs, int64_t outputs,
								   DlArena *arena, DlLayerSummary **rows, int *count, DlError *error);

#endif							/* DL_NN_NETWORK_H */
