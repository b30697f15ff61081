/*
 * network_presets.c
 *    Presets: layers that stand for a whole network, given as its text.
 *
 * A preset writes the network that its arguments ask for; the parser reads
 * that text as if the user had written it.
 */
#include "nn/network_internal.h"

/* Appends " > dropout(p)"; nothing when p is 0. */
static DlStatus
append_dropout(DlText *text, double p, DlError *error)
{
	char		number[DL_NUMBER_TEXT];

	if (p == 0)
		return DL_OK;
	return dl_text_append(text, error, " > dropout(%s)", dl_number_print(p, number, sizeof(number)));
}

/* Nothing between input and output. */
DlStatus
dl_preset_linear(const DlLayer *layer, DlText *text, DlError *error)
{
	(void) layer;
	(void) text;
	(void) error;
	return DL_OK;
}

/* (width, ..., activation, dropout): dense layers, each followed by dropout. */
DlStatus
dl_preset_mlp(const DlLayer *layer, DlText *text, DlError *error)
{
	const char *activation = dl_activation_name((DlActivation) layer->values[1].number);

	for (int i = 0; i < layer->repeated_count; i++)
	{
		DL_TRY(dl_text_append(text, error, "%sdense(%.0f, %s)", i == 0 ? "" : " > ", layer->repeated[i].number,
							  activation));
		DL_TRY(append_dropout(text, layer->values[2].number, error));
	}
	return DL_OK;
}

/*
 * (width, blocks, hidden, dropout): the ResNet for tables of Gorishniy et al.,
 * 2021, "Revisiting Deep Learning Models for Tabular Data", section 3.2.
 */
DlStatus
dl_preset_resnet(const DlLayer *layer, DlText *text, DlError *error)
{
	double		width = layer->values[0].number;
	int			blocks = (int) layer->values[1].number;
	double		hidden = layer->values[2].number;
	double		dropout = layer->values[3].number;

	DL_TRY(dl_text_append(text, error, "dense(%.0f)", width));
	for (int i = 0; i < blocks; i++)
	{
		DL_TRY(dl_text_append(text, error, " > residual(batch_norm > dense(%.0f, relu)", hidden));
		DL_TRY(append_dropout(text, dropout, error));
		DL_TRY(dl_text_append(text, error, " > dense(%.0f)", width));
		DL_TRY(append_dropout(text, dropout, error));
		DL_TRY(dl_text_append(text, error, ")"));
	}
	return dl_text_append(text, error, " > batch_norm > relu");
}

/*
 * (width, ..., activation, dropout, simplified, init, numbers): RealMLP-TD, and TD-S when
 * simplified, of Holzmueller et al., 2024, "Better by Default", appendix A.
 * TD-S has no number embeddings, a plain activation, no dropout, and an output
 * layer that starts at zero.
 */
DlStatus
dl_preset_realmlp(const DlLayer *layer, DlText *text, DlError *error)
{
	static const double widths[] = {256, 256, 256};
	int			count = layer->repeated_count > 0 ? layer->repeated_count : 3;
	const char *activation = dl_activation_name((DlActivation) layer->values[1].number);
	bool		simplified = layer->values[3].number != 0;
	const char *init = (DlStart) layer->values[4].number == DL_START_DATA ? ", init => data" : "";
	double		dropout = layer->values[2].number;
	DlNumbers	numbers = (DlNumbers) layer->values[5].number;

	if (dropout == DL_AUTO)
		dropout = simplified ? 0 : 0.15;
	if (numbers == DL_NUMBERS_AUTO)
		numbers = simplified ? DL_NUMBERS_NONE : DL_NUMBERS_PERIODIC;
	DL_TRY(dl_text_append(text, error, "%sembedding(8) > scale", numbers == DL_NUMBERS_PERIODIC ? "periodic > " :
						  numbers == DL_NUMBERS_PIECEWISE ? "piecewise > " : ""));
	for (int i = 0; i < count; i++)
	{
		double		width = layer->repeated_count > 0 ? layer->repeated[i].number : widths[i];

		if (simplified)
			DL_TRY(dl_text_append(text, error, " > dense(%.0f, %s, parametrization => ntk%s)", width, activation, init));
		else
			DL_TRY(dl_text_append(text, error, " > dense(%.0f, parametrization => ntk%s) > parametric(%s)", width,
								  init, activation));
		DL_TRY(append_dropout(text, dropout, error));
	}
	return dl_text_append(text, error, " > output(parametrization => ntk%s)", simplified ? ", zero => true" : init);
}
