/*
 * op.h
 *    What an operator is: the interface between the graph and its plans, which
 *    know no operator, and the operators (src/ops), which know no plan.
 *
 * The values of a graph are matrices [batch, n]; parameters are of any shape
 * without a batch.  The table itself is in ops/op_table.c and reaches the core
 * through dl_op_definition() alone.
 */
#ifndef DL_CORE_OP_H
#define DL_CORE_OP_H

#include "core/graph.h"

#define DL_OP_MAX_ROLES 6
#define DL_OP_ANY_NUMBER (-1)

/* Masks of inputs; the last bit stands for all inputs from there on, and in keeps for the output. */
#define DL_OP_INPUT_BIT(i) (1u << (i))
#define DL_OP_ALL_INPUTS 0x7fffffffu
#define DL_OP_OUTPUT_BIT 0x80000000u

/* What is known of a node when it is built. */
typedef struct DlOpNode
{
	DlOp		op;
	DlAttributes attributes;
	int			input_count;
	const DlShape *inputs;
	DlShape		output;
} DlOpNode;

/* Memory of a node besides its output, in real numbers. */
typedef struct DlOpMemory
{
	int64_t		kept_row;		/* written forward, read backward: for each row */
	int64_t		kept_fixed;		/* and in addition for the batch */
	int64_t		forward_row;	/* used within the forward step only */
	int64_t		backward_row;	/* used within the backward step only */
} DlOpMemory;

/* What all nodes of a running plan share. */
typedef struct DlOpRun
{
	const DlBackend *backend;
	DlWorkspace *workspace;
	DlRandom   *random;
	int64_t		rows;
	int64_t		candidates;		/* of the rows, the last so many are only looked at by neighbours */
	double		dropout;		/* factor of every dropout's p */
	bool		training;
} DlOpRun;

/*
 * One call.  Backward, dx[i] is NULL where no gradient is wanted;
 * accumulate[i]: add to dx[i], otherwise store all of it.  dy belongs to the
 * node, which may overwrite it.  dx[i] equals dy only as in_place_backward allows.
 */
typedef struct DlOpCall
{
	const DlOpRun *run;
	const DlOpNode *node;
	void	  **x;
	void	   *y;
	void	   *kept;
	void	   *work;
	void	   *dy;
	void	  **dx;
	const bool *accumulate;
} DlOpCall;

typedef void (*DlOpFunction) (const DlOpCall *call);

typedef struct DlOpDefinition
{
	const char *name;
	const char *roles[DL_OP_MAX_ROLES]; /* of the inputs, for messages; NULL: "input i" */
	int			min_inputs;
	int			max_inputs;		/* or DL_OP_ANY_NUMBER */
	unsigned	integers;		/* inputs that are int32; the others are real */
	unsigned	parameters;		/* inputs without a batch; the others are [batch, n] */
	unsigned	differentiable; /* inputs that a gradient flows to */
	unsigned	in_place;		/* inputs whose memory y may take when nothing else reads them any more */
	unsigned	in_place_backward;	/* inputs whose gradient may be dy's memory (one of them at a time) */
	bool		couples_rows;	/* looks across the rows of a batch */
	bool		random;			/* training needs random numbers */

	/* Checks input shapes (their kind is checked before) and attributes; sets node->output. */
	DlStatus	(*infer) (DlOpNode *node, DlError *error);

	/* Inputs, and the output, that backward reads; NULL: none. */
	unsigned	(*keeps) (const DlOpNode *node);

	/* Adds to *memory, which is zero at first; NULL: nothing. */
	void		(*memory) (const DlOpNode *node, bool training, DlOpMemory *memory);

	/* Of one row, forward; NULL: none. */
	int64_t		(*multiply_adds) (const DlOpNode *node);

	DlOpFunction forward;
	DlOpFunction backward;
} DlOpDefinition;

/* NULL outside the table. */
extern const DlOpDefinition *dl_op_definition(DlOp op);

static inline bool
dl_op_has(unsigned mask, int input)
{
	return (mask >> (input < 30 ? input : 30)) & 1;
}

#endif							/* DL_CORE_OP_H */
